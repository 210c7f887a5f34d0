"""Twelve bots' metrics, as the exporter would serve them, and their control API, in one process."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BOTS = tuple(f"bot-{number:02}" for number in range(1, 13))


@dataclass
class Bot:
    """A bot's figures; a bot that is down has only `up`."""

    up: bool = True
    drawdown: float = 0.01
    failing: float = 0.0  # share of its API calls
    began: float = field(default_factory=time.time)
    calls: Counter[str] = field(default_factory=Counter)

    def work(self, calls: int) -> None:
        """Make calls to the exchange."""
        failed = round(calls * self.failing)
        self.calls.update(ok=calls - failed, error=failed)

    def shown(self) -> Iterator[tuple[str, float]]:
        """Yield metric and value; further labels follow the metric's name."""
        yield "up", float(self.up)
        if not self.up:
            yield "source_error,reason=refused", 1.0
            return
        now = time.time()
        yield from (
            ("state,state=running", 1.0), ("last_activity_timestamp_seconds", now),
            ("start_time_seconds", self.began), ("uptime_seconds", now - self.began),
            ("drawdown_ratio", self.drawdown), ("max_drawdown_ratio", self.drawdown),
            ("equity", 1000.0), ("profit_loss", 10.0), ("pnl,window=day", 1.0), ("pnl,window=total", 10.0),
            ("error_rate", self.failing), ("win_rate", 0.6), ("trades_total,outcome=won", 30.0),
            ("trades_total,outcome=lost", 20.0), ("trades_per_hour", 2.0), ("current_exposure", 100.0),
            ("active_positions,symbol=BTC/USDT", 1.0), ("memory_usage_ratio", 0.2),
            ("cpu_usage_ratio", 0.2), ("data_freshness_seconds,feed=candles", 0.0),
        )  # fmt: skip
        for outcome, count in self.calls.items():
            yield f"api_requests_total,outcome={outcome}", float(count)


class Twelve:
    """The bots, at `/metrics` for Prometheus and at `/<bot>/api/v1` for the engine."""

    def __init__(self, calls: int) -> None:
        """`calls` are made to the exchange by each bot between two scrapes."""
        self.bots = {name: Bot() for name in BOTS}
        self._calls = calls
        fleet = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path == "/metrics":
                    group = parse_qs(url.query).get("collect[]", [""])[0]
                    return self.reply(200, fleet.page() if group == "trading" else "", "text/plain")
                bot = fleet.bots.get(url.path.split("/")[1])
                if bot is None:  # the exporter's drill, and other parts that are no bot
                    return self.reply(404, "", "text/plain")
                return self.reply(200 if bot.up else 503, json.dumps(_state(bot)), "application/json")

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                bot = fleet.bots[self.path.split("/")[1]]
                done = bot.up  # a bot that is down stays down after every order
                said = {"done": done, "verb": self.path.split("/")[-1], "detail": "told"}
                self.reply(200 if done else 503, json.dumps(said), "application/json")

            def reply(self, status: int, text: str, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def page(self) -> str:
        """Return the exporter's metrics; time advances with each scrape."""
        lines = []
        for name, bot in self.bots.items():
            bot.work(self._calls)
            for key, value in bot.shown():
                metric, *more = key.split(",")
                labels = [f'bot="{name}"', *('{}="{}"'.format(*one.split("=")) for one in more)]
                lines.append(f"trading_bot_{metric}{{{','.join(labels)}}} {value!r}")
        return "\n".join(lines) + "\n"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def _state(bot: Bot) -> dict[str, object]:
    held = [{"symbol": "BTC/USDT", "side": "long", "size": 1.0, "price": 100.0, "profit": -1.0}]
    return {"state": "running", "open_positions": held, "pending_orders": 0, "started_at": bot.began}
