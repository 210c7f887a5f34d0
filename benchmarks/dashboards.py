"""Times every query of every dashboard over a week of the demo bot, compared with a plain read of its series.

`python benchmarks/dashboards.py [--keep DIRECTORY]` runs the demo bot's simulation for four months, takes the
exporter's samples of the last week every two minutes, back-fills Prometheus with these and with the recording
rules, and sends Grafana's queries. The peer is the first selector of a query alone, over the same points: the
time that Prometheus needs for the samples. Start a Prometheus on the kept data, and `python -m
tests.dashboards.reading` prints the content of each panel.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import _jsonnet
import requests
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' reader sends the same queries as Grafana

from clients.bot_api import State
from clients.input import Input
from clients.trading import Trade
from demo_bot import report
from demo_bot.account import Book, ClosedTrade
from demo_bot.arguments import ApiErrors, Drift
from demo_bot.controls import retrain_model
from demo_bot.market import Walk
from demo_bot.simulation import Simulation
from exporter.analytics.ledger import Conventions
from exporter.bot import WatchedBot
from exporter.catalogue import CATALOGUE, COUNTER, HISTOGRAM, Sample, sample
from exporter.exposition import Lines
from exporter.sources.state import reading
from stack.binaries import find
from stack.render import ROOT, as_data
from stack.settings import Settings, load
from tests.dashboards.reading import View, every, panels, run

DAY = 86_400
BEFORE = 120 * DAY  # so that value at risk has its hundred days
WEEK = 7 * DAY
STEP, COARSE = 120, 600
PACE = 900.0  # seconds between two entries
CAPITAL = 10_000.0
SHOWN = 12


def live(end: int) -> Iterator[tuple[int, list[Sample]]]:
    """Yield the samples of each step of the week before `end`, with a week's typical faults."""
    settings = load([ROOT / "monitoring.yaml"])
    rng, begin = Random(7), end - WEEK - BEFORE  # noqa: S311 - a market, no secret
    walk = Walk(rng, begin, "USDT")
    bot = Simulation(rng, walk, Book(CAPITAL), PACE, begin)
    conventions = Conventions(ZoneInfo("UTC"), settings.days_per_year, 365.0 * DAY, 500, DAY, 30.0 * DAY)
    watched = WatchedBot(settings.bots["demo"], conventions, float(settings.collection.rate_window))
    said, started = Input(500), float(begin)
    untold: list[ClosedTrade] = []
    for now in (*range(begin, end - WEEK, COARSE), *range(end - WEEK, end + 1, STEP)):
        bot.step(now)
        untold += bot.take_closed()
        if now < end - WEEK:
            continue
        into = now - (end - WEEK)
        _befall(bot, into)
        if into == 3 * DAY:
            started = float(now)
        if 3 * DAY - 1800 <= into < 3 * DAY:
            yield now, [sample("up", 0), sample("source_error", 1, reason="refused")]
            continue
        state = report.state(bot, started_at=started, currency="USDT", pid=1)
        told = said.read(State, state.model_dump(exclude_none=True))
        yield now, watched.take(reading(told, tuple(_told(untold)), now), said)
        untold = []


def _befall(bot: Simulation, into: int) -> None:
    """Let the exchange fail for an hour, the model drift for a day, and the market crash."""
    match into:
        case 93_600:
            bot.conditions.api_errors = ApiErrors(share=0.2)
        case 97_200:
            bot.conditions.api_errors = None
        case 345_600:
            bot.conditions.drift = Drift()
        case 432_000:
            retrain_model(bot)
        case 475_200:
            bot.crash_market(0.08)


def _told(trades: Iterable[ClosedTrade]) -> Iterator[Trade]:
    for each in trades:
        key = (each.id, each.opened_at)
        yield Trade(key, each.symbol, each.side, each.opened_at, each.closed_at, each.profit, each.stake)


def write(file: Path, end: int) -> int:
    """Write the week as OpenMetrics, one metric after the other, and return the number of samples."""
    lines, count = Lines(500, "demo"), 0
    found: dict[str, list[str]] = {name: [] for name in CATALOGUE}
    for now, samples in live(end):
        for name, text in lines.render(samples)[0].items():
            for line in text.decode().splitlines():
                found[name].append(f"{line} {now}\n")
                count += 1
    with file.open("w") as out:
        for name, written in found.items():
            if written:
                metric = CATALOGUE[name]
                kind = metric.type if metric.type in (COUNTER, HISTOGRAM) else "gauge"
                family = metric.full_name.removesuffix("_total") if kind == COUNTER else metric.full_name
                out.write(f"# TYPE {family} {kind}\n")
                out.writelines(written)
        out.write("# EOF\n")
    return count


