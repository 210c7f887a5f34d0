"""The cost of Nightdesk's rules: the evaluation time of each group over many bots, in a real Prometheus.

`python benchmarks/rules.py [--bots 100 1000]` gives Prometheus the history of many bots (hours of the
budgets' series, days of their bricks), lets it evaluate the rules of the profile `production`, and prints the
seconds that Prometheus reports for each group. The peer is the smaller number of bots: if the cost is linear,
the ratio is one.
"""

import argparse
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

from stack.binaries import find
from stack.render import render
from stack.settings import Duration, load

SCRAPE, BRICK = 60, 900  # seconds between two scraped samples, and between two bricks of budgets
MINUTES, HOURS, DAYS = 15 * 60, 6 * 3600, 3 * 86400  # the longest look-back of the rules, by series
BLOCK = 7200  # seconds of one of Prometheus's blocks
ROUNDS = 3  # evaluations of each group; the median counts
EVERY = 10  # seconds between them


@dataclass(frozen=True)
class Kind:
    """A series of every bot: name and labels, its value or its growth a sample, and its history."""

    series: str
    value: float
    grows: bool = False
    past: int = MINUTES
    every: int = SCRAPE


# The figures of a healthy bot: a firing rule also renders its annotations, which is another cost.
GAUGES = {
    "error_rate": 0.0, "win_rate": 0.6, "profit_loss": 500, "equity": 10500, "drawdown_ratio": 0.01,
    "max_drawdown_ratio": 0.05, "sharpe_ratio": 1.5, "recovery_factor": 1.5, "trades_per_hour": 2,
    "trades_per_day": 48, "uptime_seconds": 5e5, "max_consecutive_wins": 5, "current_exposure": 1000,
    "risk_utilization_ratio": 0.3, "memory_usage_ratio": 0.1, "cpu_usage_ratio": 0.1,
    "start_time_seconds": 1.7e9,
}  # fmt: skip
COINS, MODELS = ("BTC", "ETH", "SOL", "XRP", "ADA"), ("trend", "swing")
LABELLED: tuple[tuple[str, float, str, Sequence[str]], ...] = (
    ("state", 0, "state", ("paused", "stopped", "reloading")),
    ("state", 1, "state", ("running",)),
    ("pnl", 100, "window", ("day", "week", "month", "total")),
    ("data_freshness_seconds", 5, "feed", ("candles", "trades")),
    ("active_positions", 1, "symbol", COINS),
    ("market_volatility_ratio", 0.01, "symbol", COINS),
    ("model_loaded", 1, "model", MODELS),
    ("model_accuracy", 0.9, "model", MODELS),
    ("model_drift_score", 0.01, "model", MODELS),
    ("model_drift_detected", 0, "model", MODELS),
    ("prediction_confidence", 0.8, "model", MODELS),
    ("prediction_time_seconds", 0.05, "model", MODELS),
    ("data_quality_score", 0.9, "model", MODELS),
)


def kinds() -> Iterator[Kind]:
    """Yield the series of one bot that rules read."""
    yield Kind("trading_bot_up", 1, past=HOURS)
    yield Kind("trading_bot_last_activity_timestamp_seconds", time.time())
    yield Kind('trading_bot_api_requests_total{outcome="ok"}', 50, grows=True, past=HOURS)
    yield Kind('trading_bot_api_requests_total{outcome="error"}', 0, grows=True, past=HOURS)
    yield Kind("trading_bot_response_time_seconds_count", 100, grows=True, past=HOURS)
    for le in (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, "+Inf"):
        past = HOURS if le == 2.0 else MINUTES  # the rules read the objective's own bound over hours
        calls = 80 if le == 0.05 else 100
        yield Kind(f'trading_bot_response_time_seconds_bucket{{le="{le}"}}', calls, grows=True, past=past)
    for name, value in GAUGES.items():
        yield Kind(f"trading_bot_{name}", value)
    for name, value, label, of in LABELLED:
        yield from (Kind(f'trading_bot_{name}{{{label}="{one}"}}', value) for one in of)
    for coin in COINS:
        for outcome in ("won", "lost"):
            labels = f'symbol="{coin}",side="long",outcome="{outcome}"'
            yield Kind(f"trading_bot_trades_total{{{labels}}}", 1, grows=True)
    for severity, lines in (("info", 50), ("warning", 1), ("error", 0)):
        labels = f'category="other",event="other",severity="{severity}"'
        yield Kind(f"trading_bot_log_events_total{{{labels}}}", lines, grows=True, past=5400)
    for objective in ("availability", "error_rate", "response_time"):
        for events, count in (("all", 40), ("bad", 0)):
            series = f'bot_objective:trading_bot_objective_{events}_events:brick{{objective="{objective}"}}'
            yield Kind(series, count, past=DAYS, every=BRICK)


