"""A Grafana, if installed, loads the rendered files and finds an answer for every panel."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from grafana.build import build
from stack.services import local_services
from tests.conftest import eventually, free_port
from tests.dashboards.conftest import END, settings_of
from tests.dashboards.reading import HELPS, View, panels

ADMIN = ("admin", "admin")  # the login of a new Grafana, on loopback


@dataclass
class Grafana:
    """A running Grafana."""

    url: str
    log: Path

    def get(self, path: str) -> Any:
        answer = requests.get(f"{self.url}{path}", auth=ADMIN, timeout=30)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def ask(self, target: dict[str, Any], view: View) -> Any:
        """Return what the data source answers to a panel's query, through Grafana."""
        query = {
            **target,
            "datasource": {"type": "prometheus", "uid": "prometheus"},
            "expr": view.filled(target["expr"], view.back),
            "intervalMs": view.finest * 1000,
            "maxDataPoints": view.points,
        }
        span = {"from": str(round((view.at - view.back) * 1000)), "to": str(round(view.at * 1000))}
        body = {"queries": [query], **span}
        return requests.post(f"{self.url}/api/ds/query", json=body, auth=ADMIN, timeout=30).json()["results"]


@pytest.fixture(scope="module")
def grafana(prometheus: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grafana]:
    """Start the `grafana` of PATH as `nightdesk up` does, on the rendered folder."""
    if shutil.which("grafana") is None:
        pytest.skip("no grafana binary is on PATH (https://grafana.com/grafana/download)")
    folder = tmp_path_factory.mktemp("grafana")
    port = int(prometheus.rpartition(":")[2])
    services = {"prometheus": {"port": port}, "grafana": {"port": free_port()}}
    settings = settings_of(folder, services=services, dashboards={"set": "all"})
    build(settings, HELPS, folder / "build/grafana")
    parts = local_services(settings, folder / "build", folder / "data", [])
    (part,) = (one for one in parts if one.name == "grafana")
    log = folder / "grafana.log"
    with log.open("wb") as out:
        process = subprocess.Popen(part.command, stdout=out, stderr=out)
    try:
        eventually(lambda: _answers(part.health), within=120, what="Grafana")
        yield Grafana(settings.services.grafana.url, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_grafana_loads_every_dashboard_and_its_home_page(grafana: Grafana, tmp_path: Path) -> None:
    build(settings_of(tmp_path, dashboards={"set": "all"}), HELPS, tmp_path / "out")
    written = {json.loads(file.read_text())["uid"] for file in (tmp_path / "out/dashboards").glob("*.json")}
    assert len(written) == 13

    def folders() -> dict[str, str]:
        return {one["uid"]: one["folderUid"] for one in grafana.get("/api/search?type=dash-db")}

    eventually(lambda: folders() == dict.fromkeys(written, "nightdesk"), what="the dashboards")
    assert grafana.get("/api/dashboards/home")["dashboard"]["uid"] == "trading-bot"
    lines = grafana.log.read_text().splitlines()
    assert not [line for line in lines if "logger=provisioning" in line and "level=error" in line]


def test_no_panel_is_in_error(grafana: Grafana) -> None:
    view, errors, asked = View(END), {}, 0
    for one in grafana.get("/api/search?type=dash-db"):
        dashboard = grafana.get(f"/api/dashboards/uid/{one['uid']}")["dashboard"]
        for panel in panels(dashboard):
            for target in panel["targets"]:
                asked += 1
                for ref, result in grafana.ask(target, view).items():
                    if error := result.get("error"):
                        errors[f"{one['title']}: {panel['title']} {ref}"] = error
    assert errors == {}
    assert asked > 100


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
