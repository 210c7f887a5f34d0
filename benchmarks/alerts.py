"""Measures webhook_actions: accepted alerts a second, time to act, and the cost of thousands of incidents.

`PYTHONPATH=. python benchmarks/alerts.py` runs one engine with the defaults on its embedded PostgreSQL, with
a real Prometheus in which every alert fires, and doubles of bots. The peer is an Alertmanager that gets the
same alerts in the same batches; it keeps them in memory, the engine in its database.
"""

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

from stack.binaries import alertmanager_command
from tests.chaos.fleet import Fleet
from tests.chaos.processes import ChaosStack, alert
from tests.conftest import eventually, free_port

ALERTS, BATCH, SENDERS = 10_000, 100, 4
PER_SECOND, SECONDS = 50, 30
IDLE = 70.0  # seconds; they include a comparison of all open incidents with Prometheus
SLOW = {"heartbeat": "30s"}  # the default, which the chaos test shortens


def main() -> None:
    """Measure, and print each line of the table as soon as it is known."""
    row("", "measured", "wanted", "ratio")
    waits = sorted(soon())
    told(f"webhook to action at {PER_SECOND} alerts/s, median ms", statistics.median(waits) * 1000, 100)
    told("the same, p99 ms", waits[int(len(waits) * 0.99)] * 1000, 100)
    taken = many()
    with alertmanager() as url:
        peer = rate(alerts(), lambda batch: give(url, batch))
    told(f"alerts/s that Alertmanager accepts in batches of {BATCH}, in memory", peer, taken)


def told(what: str, value: float, wanted: float) -> None:
    """Print a line of the table."""
    row(what, f"{value:.1f}", f"{wanted:.0f}", f"{value / wanted:.2f}")


def row(what: str, *cells: str) -> None:
    """Print cells below each other."""
    print(f"{what:<62}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


def alerts() -> list[dict[str, Any]]:
    """Return the alerts that will be open, of two hundred bots."""
    return [wordy(alert(f"bot{n % 200:03}", "RiskUtilizationHigh", f"S{n // 200}")) for n in range(ALERTS)]


def many() -> float:
    """Print the accepted alerts and their cost while they wait; return the number accepted a second.

    Maintenance holds every action back: each incident waits with a timer of its own.
    """
    always = {"routing": {"maintenance": [{"from": "00:00", "to": "00:00"}]}}
    with chaos_stack([f"bot{n:03}" for n in range(200)], always) as (fleet, run):
        for each in alerts():
            fleet.strike(each["labels"]["bot"], "RiskUtilizationHigh", each["labels"]["symbol"])
        eventually(lambda: run.firing() == ALERTS, within=60, what="the alerts in Prometheus")
        taken = rate(
            alerts(), lambda batch: run.post(0, "/api/v1/alerts", batch, "receive").raise_for_status()
        )
        [(known,)] = run.rows("SELECT count(*) FROM incidents")
        assert known == ALERTS, known
        told(f"alerts/s accepted in webhooks of {BATCH}, durable", taken, 3000)
        began = time.perf_counter()
        eventually(lambda: waiting(run) == ALERTS, within=400, what="the timers")
        told("incidents/s checked for the first time", ALERTS / (time.perf_counter() - began), 1000)
        memory = sum(process.memory_full_info().pss for process in run.processes()) / 1e6
        told(f"PSS of all processes while {ALERTS} incidents wait, MB", memory, 200)
        told("CPU of all processes meanwhile, % of a core", spent(run) * 100, 1)
    return taken


def wordy(one: dict[str, Any]) -> dict[str, Any]:
    """Return an alert with as many words as those of the rules have."""
    facts = "\nP&L: -12.50\nWin rate: 40.0%\nOpen positions: 3\nUptime: 2h"
    words = {
        "description": "The share of risk that is in use is above its limit since ten minutes." + facts,
        "recommended_actions": "Nightdesk tries: stop_entries. See whether they are meant to be so large.",
        "runbook_url": "https://example.org/nightdesk/docs/runbooks/TradingBotRiskUtilizationHigh.md",
        "dashboard_url": "http://127.0.0.1:3000/d/trading-bot?var-bot=bot&from=now-6h&to=now",
    }
    return one | {"annotations": one["annotations"] | words}


def waiting(run: ChaosStack) -> int:
    """Return the number of checked incidents, and wait for the end of the maintenance."""
    [(timers,)] = run.rows("SELECT count(*) FROM incidents WHERE blocked = 'maintenance'")
    return int(timers)


def rate(given: list[dict[str, Any]], send: Callable[[dict[str, Any]], None]) -> float:
    """Return the number of alerts accepted a second."""
    batches = [{"version": "4", "alerts": given[at : at + BATCH]} for at in range(0, len(given), BATCH)]
    began = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(send, batches))
    return len(given) / (time.perf_counter() - began)


