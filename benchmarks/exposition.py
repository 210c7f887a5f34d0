"""Times a scrape of a thousand bots with a hundred series each, compared with prometheus_client.

`python benchmarks/exposition.py [--bots 1000] [--series 100] [--rounds 7]` lets a real Prometheus scrape the
page, and prints the time of a scrape, the cost of the polls between two scrapes and the memory of a series.
Then it compares the scrapes of a running exporter while all bots answer and while one of them hangs.
"""

import argparse
import asyncio
import gc
import gzip
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests
import yaml
from aiohttp import web
from crash_to_restart import free_port
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from exporter.catalogue import COLLECT, COUNTER, HISTOGRAM, METRICS, Sample
from exporter.exposition import Board, Lines, Owner
from stack.binaries import MissingBinary, find

GROUPS = [group for groups in COLLECT.values() for group in groups]
CAP = 1000
SCRAPES, TURNS = 30, 3
Fleet = dict[str, list[Sample]]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bots", type=int, default=1000)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    said = {f"bot-{number:04}": series(number, arguments.series) for number in range(arguments.bots)}
    compare_scrapes(said, arguments.rounds)
    compare_memory(said)
    compare_hanging(arguments.bots)


def series(number: int, count: int) -> list[Sample]:
    """Return a number of samples of one bot, from all our metrics and several symbols."""
    metrics = [metric for metric in METRICS if metric.of_bot and metric.type != HISTOGRAM]
    symbols = 1 + count // len(metrics)
    found = [
        Sample(metric, tuple(f"{label}-{place}" for label in metric.labels), number + place / 7)
        for place in range(symbols + count)
        for metric in metrics
        if metric.labels or place == 0
    ]
    return found[:count]


class Custom(Collector):
    """A custom collector of prometheus_client, which makes the families again at each scrape."""

    def __init__(self, said: Fleet) -> None:
        self._said = said

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with the samples of all bots."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for bot, samples in self._said.items():
            for each in samples:
                metric = each.metric
                if metric.name not in families:
                    kind = CounterMetricFamily if metric.type == COUNTER else GaugeMetricFamily
                    families[metric.name] = kind(
                        metric.full_name, metric.help, labels=("bot", *metric.labels)
                    )
                families[metric.name].add_metric((bot, *each.labels), each.value)
        yield from families.values()


def children(said: Fleet) -> CollectorRegistry:
    """Return a registry with a gauge's child for each sample, the client's usual way."""
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for bot, samples in said.items():
        for each in samples:
            metric = each.metric
            if metric.name not in gauges:
                gauges[metric.name] = Gauge(
                    metric.full_name, metric.help, ("bot", *metric.labels), registry=registry
                )
            gauges[metric.name].labels(bot, *each.labels).set(each.value)
    return registry


def rendered(said: Fleet) -> tuple[Board, dict[str, Lines]]:
    """Return the board after one poll of each bot, and the function that renders the next poll."""
    board, lines = Board(), {bot: Lines(CAP, bot) for bot in said}
    poll(said, board, lines)
    return board, lines


def poll(said: Fleet, board: Board, lines: dict[str, Lines]) -> None:
    """Render and publish each bot's samples."""
    for bot, samples in said.items():
        board.publish(Owner(bot, "source"), lines[bot].render(samples)[0])


