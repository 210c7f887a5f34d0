"""Simulated bots: their metrics, and a control API that fails and counts the orders it gets."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HEALS = {  # the faults that an order may end, and how often it ends each
    "restart": (("Down",), 0.8),
    "retry_connection": (("ApiErrorRate", "DataStale"), 0.5),
    "switch_endpoint": (("ApiErrorRate",), 0.3),
    "optimize_connections": (("HighLatency",), 0.5),
    "reduce_positions": (("HighDrawdown",), 0.9),
}


@dataclass
class Bot:
    """One bot: its state, and all orders that it got."""

    up: bool = True
    paused: bool = False
    sizes: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("S0", "S1", "S2"), 1.0))
    comes_back: bool = True  # False: no restart helps
    error: str | None = None  # reason of source_error
    faults: set[tuple[str, str]] = field(default_factory=set)  # alert and symbol
    known: set[tuple[str, str]] = field(default_factory=set)  # past faults: their samples go on, as 0
    received: Counter[tuple[str, str | None]] = field(default_factory=Counter)  # verb and idempotency key
    executed: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    first_told: float | None = None  # when its first order came

    def did(self, verb: str) -> int:
        """Return how often a verb was carried out."""
        return sum(count for (one, _), count in self.executed.items() if one == verb)

    def state(self) -> dict[str, object]:
        held = [
            {"symbol": symbol, "side": "long", "size": size, "price": 100.0, "profit": -1.0}
            for symbol, size in self.sizes.items()
        ]
        return {
            "state": "paused" if self.paused else "running",
            "open_positions": held,
            "pending_orders": 0,
        }


class Fleet:
    """All bots on one port. The share `failing` of all calls fails, half of these after the work is done."""

    def __init__(self, names: list[str], seed: int, failing: float = 0.0) -> None:
        self.bots = {name: Bot() for name in names}
        self.failing = failing
        self.failed = Counter[str]()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        fleet = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    return self.reply(200, fleet.exposition().encode(), "text/plain")
                bot = fleet.bots[self.path.split("/")[1]]
                return self.fail_or(lambda: json.dumps(bot.state()).encode() if bot.up else None)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}") or {}
                name, verb = self.path.split("/")[1], self.path.split("/")[-1]
                key = self.headers["Idempotency-Key"]
                return self.fail_or(lambda: fleet.told(name, verb, key, body))

            def fail_or(self, work: Callable[[], bytes | None]) -> None:
                how = fleet.how_it_fails()
                if how == "before":
                    return self.reply(500, b'{"detail": "chaos"}')
                if how == "dropped":
                    self.close_connection = True
                    return None
                body = work()
                if how == "after":  # it acts, but the answer is lost
                    self.close_connection = True
                    return None
                return self.reply(200, body) if body is not None else self.reply(503, b"{}")

            def reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # a killed engine leaves broken connections behind

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def how_it_fails(self) -> str | None:
        """Draw whether and how a call fails."""
        with self._lock:
            if self._random.random() >= self.failing:
                return None
            how = self._random.choice(("before", "dropped", "after", "after"))
            self.failed[how] += 1
            return how

    def told(self, name: str, verb: str, key: str | None, body: dict[str, Any]) -> bytes:
        """Carry out a verb, once for each key, as docs/bot-api.md requires."""
        bot = self.bots[name]
        with self._lock:
            bot.first_told = bot.first_told or time.time()
            bot.received[verb, key] += 1
            if key is not None and bot.executed[verb, key]:
                return b'{"detail": "done already"}'
            bot.executed[verb, key] += 1
            self._carry_out(bot, verb, body)
        return b'{"detail": "done"}'

    def _carry_out(self, bot: Bot, verb: str, body: dict[str, Any]) -> None:
        if verb == "restart":
            bot.up, bot.paused = bot.comes_back, False  # a start lets it trade again
        elif verb in ("pause", "resume"):
            bot.paused = verb == "pause"
        elif verb == "close_positions":
            staying = set(bot.sizes) - set(body.get("symbols") or bot.sizes)
            bot.sizes = {symbol: bot.sizes[symbol] for symbol in staying}
        elif verb == "reduce_positions":
            wanted = {one["symbol"]: one["size"] for one in body["positions"]}
            bot.sizes = {s: min(size, wanted.get(s, size)) for s, size in bot.sizes.items()}
        alerts, share = _HEALS.get(verb, ((), 0.0))
        if bot.comes_back and self._random.random() < share:
            bot.faults = {fault for fault in bot.faults if fault[0] not in alerts}

    def strike(self, name: str, alert: str, symbol: str) -> None:
        """Start a fault."""
        bot = self.bots[name]
        with self._lock:
            bot.faults.add((alert, symbol))
            bot.known.add((alert, symbol))
            bot.up = bot.up and alert != "Down"

    def calm(self, name: str) -> None:
        """End all faults of a bot."""
        with self._lock:
            bot = self.bots[name]
            bot.faults.clear()
            bot.up = True

    def exposition(self) -> str:
        lines = []
        with self._lock:
            for name, bot in self.bots.items():
                lines.append(f'trading_bot_up{{bot="{name}"}} {int(bot.up)}')
                lines.append(
                    f'trading_bot_state{{bot="{name}",state="running"}} {int(bot.up and not bot.paused)}'
                )
                lines.append(f'trading_bot_current_exposure{{bot="{name}"}} {sum(bot.sizes.values()) * 100}')
                lines.append(f'trading_bot_active_positions{{bot="{name}",symbol="all"}} {len(bot.sizes)}')
                if bot.error:
                    lines.append(f'trading_bot_source_error{{bot="{name}",reason="{bot.error}"}} 1')
                for alert, symbol in bot.known:
                    on = int((alert, symbol) in bot.faults and not (alert == "Down" and bot.up))
                    lines.append(f'chaos_fault{{bot="{name}",alert="{alert}",symbol="{symbol}"}} {on}')
        return "\n".join(lines) + "\n"

    def calls(self) -> int:
        """Return how many orders arrived."""
        return sum(sum(bot.received.values()) for bot in self.bots.values())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def wait(seconds: float) -> None:
    """Sleep. Only this function does, because the clock paces chaos, not observations."""
    time.sleep(seconds)
