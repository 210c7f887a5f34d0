"""`nightdesk up --ha` with TLS and a user: access, and a crash heals once while one of each part dies."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

from stack.flags import GOSSIP
from stack.settings import Settings, load
from stack.up import HA
from tests.conftest import binary, eventually, free_port
from tests.end_to_end.conftest import PROGRAMS, ROOT
from tests.tls import certify, documented, renew

SPEED = 30
MARKS = {
    "exporter": "-m exporter",
    "webhook_actions": "-m webhook_actions --",
    "postgres": "bin/postgres -D",
    "prometheus": "--storage.tsdb.path",
    "alertmanager": "--storage.path",
}


@dataclass(frozen=True)
class Desk:
    """A running `nightdesk up --ha`."""

    settings: Settings
    up: psutil.Process
    log: Path

    def get(self, url: str, **options: Any) -> requests.Response:
        """Call a part as the other parts do, unless the test says otherwise."""
        web = self.settings.web
        usual: dict[str, Any] = {"verify": web.verify, "auth": web.user()}
        return requests.get(url, **usual | options, timeout=5)

    def processes(self, part: str) -> list[psutil.Process]:
        found = []
        for process in self.up.children(recursive=True):
            try:
                if MARKS[part] in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def crashes(self) -> list[dict[str, Any]]:
        """Return the incidents of the demo bot's crashes, from whichever engine answers."""
        token = self.settings.webhook_actions.tokens.read_file.read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        for url in self.settings.services.webhook_actions.urls:
            try:
                asked = f"{url}/api/v1/incidents?state=all"
                answer = requests.get(
                    asked, headers=headers, verify=self.settings.web.verify, timeout=5
                ).json()
            except requests.RequestException:
                continue
            every = answer.get("incidents", [])
            # If the exporters are away at first, a dead bot seems to hang before it is seen down.
            alerts = ("TradingBotDown", "TradingBotLoopHung")
            return [one for one in every if one["alert"] in alerts and one["bot"] == "demo"]
        return []

    def seen(self) -> bool:
        """Return whether each Prometheus sees the demo bot up."""
        try:
            answers = [
                self.get(f"{url}/api/v1/query", params={"query": "trading_bot_up == 1"}).json()
                for url in self.settings.services.prometheus.urls
            ]
        except requests.RequestException:
            return False
        return all(answer["data"]["result"] for answer in answers)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    tmp_path = tmp_path_factory.mktemp("ha")
    for program in PROGRAMS:
        binary(program)
    config = tmp_path / "monitoring.yaml"
    certify(tmp_path)
    web = yaml.safe_load(documented("yaml")[0])
    config.write_text(yaml.safe_dump({"demo": {"enabled": True}} | web))
    offset = _offset(config)
    options = ["--config", str(config), "--data", str(tmp_path / "data"), "--speed", str(SPEED)]
    log = tmp_path / "up.log"
    with log.open("wb") as out:
        up = subprocess.Popen(
            [sys.executable, "-m", "stack.cli", "up", "--ha", *options, "--port-offset", str(offset)],
            cwd=ROOT, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        made = Desk(load([config, HA], port_offset=offset, speed=SPEED), psutil.Process(up.pid), log)
        eventually(lambda: up.poll() is not None or "Ctrl-C" in log.read_text(), within=120, what="the stack")
        assert up.poll() is None, log.read_text()
        yield made
    finally:
        if up.poll() is None:
            up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0, log.read_text()


def _offset(config: Path) -> int:
    """Return an offset at which every port is free, those of gossip too."""
    for _ in range(50):
        offset = free_port() % 12_000 + 10_000  # below the ports of outgoing connections
        services = load([config, HA], port_offset=offset).services
        every = [each.port for _, part in services for each in getattr(part, "all", (part,))]
        if all(_free(port) and _free(port + 1) for port in every):
            return offset
    pytest.fail("no offset with free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def listeners(desk: Desk) -> list[tuple[str, int]]:
    """Return every HTTP listener, except the demo bot's, and Grafana's, which does not run here."""
    parts = desk.settings.services
    replicated = (parts.exporter, parts.webhook_actions, parts.prometheus, parts.alertmanager)
    return [(each.host, each.port) for part in replicated for each in part.all] + [
        (parts.blackbox_exporter.host, parts.blackbox_exporter.port)
    ]


def refuses_plain_http(host: str, port: int) -> bool:
    try:
        return requests.get(f"http://{host}:{port}/metrics", timeout=5).status_code == 400
    except requests.ConnectionError:
        return True


def test_every_listener_requires_tls_and_a_user(desk: Desk, tmp_path: Path):
    certify(tmp_path)
    stranger = str(tmp_path / "secrets/tls/ca.pem")
    for host, port in listeners(desk):
        url = f"https://{host}:{port}/metrics"
        assert refuses_plain_http(host, port), url
        assert desk.get(url, auth=("nightdesk", "guess")).status_code == 401, url
        assert desk.get(url, auth=None).status_code == 401, url
        with pytest.raises(requests.exceptions.SSLError, match="certificate verify failed"):
            desk.get(url, verify=stranger)
    for part in (desk.settings.services.alertmanager, desk.settings.services.prometheus):
        assert all(desk.get(f"{url}/-/ready").ok for url in part.urls)


def gossips(address: tuple[str, int], authority: Path, own: Path) -> bool:
    """Return whether an Alertmanager accepts the certificate of a directory."""
    trusting = ssl.create_default_context(cafile=str(authority))
    trusting.load_cert_chain(own / "cert.pem", own / "key.pem")
    try:
        with socket.create_connection(address, 5) as plain, \
             trusting.wrap_socket(plain, server_hostname="nightdesk") as connection:  # fmt: skip
            connection.settimeout(1)
            return connection.recv(1) != b""  # TLS 1.3 reports a refusal after the handshake
    except TimeoutError:
        return True
    except (ssl.SSLError, ConnectionError):
        return False


def test_nobody_gossips_without_a_certificate_of_the_authority(desk: Desk, tmp_path: Path):
    certify(tmp_path)
    authority, parts = desk.settings.web.tls.ca_file, desk.settings.services.alertmanager
    addresses = [(each.host, each.port + GOSSIP) for each in parts.all]
    assert all(gossips(address, authority, authority.parent) for address in addresses)
    assert not any(gossips(address, authority, tmp_path / "secrets/tls") for address in addresses)
    cluster = desk.get(f"{parts.urls[0]}/api/v2/status").json()["cluster"]
    assert len(cluster["peers"]) == len(addresses)


def test_a_renewed_certificate_is_taken_up_by_every_listener(desk: Desk):
    file = desk.settings.web.tls.cert_file
    before = file.read_text()
    renew(file.parent.parent.parent)
    new = file.read_text().strip()
    assert new != before.strip()
    for address in listeners(desk):
        eventually(
            lambda address=address: ssl.get_server_certificate(address).strip() == new,
            within=20,
            what=f"the new certificate at {address}",
        )


def test_a_crash_is_healed_once_while_one_of_each_part_is_killed_and_comes_back(desk: Desk):
    eventually(desk.seen, within=90, what="the demo bot in both Prometheus")
    before = {part: len(desk.processes(part)) for part in MARKS}
    assert before == {"exporter": 2, "webhook_actions": 3, "postgres": 1, "prometheus": 2, "alertmanager": 3}
    token = desk.settings.demo.token_file.read_text().strip()
    url = f"{desk.settings.services.demo_bot.url}/api/v1/faults/crash"
    requests.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).raise_for_status()
    killed = [desk.processes(part)[0].pid for part in MARKS]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(
        lambda: any(one["closed_at"] for one in desk.crashes()), within=150, what="the end of the incident"
    )
    restarts = [step for one in desk.crashes() for step in one["runs"] if step["action"] == "restart_bot"]
    assert [step["verdict"] for step in restarts] == ["verified"]

    def back() -> bool:
        return {part: len(desk.processes(part)) for part in MARKS} == before

    eventually(back, within=60, what="the return of all")
    # PostgreSQL has a supervisor of its own, which writes to its log.
    assert desk.log.read_text().count("; Nightdesk restarts it in") >= len(killed) - 1
    assert "the embedded PostgreSQL ended" in (desk.log.parent / "data/logs/postgres.log").read_text()