def spent(run: ChaosStack) -> float:
    """Return the share of a core that all processes use while nothing happens."""
    before = cpu_seconds(run.processes())
    time.sleep(IDLE)
    return (cpu_seconds(run.processes()) - before) / IDLE


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the seconds of CPU that processes, and children that ended, have used."""
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times) + times[1].children_user + times[1].children_system


def soon() -> list[float]:
    """Return the seconds from each webhook to the first order at the bot, at a steady pace."""
    names = [f"bot{n:04}" for n in range(PER_SECOND * SECONDS)]
    free = {"actions": {"fleet": {"bots": 100_000, "ratio": 1.0}}}
    with chaos_stack(names, free) as (fleet, run):
        for name in names:
            fleet.strike(name, "RiskUtilizationHigh", "-")
        eventually(lambda: run.firing() == len(names), within=60, what="the alerts in Prometheus")
        sent: dict[str, float] = {}

        def deliver(name: str) -> None:
            sent[name] = time.time()
            body = {"version": "4", "alerts": [alert(name, "RiskUtilizationHigh", "-")]}
            run.post(0, "/api/v1/alerts", body, "receive").raise_for_status()

        began = time.perf_counter()
        with ThreadPoolExecutor(16) as senders:
            for number, name in enumerate(names):
                time.sleep(max(began + number / PER_SECOND - time.perf_counter(), 0))
                senders.submit(deliver, name)
        eventually(
            lambda: all(bot.first_told for bot in fleet.bots.values()), within=60, what="an order to each"
        )
        return [(fleet.bots[name].first_told or 0) - sent[name] for name in names]


@contextmanager
def chaos_stack(names: list[str], settings: dict[str, Any]) -> Iterator[tuple[Fleet, ChaosStack]]:
    """Run one engine with the defaults while in the block."""
    with tempfile.TemporaryDirectory() as directory:
        fleet = Fleet(names, seed=1)
        run = ChaosStack(Path(directory), fleet, 1, speed=1, webhook_actions=SLOW, **settings)
        try:
            run.start_all()
            yield fleet, run
        finally:
            run.close()
            fleet.close()


@contextmanager
def alertmanager() -> Iterator[str]:
    """Run an Alertmanager that sends nothing to anybody."""
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "alertmanager.yml"
        config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n", encoding="utf-8")
        port = free_port()
        options = [f"--config.file={config}", f"--storage.path={directory}", "--cluster.listen-address="]
        process = subprocess.Popen(
            alertmanager_command(*options, f"--web.listen-address=127.0.0.1:{port}"),
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: is_ready(url), what="Alertmanager")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def is_ready(url: str) -> bool:
    """Return whether it answers."""
    try:
        return requests.get(f"{url}/-/ready", timeout=2).ok
    except requests.RequestException:
        return False


def give(url: str, batch: dict[str, Any]) -> None:
    """Post alerts as Prometheus does."""
    body = [{name: each[name] for name in ("labels", "annotations", "startsAt")} for each in batch["alerts"]]
    headers = {"Content-Type": "application/json"}
    requests.post(
        f"{url}/api/v2/alerts", data=json.dumps(body), headers=headers, timeout=20
    ).raise_for_status()


if __name__ == "__main__":
    main()
