"""Datadog and New Relic get alerts, actions and reports, as their documentation requires."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.harness import Harness, Setup, until
from tests.webhook_actions.escalation.test_outgoing import QUIET
from tests.webhook_actions.report.sample_reports import full
from webhook_actions.outcome import Outcome
from webhook_actions.outgoing import DATADOG

DATADOG_KEY, LICENSE, ACCOUNT = "dd-canary-key", "nr-canary-license", 4242
ALERT_TYPES = {"error", "warning", "info", "success", "user_update", "recommendation", "snapshot"}


class Systems:
    """Both APIs on one port; each refuses what breaks a documented rule, as the real one does."""

    def __init__(self) -> None:
        self.datadog: list[dict[str, Any]] = []
        self.newrelic: list[dict[str, Any]] = []
        self.out_of_order = 0  # number of 503 answers before it works
        systems = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if systems.out_of_order:
                    systems.out_of_order -= 1
                    return self.answer(503, {"errors": ["try later"]})
                if self.path == "/api/v1/events":
                    return self.answer(*systems.take_datadog(self.headers, body))
                if self.path == f"/v1/accounts/{ACCOUNT}/events":
                    return self.answer(*systems.take_newrelic(self.headers, body))
                return self.answer(404, {"errors": ["Not Found"]})

            def answer(self, status: int, said: object) -> None:
                data = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take_datadog(self, headers: Any, body: bytes) -> tuple[int, object]:
        """https://docs.datadoghq.com/api/latest/events/#post-an-event"""
        if headers["DD-API-KEY"] != DATADOG_KEY:
            return 403, {"errors": ["Forbidden"]}
        if headers["Content-Type"] != "application/json":
            return 415, {"errors": ["Unsupported Media Type"]}
        event = json.loads(body)
        good = (
            isinstance(event.get("title"), str)
            and 0 < len(event["title"]) <= 100
            and isinstance(event.get("text"), str)
            and 0 < len(event["text"]) <= 4000
            and event.get("alert_type") in ALERT_TYPES
            and event.get("priority") in ("normal", "low")
            and isinstance(event.get("date_happened"), int)
            and all(isinstance(tag, str) for tag in event["tags"])
            and len(event.get("aggregation_key", "")) <= 100
        )
        if not good:
            return 400, {"errors": ["Bad Request"]}
        self.datadog.append(event)
        return 202, {"status": "ok", "event": event}

    def take_newrelic(self, headers: Any, body: bytes) -> tuple[int, object]:
        """https://docs.newrelic.com/docs/data-apis/ingest-apis/event-api/introduction-event-api/"""
        if headers["Api-Key"] != LICENSE:
            return 403, {"error": "invalid license key"}
        if headers["Content-Type"] != "application/json" or headers["Content-Encoding"] != "gzip":
            return 415, {"error": "unsupported"}
        events = json.loads(gzip.decompress(body))
        if not isinstance(events, list) or len(body) > 1_000_000:
            return 413, {"error": "payload"}
        for event in events:
            if not isinstance(event.get("eventType"), str) or len(event) > 255:
                return 400, {"error": "eventType"}
            for value in event.values():
                text = isinstance(value, str) and len(value.encode()) <= 4096
                if not text and (isinstance(value, bool) or not isinstance(value, (int, float))):
                    return 400, {"error": "only numbers and text"}
        self.newrelic += events
        return 200, {"success": True}


@pytest.fixture
def systems(setup: Setup) -> Iterator[Systems]:
    (setup.directory / "datadog").write_text(DATADOG_KEY)
    (setup.directory / "newrelic").write_text(LICENSE)
    made = Systems()
    yield made
    made.server.shutdown()


def told(systems: Systems, **datadog: object) -> dict[str, object]:
    quick = {"retries": 6, "pause": "1s"}
    return {
        "datadog": {
            "enabled": True, "api_url": systems.url, "api_key_file": "datadog", "delivery": quick,
            "tags": ["desk:night"], **datadog,
        },
        "newrelic": {
            "enabled": True, "events_url": systems.url, "license_key_file": "newrelic", "account": ACCOUNT,
            "delivery": quick,
        },
    }  # fmt: skip


def test_both_systems_get_the_story_of_an_incident_and_of_a_report(play: Play, systems: Systems) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        async with harness.pool.transaction() as connection:
            tell = harness.escalation.outgoing
            await tell.acted(connection, incident, "restart_bot", "disruptive", Outcome.ok("x" * 9000))
            await tell.report(
                connection, "a week", {"bot": "alpha", "figures": [full().figures[0].model_dump()]}
            )
        await harness.close(incident)

        async def look() -> bool:
            return len(systems.datadog) == len(systems.newrelic) == 4

        await until(look, within=30, what="four events in both")

    play(scenario, integrations=told(systems), **QUIET)
    by_type = {event["type"]: event for event in systems.newrelic}
    assert set(by_type) == {"incident.opened", "action.ended", "report.ready", "incident.closed"}
    assert (by_type["action.ended"]["action"], by_type["action.ended"]["outcome"]) == ("restart_bot", "done")
    assert by_type["incident.opened"]["bot"] == "alpha"
    titles = {event["title"]: event for event in systems.datadog}
    opened, closed = (
        titles["incident.opened TradingBotDown alpha"],
        titles["incident.closed TradingBotDown alpha"],
    )
    assert (opened["alert_type"], closed["alert_type"]) == ("error", "success")
    assert opened["aggregation_key"] == closed["aggregation_key"]
    assert {"bot:alpha", "alert:TradingBotDown", "desk:night"} <= set(opened["tags"])


def test_an_outage_of_theirs_loses_nothing(play: Play, systems: Systems) -> None:
    systems.out_of_order = 3

    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")

        async def look() -> bool:
            return len(systems.datadog) == len(systems.newrelic) == 1

        await until(look, within=30, what="the event in both")

    play(scenario, speed=60, integrations=told(systems), **QUIET)


def test_a_wrong_key_is_reported_and_never_shown(play: Play, systems: Systems, setup: Setup) -> None:
    (setup.directory / "datadog").write_text("dd-wrong-canary")

    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        query = "SELECT outcome FROM deliveries WHERE channel = %s AND state = 'failed'"

        async def look() -> list[Any]:
            return await harness.rows(query, DATADOG)

        ((outcome,),) = await until(look, within=30, what="the refusal")
        assert "Datadog answered 403" in outcome
        assert "canary" not in outcome

    play(scenario, integrations=told(systems), **QUIET)
