"""The audit queries the images of compose and Kubernetes, each by its version."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.image_audit import images, main

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "docker-compose.yml", *(ROOT / "deploy/kubernetes").glob("*.yaml")]
HOLE = {
    "id": "BIT-grafana-2026-1",
    "aliases": ["CVE-2026-1"],
    "summary": "a stranger reads dashboards",
    "affected": [{"ranges": [{"events": [{"introduced": "0"}, {"fixed": "13.9.9"}]}]}],
}


class Osv(ThreadingHTTPServer):
    """Answers as OSV does: it knows one vulnerability of Grafana, or fails."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status, self.holes = 200, {"grafana": [HOLE]}
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Osv

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        found = self.server.holes.get(asked["package"]["name"])
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps({"vulns": found} if found else {}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def osv() -> Iterator[Osv]:
    server = Osv()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_every_image_that_is_run_is_found_with_its_version() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    named = {service["image"] for service in services.values() if "image" in service}
    found = {f"{name}:{version}" for name, version in images([ROOT / "docker-compose.yml"]).items()}
    assert found == {image.replace(":v", ":") for image in named if not image.endswith(":local")}


def test_compose_and_kubernetes_run_the_same_versions() -> None:
    compose = images(FILES[:1])
    assert images(FILES[1:]).items() <= compose.items()


def test_a_known_vulnerability_is_reported_with_the_fixed_version(
    osv: Osv, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*map(str, FILES), "--osv", osv.url]) == 1
    told = capsys.readouterr().out
    version = images(FILES)["grafana/grafana"]
    assert f"grafana/grafana {version}: BIT-grafana-2026-1, CVE-2026-1: a stranger reads dashboards" in told
    assert "fixed in 13.9.9" in told
    assert {"package": {"name": "prometheus", "ecosystem": "Bitnami"},
            "version": images(FILES)["prom/prometheus"]} in osv.asked  # fmt: skip


def test_without_a_vulnerability_it_says_so_and_names_what_was_not_checked(
    osv: Osv, capsys: pytest.CaptureFixture[str]
) -> None:
    osv.holes.clear()
    assert main([*map(str, FILES), "--osv", osv.url]) == 0
    told = capsys.readouterr().out
    assert "no image has a known vulnerability" in told
    assert "tecnativa/docker-socket-proxy" in told


def test_who_cannot_be_asked_is_no_clean_answer(osv: Osv, capsys: pytest.CaptureFixture[str]) -> None:
    osv.status = 500
    assert main([str(FILES[0]), "--osv", osv.url]) == 1
    assert "grafana/grafana could not be audited" in capsys.readouterr().out
    assert main([str(FILES[0]), "--osv", "http://127.0.0.1:1"]) == 1
    assert "could not be audited" in capsys.readouterr().out
