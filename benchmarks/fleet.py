"""The cost of a fleet: memory and CPU of each part, scrapes and rules, for 100 and for 1,000 bots.

`python benchmarks/fleet.py [--bots 100,1000] [--seconds 90]` starts `nightdesk up` with the default paces
over simulated bots of fifty closed trades each, waits until Prometheus has seen all, and measures. CPU is the
processes' own, so a busy machine hardly changes it; the last column is the ratio of the others.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import requests
import yaml

from stack.settings import Settings, load

TRADES = 50
SEEN_WITHIN = 180.0
PROGRAMS = {
    "exporter": "-m exporter",
    "prometheus": "--storage.tsdb.path",
    "alertmanager": "--storage.path",
    "webhook_actions": "-m webhook_actions",
    "postgres": "postgres",
}


class Bots(BaseHTTPRequestHandler):
    """Any number of trading bots, with the bot API."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with a state, or with new trades."""
        now = time.time()
        state = {
            "state": "running",
            "time": now,
            "last_activity_at": now,
            "equity": 10_100.0,
            "profit_loss": 100.0,
        }
        new = self.path.endswith("trades?since_id=0&limit=1000")
        trades = [_trade(number, now) for number in range(1, TRADES + 1)] if new else []
        self._answer({"trades": trades, "more": False} if "/trades" in self.path else state)

    def _answer(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Serves all bots at once."""

    request_queue_size = 1024
    daemon_threads = True


def _trade(number: int, now: float) -> dict[str, object]:
    at = now - 3600 + number
    profit = 10.0 if number % 3 else -8.0
    return {"id": number, "symbol": "BTC/USDT", "side": "long", "stake": 100.0, "opened_at": at - 60,
            "closed_at": at, "profit": profit}  # fmt: skip


@contextmanager
def stack(
    directory: Path, bots: int, url: str, offset: int, **more: object
) -> Iterator[tuple[Settings, psutil.Process]]:
    """Run `nightdesk up` over the bots, with `more` settings; gives its settings and process."""
    directory.mkdir()
    (directory / "token").write_text("a-token")
    source = {"type": "http", "token_file": "token"}
    settings = {
        "bots": {f"bot{number}": {"source": source | {"url": f"{url}/{number}"}} for number in range(bots)}
    }
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump(settings | more))
    options = ["--config", str(config), "--data", str(directory / "data"), "--port-offset", str(offset)]
    with (directory / "up.log").open("w") as log:
        up = subprocess.Popen([sys.executable, "-m", "stack.cli", "up", *options], stdout=log)
    try:
        yield load([config], port_offset=offset), psutil.Process(up.pid)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)


def value(settings: Settings, expression: str) -> float:
    """Return Prometheus's answer; NaN without one."""
    url = f"{settings.services.prometheus.url}/api/v1/query"
    found = requests.get(url, params={"query": expression}, timeout=10).json()["data"]["result"]
    return float(found[0]["value"][1]) if found else float("nan")


def wait(done: Callable[[], bool], within: float = SEEN_WITHIN) -> None:
    """Wait until all bots are seen."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            if done():
                return
        except (requests.RequestException, KeyError):
            pass
        time.sleep(1)
    sys.exit(f"not all bots were seen within {within:g} s")


def spent(up: psutil.Process) -> dict[str, tuple[float, float]]:
    """Return the CPU seconds so far and the memory in MB of each part."""
    found = dict.fromkeys(PROGRAMS, (0.0, 0.0))
    for process in up.children(recursive=True):
        command = " ".join(process.cmdline())
        part = next((name for name, mark in PROGRAMS.items() if mark in command), None)
        if part:
            times, (cpu, memory) = process.cpu_times(), found[part]
            # The shared memory of PostgreSQL's processes counts once.
            own = process.memory_info().rss - (process.memory_info().shared if part == "postgres" else 0)
            found[part] = (cpu + times.user + times.system, memory + own / 1e6)
    return found


def measure(bots: int, seconds: float, directory: Path, url: str, offset: int) -> dict[str, float]:
    """Return the figures of one fleet."""
    with stack(directory, bots, url, offset) as (settings, up):
        wait(lambda: value(settings, "count(trading_bot_up == 1)") == bots)
        before = spent(up)
        time.sleep(seconds)
        after = spent(up)
        figures = {
            f"{part}: CPU, % of a core": (after[part][0] - before[part][0]) / seconds * 100
            for part in PROGRAMS
        }
        figures |= {f"{part}: memory, MB": after[part][1] for part in PROGRAMS}
        figures["series"] = value(settings, "prometheus_tsdb_head_series")
        figures["slowest scrape, s"] = value(settings, "max(max_over_time(scrape_duration_seconds[2m]))")
        figures["rules, all groups, s"] = value(settings, "sum(prometheus_rule_group_last_duration_seconds)")
        return figures


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bots", default="100,1000")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--port-offset", type=int, default=0)
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", 0), Bots)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    fleets = [int(number) for number in arguments.bots.split(",")]
    with tempfile.TemporaryDirectory(prefix="fleet") as directory:
        columns = [
            measure(bots, arguments.seconds, Path(directory, str(bots)), url, arguments.port_offset)
            for bots in fleets
        ]
    print(f"{arguments.seconds:g} s, paces of the defaults\n")
    print(f"{'bots':<36}" + "".join(f"{bots:>12,}" for bots in fleets) + f"{fleets[-1] / fleets[0]:>9.1f}x")
    for name in columns[0]:
        row = [column[name] for column in columns]
        ratio = row[-1] / row[0] if row[0] else float("nan")
        print(f"{name:<36}" + "".join(f"{figure:>12,.2f}" for figure in row) + f"{ratio:>9.1f}x")
    server.shutdown()


if __name__ == "__main__":
    main()