def write_past(directory: Path, bots: int, end: int) -> int:
    """Write the bots' history as Prometheus's blocks; return the number of series."""
    every = list(kinds())
    promtool = str(find("promtool"))
    for begin in range((end - DAYS) // BLOCK * BLOCK, end, BLOCK):
        file = directory.parent / "past.om"
        with file.open("w") as out:
            for kind in every:
                first = max(end - kind.past, begin)
                times = range(-(-first // kind.every) * kind.every, min(begin + BLOCK, end), kind.every)
                for bot in range(bots if times else 0):
                    out.writelines(_lines(kind, bot, times, end))
            out.write("# EOF\n")
        command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(file), str(directory)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        file.unlink()
    return len(every) * bots


def _lines(kind: Kind, bot: int, times: Sequence[int], end: int) -> Iterator[str]:
    name, _, labels = kind.series.rstrip("}").partition("{")
    scraped = "" if kind.every == BRICK else ',instance="exporter:8000",job="exporter"'
    of_bot = f'{name}{{bot="bot-{bot}"{scraped}{"," * bool(labels)}{labels}}}'
    for at in times:
        value = kind.value * ((at - end + DAYS) // kind.every) if kind.grows else kind.value
        yield f"{of_bot} {value} {at}\n"


@dataclass(frozen=True)
class Cost:
    """The number of series, and by group the median seconds of its evaluation and its pace."""

    series: int
    seconds: dict[str, float]
    paces: dict[str, float]


def evaluate(directory: Path, bots: int) -> Cost:
    """Return the cost of the rules over the history of a number of bots."""
    (directory / "monitoring.yaml").write_text("profile: production")
    settings, paces = load([directory / "monitoring.yaml"]), {}
    render(settings, directory / "build")
    rules = directory / "build/prometheus/rules"
    for file in rules.glob("*.yml"):
        content = yaml.safe_load(file.read_text())
        (group,) = content["groups"]
        pace = group.get("interval")
        paces[group["name"]] = float(
            Duration.parse(pace) if pace else settings.collection.evaluation_interval
        )
        group["interval"] = f"{EVERY}s"  # all groups now, so that a minute is enough
        file.write_text(yaml.safe_dump(content))
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump({"rule_files": [f"{rules}/*.yml"]}))
    series = write_past(directory / "data", bots, int(time.time()))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    command = [
        str(find("prometheus")), f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}", "--storage.tsdb.retention.time=30d", "--log.level=error",
    ]  # fmt: skip
    prometheus = subprocess.Popen(command)
    try:
        return Cost(series, _timed(f"http://{address}", len(paces)), paces)
    finally:
        prometheus.terminate()
        prometheus.wait(60)


def _timed(url: str, groups: int) -> dict[str, float]:
    seen: dict[str, dict[str, float]] = {}
    deadline = time.monotonic() + 180
    while len(seen) < groups or min(map(len, seen.values())) < ROUNDS:
        time.sleep(1)
        if time.monotonic() > deadline:
            raise SystemExit(f"not every group was evaluated {ROUNDS} times: {seen}")
        try:
            answer = requests.get(f"{url}/api/v1/rules", timeout=30).json()
        except requests.ConnectionError:
            continue
        for group in answer["data"]["groups"]:
            if failed := [rule["lastError"] for rule in group["rules"] if rule.get("lastError")]:
                raise SystemExit(f"{group['name']}: {failed[0]}")
            if not group["lastEvaluation"].startswith("0001"):
                seen.setdefault(group["name"], {})[group["lastEvaluation"]] = group["evaluationTime"]
    return {name: statistics.median(times.values()) for name, times in seen.items()}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bots", type=int, nargs=2, default=(100, 1000))
    few, many = parser.parse_args().bots
    found = {}
    for bots in (few, many):
        directory = Path(tempfile.mkdtemp(prefix="rules-"))
        try:
            found[bots] = evaluate(directory, bots)
        finally:
            shutil.rmtree(directory)
        print(f"{bots} bots, {found[bots].series} series")
    small, large = found[few], found[many]
    print(
        f"\n{'group':<34}{'every, s':>10}{f'{few} bots, s':>14}{f'{many} bots, s':>14}{'ratio to linear':>17}"
    )
    quickest = min(large.paces.values())
    cycle = [name for name, pace in large.paces.items() if pace == quickest]
    for name in sorted(large.seconds, key=lambda name: -large.seconds[name]):
        _row(name, large.paces[name], small.seconds[name], large.seconds[name], many / few)
    totals = (sum(cost.seconds[name] for name in cycle) for cost in (small, large))
    _row("the whole cycle, one by one", quickest, *totals, many / few)
    shares = (sum(cost.seconds[name] / pace for name, pace in cost.paces.items()) for cost in (small, large))
    _row("of each second, all groups", 1, *shares, many / few)


def _row(name: str, pace: float, small: float, large: float, linear: float) -> None:
    print(f"{name:<34}{pace:>10g}{small:>14.4f}{large:>14.4f}{large / small / linear:>17.2f}")


if __name__ == "__main__":
    main()