@contextmanager
def prometheus(data: Path, port: int) -> Iterator[str]:
    """Run Prometheus on the data while in the block; gives its address."""
    (data.parent / "prometheus.yml").write_text("{}")
    process = subprocess.Popen(
        [
            find("prometheus"),
            f"--config.file={data.parent / 'prometheus.yml'}",
            f"--storage.tsdb.path={data}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--storage.tsdb.retention.time=1y",
        ],
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if requests.get(f"{url}/-/ready", timeout=5).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def levels(settings: Settings) -> list[list[dict[str, Any]]]:
    """Return the recording rules in levels: each rule needs only earlier levels."""
    source = str(ROOT / "prometheus/prometheus.jsonnet")
    text = _jsonnet.evaluate_file(source, ext_codes={"settings": json.dumps(as_data(settings))})
    groups = [group for file in json.loads(text).values() for group in file.get("groups", [])]
    left = [rule for group in groups for rule in group["rules"] if "record" in rule]
    found = []
    while left:
        names = {rule["record"] for rule in left}
        ready = [rule for rule in left if not any(_names(name, rule["expr"]) for name in names)]
        found.append(ready)
        left = [rule for rule in left if rule not in ready]
    return found


def _names(name: str, expr: str) -> bool:
    return re.search(rf"(?<![\w:]){re.escape(name)}(?![\w:])", expr) is not None


def backfill(folder: Path, end: int, settings: Settings, port: int) -> int:
    """Fill `folder/data` with the week and the results of the rules; return the number of samples."""
    count = write(folder / "week.om", end)
    tsdb = [str(find("promtool")), "tsdb", "create-blocks-from"]
    subprocess.run(
        [*tsdb, "openmetrics", folder / "week.om", folder / "data"], check=True, capture_output=True
    )
    for level, rules in enumerate(levels(settings)):
        file, made = folder / f"level{level}.yml", folder / f"made{level}"
        file.write_text(
            yaml.safe_dump({"groups": [{"name": "level", "interval": f"{STEP}s", "rules": rules}]})
        )
        with prometheus(folder / "data", port) as url:
            span = ["--start", str(end - WEEK), "--end", str(end), "--url", url, "--output-dir", str(made)]
            subprocess.run([*tsdb, "rules", *span, file], check=True, capture_output=True)
        for block in made.iterdir():
            block.rename(folder / "data" / block.name)
    return count


def ask_all(url: str, end: int, settings: Settings) -> None:
    """Print the times of the queries, and of their series alone."""
    view = View(end, back=WEEK, points=1000)
    taken: list[tuple[float, float, str, str]] = []
    for name, dashboard in every(settings).items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                found = re.search(
                    r"(?:\w+:)?(?:trading_bot|nightdesk)_\w+(?::\w+)?(?:\{[^}]*\})?", target["expr"]
                )
                if found is not None:
                    alone = target | {"expr": found[0]}
                    seconds, peer = (_median(url, view, panel, one) for one in (target, alone))
                    taken.append((seconds, peer, f"{name}: {panel['title']}", target["refId"]))
    taken.sort(reverse=True)
    print(f"\n{'query':<52}{'seconds':>9}{'bare':>9}{'ratio':>8}")
    for seconds, peer, name, ref in taken[:SHOWN]:
        print(f"{name + ' ' + ref:<52}{seconds:>9.3f}{peer:>9.3f}{seconds / peer:>8.1f}")
    whole = statistics.median(row[0] for row in taken)
    bare = statistics.median(row[1] for row in taken)
    print(f"{f'median of {len(taken)}':<52}{whole:>9.3f}{bare:>9.3f}{whole / bare:>8.1f}")


def _median(url: str, view: View, panel: dict[str, Any], target: dict[str, Any]) -> float:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        run(url, view, panel, target)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIRECTORY", help="keep the data in this empty directory"
    )
    parser.add_argument("--port", type=int, default=9390)
    given = parser.parse_args()
    settings, end = load([ROOT / "monitoring.yaml"]), int(time.time()) // STEP * STEP
    with tempfile.TemporaryDirectory() as scratch:
        folder, began = given.keep or Path(scratch), time.perf_counter()
        folder.mkdir(exist_ok=True)
        count = backfill(folder, end, settings, given.port)
        print(f"a week until {end}: {count} samples, made in {time.perf_counter() - began:.0f} s")
        with prometheus(folder / "data", given.port) as url:
            ask_all(url, end, settings)


if __name__ == "__main__":
    main()