def compare_scrapes(said: Fleet, rounds: int) -> None:
    """Print the times of a page, after a check that all pages are equal."""
    board, lines = rendered(said)
    collector = CollectorRegistry(auto_describe=False)
    collector.register(Custom(said))
    gauges = children(said)
    same(board.page(GROUPS), generate_latest(collector))
    page = board.page(GROUPS)
    total = sum(map(len, said.values()))
    print(
        f"{len(said)} bots, {total} series, {len(page) / 1e6:.1f} MB; equal to the client's page once parsed"
    )
    print(f"{scraped(page, total)}\n")
    measured = {
        "Nightdesk: a scrape": lambda: board.page(GROUPS),
        "  … and gzip (level 1)": lambda: gzip.compress(board.page(GROUPS), 1, mtime=0),
        "  … and a poll of every bot before it": lambda: (poll(said, board, lines), board.page(GROUPS)),
        "prometheus_client: custom collector": lambda: generate_latest(collector),
        "prometheus_client: child gauges": lambda: generate_latest(gauges),
    }
    seconds = {name: times(work, rounds) for name, work in measured.items()}
    ours = seconds["Nightdesk: a scrape"]
    print(f"{'':<40}{'median ms':>11}{'slowest ms':>12}{'ratio':>8}")
    for name, found in seconds.items():
        ratio = statistics.median(found) / statistics.median(ours)
        print(f"{name:<40}{statistics.median(found) * 1e3:>11.1f}{max(found) * 1e3:>12.1f}{ratio:>8.1f}")
    least = min(
        statistics.median(found) for name, found in seconds.items() if name.startswith("prometheus_client")
    ) / statistics.median(ours)
    print(f"\nA scrape is {least:.0f} times faster than the client's faster way (at least 10 are asked for).")


def times(work: Callable[[], object], rounds: int) -> list[float]:
    """Return the seconds of each round, without other rounds' garbage collection."""
    found = []
    for _ in range(rounds):
        gc.collect()
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def same(ours: bytes, theirs: bytes) -> None:
    """Exit unless prometheus_client's own parser reads the same families and samples from both pages."""
    read = [
        {
            family.name: (
                family.type,
                family.documentation,
                sorted((s.name, sorted(s.labels.items()), s.value) for s in family.samples),
            )
            for family in text_string_to_metric_families(page.decode())
        }
        for page in (ours, theirs)
    ]
    if read[0] != read[1]:
        sys.exit("the pages are not the same")


def scraped(page: bytes, total: int) -> str:
    """Return a real Prometheus's result of a scrape, or a note that there is none here."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        program = find("prometheus")
    except MissingBinary:
        return "no Prometheus here to scrape it"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        targets = [{"targets": [f"127.0.0.1:{server.server_address[1]}"]}]
        job = {"job_name": "page", "scrape_interval": "2s", "static_configs": targets}
        Path(directory, "p.yml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
        options = [f"--config.file={directory}/p.yml", f"--storage.tsdb.path={directory}/data"]
        prometheus = subprocess.Popen(
            [program, *options, f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            found = asked(f"http://127.0.0.1:{port}", "scrape_samples_scraped", 30)
        finally:
            prometheus.terminate()
            prometheus.wait(30)
            server.shutdown()
    if found != total:
        sys.exit(f"Prometheus took {found} of {total} samples")
    return f"a real Prometheus took all {found:.0f} samples"


def asked(url: str, expression: str, patience: float) -> float | None:
    """Return the first value of a PromQL expression above 0, None if none comes in time."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            answer = requests.get(f"{url}/api/v1/query", params={"query": expression}, timeout=10).json()
            if answer["data"]["result"] and (value := float(answer["data"]["result"][0]["value"][1])):
                return value
        except (requests.RequestException, KeyError, ValueError):
            pass
        time.sleep(0.2)
    return None


def compare_memory(said: Fleet) -> None:
    """Print the memory that each way keeps between scrapes."""
    total = sum(map(len, said.values()))
    kept: dict[str, Callable[[], object]] = {
        "Nightdesk: board and beginnings of lines": lambda: rendered(said),
        "prometheus_client: child gauges": lambda: children(said),
    }
    print(f"\n{'kept between scrapes':<44}{'bytes a series':>15}{'MB in all':>11}")
    for name, make in kept.items():
        gc.collect()
        tracemalloc.start()
        held = make()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del held
        print(f"{name:<44}{size / total:>15.0f}{size / 1e6:>11.1f}")


