"""Time from a bot's crash to its proven restart, compared with the sum of the configured waits.

`python benchmarks/crash_to_restart.py [--speed 10] [--crashes 5]` starts its own stack with all waits divided
by the speed, kills the demo bot again and again, and prints the time of each part.
"""

import argparse
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
import yaml

from stack.settings import Settings, load

SERVICES = (
    "exporter",
    "demo_bot",
    "webhook_actions",
    "prometheus",
    "alertmanager",
    "blackbox_exporter",
    "grafana",
)
ALERT = "TradingBotDown"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speed", type=float, default=10)
    parser.add_argument("--crashes", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, stack(Path(directory), arguments.speed) as settings:
        spent = [crash(settings) for _ in range(arguments.crashes)]
    asked = waits(settings)
    print(f"{arguments.crashes} crashes, every wait divided by {arguments.speed:g}\n")
    print(f"{'from … to':<34}{'median s':>10}{'slowest s':>11}{'settings ask, s':>17}{'ratio':>8}")
    for part, wanted in asked.items():
        seconds = [each[part] for each in spent]
        middle = statistics.median(seconds)
        print(f"{part:<34}{middle:>10.2f}{max(seconds):>11.2f}{wanted:>17.2f}{middle / wanted:>8.2f}")


def waits(settings: Settings) -> dict[str, float]:
    """Return the configured seconds of each part; the last one is their sum. A poll sees a change half a
    period late on average, and a whole period late at worst; the worst counts.
    """
    collection = settings.collection
    seen = collection.poll_interval + collection.trading.interval
    noticed = seen + collection.evaluation_interval + settings.thresholds.critical.down_after
    parts = {
        "crash … incident": noticed + settings.routing.group_wait.critical,
        "incident … restarted": float(settings.actions.restart.wait),
        "restarted … proven": collection.poll_interval + seen,
    }
    return parts | {"crash … proven": sum(parts.values())}


def crash(settings: Settings) -> dict[str, float]:
    """Kill the demo bot, wait until its incident is closed, and return the seconds that each part took."""
    known = len(incidents(settings))
    died = time.time()
    token = settings.demo.token_file.read_text(encoding="utf-8").strip()
    requests.post(
        f"{settings.services.demo_bot.url}/api/v1/faults/crash",
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    ).raise_for_status()
    while not (new := incidents(settings)[known:]) or not new[0]["closed_at"]:
        time.sleep(0.5)
    step = next(step for step in new[0]["runs"] if step["verdict"] == "verified")
    opened, ended, proven = (
        datetime.fromisoformat(at).timestamp()
        for at in (new[0]["opened_at"], step["ended_at"], step["judged_at"])
    )
    time.sleep(float(settings.alerts["Down"].cooldown))  # otherwise the next restart waits for its cooldown
    return {
        "crash … incident": opened - died,
        "incident … restarted": ended - opened,
        "restarted … proven": proven - ended,
        "crash … proven": proven - died,
    }


def incidents(settings: Settings) -> list[dict[str, Any]]:
    """Return the incidents of the demo bot's crashes, oldest first."""
    token = settings.webhook_actions.tokens.read_file.read_text(encoding="utf-8").strip()
    answer = requests.get(
        f"{settings.services.webhook_actions.url}/api/v1/incidents?state=all",
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    return [each for each in reversed(answer.json()["incidents"]) if each["alert"] == ALERT]


@contextmanager
def stack(directory: Path, speed: float) -> Iterator[Settings]:
    """Run `nightdesk up` with the defaults, on free ports, while in the block."""
    config = directory / "monitoring.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "demo": {"enabled": True},
                "services": {name: {"port": free_port()} for name in SERVICES},
                "collection": {"timeout": "500ms"},
                # The limit per bot is for people; here the same bot crashes on purpose, again and again.
                "actions": {"limits": {"restart_bot": {"attempts": 100}}},
            }
        )
    )
    options = ["--config", str(config), "--data", str(directory / "data"), "--speed", str(speed)]
    up = subprocess.Popen(
        [sys.executable, "-m", "stack.cli", "up", *options], stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    try:
        settings = load([config], speed=speed)
        while not up_seen(settings):
            if up.poll() is not None:
                sys.exit("nightdesk up ended")
            time.sleep(0.2)
        yield settings
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)


def up_seen(settings: Settings) -> bool:
    """Return whether Prometheus has seen the demo bot up."""
    try:
        url = f"{settings.services.prometheus.url}/api/v1/query?query=trading_bot_up==1"
        return bool(requests.get(url, timeout=5).json()["data"]["result"])
    except requests.RequestException:
        return False


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
