"""Only a complete round trip pings the outside dead man's switch: no old and no unstored webhook does."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import psutil
import pytest
import requests

from tests.conftest import eventually
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.harness import Harness


@dataclass
class Switch:
    """A dead man's switch outside, which counts its pings; `status` is its answer."""

    port: int = 0
    pings: list[str] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def switch() -> Iterator[Switch]:
    made = Switch()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.pings.append(self.path)
            self.send_response(made.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()


@pytest.fixture
def harness(make_harness: Make, switch: Switch, tmp_path: Any) -> Harness:
    file = tmp_path / "switch_url"
    file.write_text(f"http://127.0.0.1:{switch.port}/ping/secret\n")
    made = make_harness("alpha", routing={"watchdog_url_file": str(file)})
    made.start_engine()
    return made


def word(
    harness: Harness, age: float = 0.0, token: str = "receive-secret", within: float = 30
) -> requests.Response:
    """Deliver the Watchdog as Alertmanager does, from an exporter seen `age` seconds ago."""
    alert = {
        "status": "firing",
        "labels": {"alertname": "TradingBotWatchdog", "severity": "meta"},
        "annotations": {"seen_at": f"{time.time() - age:.3f}"},
        "startsAt": datetime.now(UTC).isoformat(),
        "fingerprint": "ab",
    }
    return post(harness, [alert], token, within)


def post(harness: Harness, alerts: list[object], token: str, within: float = 30) -> requests.Response:
    body, header = {"version": "4", "alerts": alerts}, {"Authorization": f"Bearer {token}"}
    return requests.post(harness.url("/api/v1/watchdog"), json=body, headers=header, timeout=within)


def test_a_round_trip_that_is_written_pings_and_no_other_word_does(harness: Harness, switch: Switch) -> None:
    old = word(harness, age=600)  # Alertmanager repeats an alert from a Prometheus that has died since
    assert (old.status_code, "was last seen 600 s ago" in old.text) == (503, True)
    assert word(harness, token="read-secret").status_code == 401
    assert post(harness, [], "receive-secret").status_code == 422
    assert switch.pings == []

    assert word(harness).status_code == 200
    assert switch.pings == ["/ping/secret"]
    assert harness.incidents() == []
    assert harness.metric("nightdesk_round_trip_timestamp_seconds") > time.time() - 60

    switch.status = 500
    refused = word(harness)
    assert (refused.status_code, "secret" in refused.text) == (503, False)


def test_while_the_database_is_frozen_nothing_pings(harness: Harness, switch: Switch) -> None:
    pid = int((harness.directory / "engine-data/postgres/postmaster.pid").read_text().split()[0])
    server = psutil.Process(pid)
    frozen = [server, *server.children(recursive=True)]
    for process in frozen:
        process.suspend()
    try:
        with pytest.raises(requests.Timeout):
            word(harness, within=8)
        assert switch.pings == []
    finally:
        for process in frozen:
            process.resume()
    eventually(lambda: word(harness).status_code == 200, what="the first ping after the thaw")