def compare_hanging(bots: int) -> None:
    """Print the time of a scrape of a running exporter while all bots answer, and while one hangs. Both take
    turns, so that the machine's other work affects both alike.
    """
    found: dict[bool, list[float]] = {False: [], True: []}
    with fleet(bots) as (url, switch):
        for hangs in (False, True) * TURNS:
            switch.touch() if hangs else switch.unlink(missing_ok=True)
            wait_for(url, bots - hangs)
            found[hangs] += scrapes(url)
    title = f"scrape over HTTP of {bots} bots, of which …"
    print(f"\n{title:<44}{'median ms':>11}{'slowest ms':>12}")
    for hangs, seconds in found.items():
        what = "one hangs" if hangs else "all answer"
        print(f"{what:<44}{statistics.median(seconds) * 1e3:>11.1f}{max(seconds) * 1e3:>12.1f}")
    ratio = statistics.median(found[True]) / statistics.median(found[False])
    print(f"\nWhile one hangs a scrape takes {ratio:.2f} times as long, and {bots - 1} bots stay up.")


def scrapes(url: str) -> list[float]:
    """Return the seconds of each scrape of all metrics, compressed as Prometheus asks for it."""
    found = []
    with requests.Session() as session:
        for _ in range(SCRAPES):
            began = time.perf_counter()
            session.get(f"{url}/metrics", timeout=60).raise_for_status()
            found.append(time.perf_counter() - began)
            time.sleep(0.1)
    return found


@contextmanager
def fleet(bots: int) -> Iterator[tuple[str, Path]]:
    """Run an exporter and its bots; gives its URL, and a file that makes one bot hang while it exists."""
    with tempfile.TemporaryDirectory() as name:
        directory, port, bot_port = Path(name), free_port(), free_port()
        switch = directory / "hangs"
        (directory / "token").write_text("token")
        address = f"http://127.0.0.1:{bot_port}"
        told = {
            f"bot-{number:04}": {
                "source": {"type": "http", "url": f"{address}/{number}", "token_file": "token"}
            }
            for number in range(bots)
        }
        config = directory / "monitoring.yaml"
        config.write_text(yaml.safe_dump({"bots": told, "services": {"exporter": {"port": port}}}))
        options = ["--config", str(config), "--data", str(directory / "data")]
        commands = ([__file__, "--serve", str(bot_port), str(switch)], ["-m", "exporter", *options])
        running = [
            subprocess.Popen([sys.executable, *each], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for each in commands
        ]
        try:
            yield f"http://127.0.0.1:{port}", switch
        finally:
            for each in running:
                each.terminate()
            for each in running:
                each.wait(30)


def wait_for(url: str, up: int) -> None:
    """Wait until a number of bots is known to be up."""
    while polled(url) != up:
        time.sleep(0.5)


def polled(url: str) -> int:
    """Return the number of bots that are known to be up."""
    try:
        text = requests.get(f"{url}/metrics?collect[]=trading", timeout=60).text
    except requests.ConnectionError:
        return 0
    return sum(line.startswith("trading_bot_up{") and line.endswith(" 1.0") for line in text.splitlines())


def serve(arguments: Sequence[str]) -> None:
    """Answer for the bots: each state at once, but bot 0 never, while the switch file exists."""
    port, switch = int(arguments[0]), Path(arguments[1])
    market = {
        f"COIN{n}/USDT": {"rsi": 50.0, "macd": 1.5, "volatility_ratio": 0.01, "trend": "up"} for n in range(8)
    }

    async def state(request: web.Request) -> web.Response:
        if request.path.startswith("/0/") and switch.exists():  # noqa: ASYNC240 - one look at a file, here only
            await asyncio.sleep(3600)
        now = time.time()
        figures = {"time": now, "state": "running", "started_at": now - 9000, "last_activity_at": now - 1}
        money = {"starting_capital": 1e4, "equity": 10_100.0, "profit_realised": 90.0, "profit_open": 10.0}
        return web.json_response(
            figures | money | {"currency": "USDT", "trades_closed": 0, "last_trade_id": 0, "market": market}
        )

    app = web.Application()
    app.router.add_get("/{tail:.*}", state)
    web.run_app(app, host="127.0.0.1", port=port, print=None, shutdown_timeout=0.1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2:])
    else:
        main()
