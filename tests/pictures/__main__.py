"""Makes all pictures of README and docs from a stack of its own: `make pictures` (about ten minutes)."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from stack.settings import Settings, load
from tests.conftest import eventually, free_port
from tests.dashboards.reading import every
from tests.pictures.boards import bundle, draw
from tests.webhook_actions import screenshots
from tests.webhook_actions.chromium import Browser
from tests.webhook_actions.world import ROOT

IMAGES = ROOT / "docs/img"
CALM = 300  # seconds for which the bots trade before something happens
WIDE, PHONE = (1280, 860), (390, 1000)  # pixels
PARTS = (
    "exporter",
    "demo_bot",
    "webhook_actions",
    "prometheus",
    "alertmanager",
    "blackbox_exporter",
    "grafana",
)
# What happens: one bot loses a fifth of its money, another dies and does not come back.
FAULTS = {"hare": ("drawdown",), "demo": ("stay_down", "crash")}


def _settings(bots: dict[str, int]) -> dict[str, Any]:
    token = str(ROOT / "secrets/demo_bot_token")
    sources = {
        name: {"type": "http", "url": f"http://127.0.0.1:{port}", "token_file": token}
        for name, port in bots.items()
    }
    return {
        "demo": {"enabled": True},
        "bots": {
            "hare": {"source": sources["hare"], "starting_capital": 10_000},
            "euro": {"source": sources["euro"], "starting_capital": 10_000, "currency": "EUR"},
        },
        "services": {name: {"port": free_port()} for name in PARTS},
        "collection": {
            "trading": {"interval": "10s"},
            "system": {"interval": "10s"},
            "evaluation_interval": "5s",
        },
        "thresholds": {"critical": {"down_after": "60s"}},
    }


@contextmanager
def _running(*command: str, log: Path) -> Iterator[None]:
    with log.open("wb") as words:
        process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=words, stderr=words)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGINT)
        process.wait(60)


@contextmanager
def _desk(folder: Path) -> Iterator[tuple[Settings, dict[str, int]]]:
    """Run a stack with three demo bots, one of them in euros; gives its settings and the bots' ports."""
    ports = {"hare": free_port(), "euro": free_port()}
    with ExitStack() as running:
        for name, port in ports.items():
            config = folder / f"{name}.yaml"
            config.write_text(
                yaml.safe_dump({"demo": {"enabled": True}, "services": {"demo_bot": {"port": port}}})
            )
            options = ("--config", str(config), "--data", str(folder / name))
            running.enter_context(_running("demo_bot", *options, log=folder / f"{name}.log"))
        given = _settings(ports)
        config = folder / "desk.yaml"
        config.write_text(yaml.safe_dump(given))
        options = ("--config", str(config), "--data", str(folder / "data"))
        running.enter_context(_running("stack.cli", "up", *options, log=folder / "up.log"))
        settings = load([config])
        eventually(lambda: _asked(settings, "count(trading_bot_up == 1)") == 3, within=120, what="three bots")
        yield settings, ports | {"demo": given["services"]["demo_bot"]["port"]}


def _asked(settings: Settings, query: str) -> float:
    """Return a number that Prometheus knows, else 0."""
    try:
        url = f"{settings.link('prometheus')}/api/v1/query"
        found = requests.get(url, params={"query": query}, timeout=10).json()["data"]["result"]
    except (requests.ConnectionError, KeyError, ValueError):
        return 0
    return float(found[0]["value"][1]) if found else 0


def _break(ports: dict[str, int]) -> None:
    token = (ROOT / "secrets/demo_bot_token").read_text().strip()
    for bot, faults in FAULTS.items():
        for fault in faults:
            url = f"http://127.0.0.1:{ports[bot]}/api/v1/faults/{fault}"
            headers = {"Authorization": f"Bearer {token}"}
            requests.post(url, headers=headers, timeout=30).raise_for_status()


def _report(config: Path, file: Path) -> None:
    command = ["stack.cli", "report", "--bot", "hare", "--period", "day", "--format", "html"]
    subprocess.run(
        [sys.executable, "-m", *command, "--config", str(config), "--out", str(file)], cwd=ROOT, check=True
    )


def _on_call(browser: Browser, settings: Settings, file: Path) -> None:
    browser.size(*WIDE)
    browser.go(f"{settings.link('webhook_actions')}/")
    browser.fill("#name", "anna")
    browser.fill("#secret", (ROOT / "secrets/act_token").read_text().strip())
    browser.click("button.main")
    browser.reads("Log out")
    browser.shoot(file, whole=False)


def main() -> None:
    """Draw the overview in calm and in an incident, then what the on-call page and a report say of it."""
    page = bundle()
    with tempfile.TemporaryDirectory() as scratch, _desk(Path(scratch)) as (settings, ports):
        folder = Path(scratch)
        overview, prometheus = every(settings)["overview"], settings.link("prometheus")
        with Browser(folder / "chromium") as browser:

            def shoot(name: str, size: tuple[int, int]) -> None:
                draw(browser, page, overview, prometheus, IMAGES / f"{name}.png", size=size, back="15m")

            time.sleep(CALM)
            shoot("overview", WIDE)
            _break(ports)
            fires = (
                'count(ALERTS{alertstate="firing",severity="critical",alertname=~".*(Down|HighDrawdown)"})'
            )
            eventually(lambda: _asked(settings, fires) == 2, within=300, what="the alerts")
            eventually(lambda: _asked(settings, "nightdesk_incidents_open") > 0, within=60, what="incidents")
            shoot("incident", WIDE)
            shoot("incident-phone", PHONE)
            _on_call(browser, settings, IMAGES / "desk.png")
            report = folder / "report.html"
            _report(folder / "desk.yaml", report)
            browser.size(860, 1000)
            browser.go(report.as_uri())
            browser.shoot(IMAGES / "report.png", whole=False)
    screenshots.main()


if __name__ == "__main__":
    main()
