"""Makes all pictures of README and docs from a stack of its own: `make pictures` (about ten minutes)."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import yaml

from grafana.firing import FIRES
from stack.settings import Settings, load
from tests.conftest import eventually, free_port
from tests.dashboards.reading import every
from tests.pictures.boards import bundle, draw
from tests.webhook_actions import screenshots
from tests.webhook_actions.chromium import Browser
from tests.webhook_actions.harness import ROOT

IMAGES = ROOT / "docs/img"
CALM = 120  # seconds for which the bots trade before something happens
BACK = "5m"  # the time range of the dashboards
WIDE, PHONE, PAGE = (1280, 860), (390, 1100), (860, 1000)  # pixels
PARTS = (
    "exporter",
    "demo_bot",
    "webhook_actions",
    "prometheus",
    "alertmanager",
    "blackbox_exporter",
    "grafana",
)
# The incident: one bot loses a fifth of its money, another dies and does not come back.
FALLS, DIES = "demo_2", "demo"
_FAULTS = [(FALLS, "drawdown"), (DIES, "stay_down"), (DIES, "crash")]


@contextmanager
def _desk(folder: Path) -> Iterator[tuple[Settings, Path]]:
    """Run a stack with three demo bots that have a past; gives its settings and their file."""
    config = folder / "desk.yaml"
    given = {
        "demo": {"enabled": True, "bots": 3, "history": "90d"},
        "services": {name: {"port": free_port()} for name in PARTS},
        "collection": {
            "trading": {"interval": "10s"},
            "system": {"interval": "10s"},
            "evaluation_interval": "5s",
        },
        "thresholds": {"critical": {"down_after": "60s"}},
    }
    config.write_text(yaml.safe_dump(given))
    command = ["stack.cli", "up", "--config", str(config), "--data", str(folder / "data")]
    with (folder / "up.log").open("wb") as words:
        up = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=words, stderr=words)
    try:
        settings = load([config])
        bots = "count(trading_bot_up == 1)"
        eventually(lambda: _asked(settings, bots) == 3, within=600, what="three bots that are up")
        yield settings, config
    finally:
        os.kill(up.pid, signal.SIGINT)
        up.wait(60)


def _asked(settings: Settings, query: str) -> float:
    """Return a number from Prometheus, else 0."""
    try:
        url = f"{settings.link('prometheus')}/api/v1/query"
        found = requests.get(url, params={"query": query}, timeout=10).json()["data"]["result"]
    except (requests.ConnectionError, KeyError, ValueError):
        return 0
    return float(found[0]["value"][1]) if found else 0


def _break(settings: Settings, token: str) -> None:
    for bot, fault in _FAULTS:
        url = f"{str(settings.bots[bot].source.url).rstrip('/')}/api/v1/faults/{fault}"
        requests.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=30).raise_for_status()
    wanted = f'alertname=~".*Down",bot="{DIES}"', f'alertname=~".*HighDrawdown",bot="{FALLS}"'
    for alert in wanted:
        fires = f'count(ALERTS{{alertstate="firing",{alert}}})'
        eventually(lambda fires=fires: _asked(settings, fires), within=300, what=alert)
    critical = 'sum(nightdesk_incidents_open{severity="critical"})'
    eventually(lambda: _asked(settings, critical) >= 2, within=120, what="critical incidents")


def _log_in(browser: Browser, settings: Settings, token: str) -> None:
    browser.go(f"{settings.link('webhook_actions')}/")
    browser.fill("#name", "anna")
    browser.fill("#secret", token)
    browser.click("button.main")
    browser.reads("Log out")


def _report(config: Path, file: Path) -> None:
    command = ["stack.cli", "report", "--bot", FALLS, "--period", "day", "--format", "html"]
    options = ["--config", str(config), "--out", str(file)]
    subprocess.run([sys.executable, "-m", *command, *options], cwd=ROOT, check=True)


def main() -> None:
    """Draw the overview in calm and in an incident, then the on-call page and a report of it."""
    page = bundle()
    with tempfile.TemporaryDirectory() as scratch, _desk(Path(scratch)) as (settings, config):
        folder = Path(scratch)
        overview, prometheus = every(settings)["overview"], settings.link("prometheus")
        with Browser(folder / "chromium") as browser:

            def shoot(name: str, size: tuple[int, int]) -> None:
                draw(browser, page, overview, prometheus, IMAGES / f"{name}.png", size=size, back=BACK)

            time.sleep(CALM)
            fires = f"count({FIRES})".replace("$bot", ".*")
            eventually(lambda: not _asked(settings, fires), within=600, what="calm")
            shoot("overview", WIDE)
            _break(settings, (folder / "secrets/demo_bot_token").read_text().strip())
            shoot("incident", WIDE)
            shoot("incident-phone", PHONE)
            browser.size(*WIDE)
            _log_in(browser, settings, (folder / "secrets/act_token").read_text().strip())
            browser.shoot(IMAGES / "desk.png", whole=False)
            _report(config, folder / "report.html")
            browser.size(*PAGE)
            browser.go((folder / "report.html").as_uri())
            browser.shoot(IMAGES / "report.png", whole=False)
    screenshots.main()


if __name__ == "__main__":
    main()
