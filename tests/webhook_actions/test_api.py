"""The API: permissions, answers, and the audit of each act."""

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.conftest import eventually
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.harness import Harness, limits
from tests.webhook_actions.rota import desk
from tests.webhook_actions.visitor import Visitor

TOKENS = ("receive", "read", "act", "bot")
READS = ("/api/v1/incidents", "/api/v1/incidents/1", "/api/v1/actions", "/api/v1/bots", "/api/v1/pause")
READS += (
    "/api/v1/oncall",
    "/api/v1/overrides",
    "/api/v1/preview?alert=Down",
    "/api/v1/audit",
    "/api/v1/dead-letters",
    "/metrics",
    "/openapi.json",
)
WRITES = {
    "/api/v1/incidents/1/acknowledge": {},
    "/api/v1/incidents/1/snooze": {"for": "1h"},
    "/api/v1/incidents/1/comment": {"text": "words"},
    "/api/v1/incidents/1/run": {"action": "restart_bot"},
    "/api/v1/pause": {},
    "/api/v1/resume": {},
    "/api/v1/bots/alpha/release": {},
    "/api/v1/bots/alpha/run": {"action": "restart_bot"},
    "/api/v1/dead-letters/1/send": {},
    "/api/v1/rotas/desk/override": {"contact": "manager", "for": "1h"},
    "/api/v1/rotas/desk/swap": {"from": "2026-12-24T09:00", "with": "2026-12-31T09:00"},
    "/api/v1/overrides/1/cancel": {},
}
CASES = int(os.environ.get("SCHEMATHESIS_CASES", "500"))


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """Return a world with one open incident, for tests that change nothing."""
    made = Harness(tmp_path_factory.mktemp("still"), "alpha", webhook_actions=limits(failed_logins=1000))
    made.start_engine()
    made.deliver(made.alert("alpha"))
    yield made
    made.close()


@pytest.fixture
def quiet(make_harness: Make) -> Harness:
    """Return a world whose engine runs without a Prometheus, and lets an address write often."""
    made = make_harness("alpha", webhook_actions=limits(writes=100_000), **desk())
    made.start_engine()
    return made


def post(harness: Harness, path: str, body: object, token: str | None = "act-secret") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(harness.url(path), json=body, headers=headers, timeout=40)


def test_every_endpoint_wants_the_token_of_its_scope(still: Harness) -> None:
    for path in READS:
        for token, allowed in (
            ("receive", False),
            ("read", True),
            ("act", True),
            ("bot", False),
            ("x", False),
        ):
            assert (still.get(path, f"{token}-secret").status_code == 200) is allowed, (path, token)
        assert requests.get(still.url(path), timeout=20).status_code == 401
    for path, body in WRITES.items():
        for refused in ("receive-secret", "read-secret", "bot-secret", "act-secre", "", None):
            assert post(still, path, body, refused).status_code == 401, (path, refused)
    assert "acknowledged" not in still.kinds("alpha")
    assert still.get("/api/v1/audit").json() == []


def test_the_openapi_names_every_route_of_the_api_with_its_token(still: Harness) -> None:
    described = still.get("/openapi.json").json()["paths"]
    for path, methods in described.items():
        for operation in methods.values():
            assert path == "/healthz" or operation["security"] == [{"HTTPBearer": []}], path
    shapes = [re.compile(re.sub(r"{\w+}", "[^/]+", path) + "$") for path in described]
    for path in (*READS[:-1], *WRITES):
        assert any(shape.match(path.partition("?")[0]) for shape in shapes), path


def test_an_acknowledgement_a_comment_and_a_snooze_stand_in_the_timeline_and_the_audit(
    quiet: Harness,
) -> None:
    quiet.deliver(quiet.alert("alpha"))
    assert post(quiet, "/api/v1/incidents/1/acknowledge", {"by": "anna", "comment": "mine"}).json() == {
        "done": "acknowledged"
    }
    assert post(quiet, "/api/v1/incidents/1/comment", {"text": "the exchange"}).json()["done"] == "commented"
    assert post(quiet, "/api/v1/incidents/1/snooze", {"for": "2h"}).json()["done"] == "snoozed"
    timeline = quiet.get("/api/v1/incidents/1").json()["timeline"]
    said = [entry["text"] for entry in timeline if entry["kind"] in ("acknowledged", "comment")]
    assert said == ["by anna (act token): mine", "act token: the exchange"]
    acts = quiet.get("/api/v1/audit").json()
    assert [(act["act"], act["who"], act["incident"]) for act in reversed(acts)] == [
        ("acknowledge", "anna (act token)", 1),
        ("comment", "act token", 1),
        ("snooze", "act token", 1),
    ]
    assert {act["address"] for act in acts} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/api/v1/incidents/99/acknowledge", {}, 404, "no incident 99"),
        ("/api/v1/incidents/1/run", {"action": "fly"}, 404, "fly is not an action; choose one of"),
        (
            "/api/v1/incidents/1/run",
            {"action": "close_positions"},
            422,
            "confirm it with the bot's name, alpha",
        ),
        ("/api/v1/incidents/1/snooze", {"for": "soon"}, 422, "'soon' is not a duration"),
        ("/api/v1/incidents/1/snooze", {"for": "400d"}, 422, "is not in 1m–7d"),
        ("/api/v1/incidents/1/comment", {"text": ""}, 422, "at least 1"),
        ("/api/v1/resume", {}, 409, "actions are not paused"),
        ("/api/v1/bots/alpha/release", {}, 409, "alpha is not halted"),
        ("/api/v1/dead-letters/7/send", {}, 404, "no dead letter 7"),
        ("/api/v1/pause", {"reason": "nul\0"}, 422, "NUL"),
        ("/api/v1/pause", {"raeson": "typo"}, 422, "Extra inputs"),
        ("/api/v1/pause", {"reason": "x" * 501}, 422, "at most 500"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    still: Harness, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    answer = post(still, path, body)
    assert answer.status_code == status
    assert says in answer.text
    assert still.get("/api/v1/audit").json() == []


def test_a_closed_incident_cannot_be_acknowledged(quiet: Harness) -> None:
    quiet.deliver(quiet.alert("gone"))
    quiet.start_prometheus()
    eventually(lambda: quiet.incident("gone")["closed_at"], what="closing")
    answer = post(quiet, "/api/v1/incidents/1/acknowledge", {})
    assert (answer.status_code, answer.json()["detail"]) == (409, "incident 1 is closed")


def test_incidents_are_found_by_state_bot_alert_and_text_and_paged(quiet: Harness) -> None:
    quiet.deliver(*(quiet.alert("alpha", fingerprint=f"f{n}") for n in range(5)))
    first = quiet.get("/api/v1/incidents?limit=3").json()
    assert [each["id"] for each in first["incidents"]] == [5, 4, 3]
    rest = quiet.get(f"/api/v1/incidents?limit=3&before={first['next']}").json()
    assert ([each["id"] for each in rest["incidents"]], rest["next"]) == ([2, 1], None)
    assert quiet.get("/api/v1/incidents?bot=beta").json()["incidents"] == []
    assert len(quiet.get("/api/v1/incidents?alert=Down&text=OF%20ALPHA").json()["incidents"]) == 5
    assert quiet.get("/api/v1/incidents?state=closed").json()["incidents"] == []


def test_writes_of_one_address_are_slowed_down(make_harness: Make) -> None:
    harness = make_harness("alpha", webhook_actions=limits(writes=3))
    harness.start_engine()
    harness.deliver(harness.alert("alpha"))
    answers = [post(harness, "/api/v1/incidents/1/comment", {"text": "again"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 20


def test_no_write_takes_a_large_body(quiet: Harness) -> None:
    anna = Visitor(quiet)
    anna.log_in()
    body = {"reason": "x" * 70_000}
    for token in ("act-secret", "wrong"):
        assert post(quiet, "/api/v1/pause", body, token).status_code == 413
    for path in ("/pause", "/login"):
        answer = anna.session.post(quiet.url(path), data=body, timeout=20)
        assert answer.status_code == 413, path
        assert "65536 bytes" in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"reason": "half a character: \\ud800"}',
        b'{"\\ud800": 1}',
        b'{"reason": "\xff"}',
        b'{"reason": "\\u0000"}',
        b"[" * 60_000,
        b'{"reason": ' + b"9" * 60_000 + b"}",
        b'{"reason": 1e999}',
    ],
    ids=("surrogate", "surrogate as a name", "no UTF-8", "NUL", "deep", "long number", "infinite"),
)
def test_a_text_that_cannot_be_kept_is_refused(still: Harness, body: bytes) -> None:
    for path in ("/api/v1/pause", "/api/v1/incidents/1/comment", "/api/v1/alerts"):
        token = "receive-secret" if path.endswith("alerts") else "act-secret"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = requests.post(still.url(path), body, headers=headers, timeout=20)
        assert answer.status_code in (400, 422), (path, answer.status_code, answer.text)
    for path in ("/login", "/api/v1/incidents?text=%00", "/api/v1/incidents?text=%ED%A0%80"):
        answer = requests.post(still.url("/login"), b"name=%00%ED%A0%80&secret=a%00b%ED%A0%80", timeout=20)
        assert answer.status_code < 500
        assert still.get(path).status_code < 500


def test_no_secret_stands_in_any_page_answer_log_or_timeline(make_harness: Make) -> None:
    canaries = {name: f"canary-{name}-7f3a9" for name in TOKENS}
    harness = make_harness("alpha")
    for name, canary in canaries.items():
        (harness.directory / f"{name}_token").write_text(canary + "\n")
    harness.bots.by_name["alpha"].status = 500
    harness.bots.by_name["alpha"].up = 0.0
    harness.start_prometheus()
    harness.start_engine()
    eventually(lambda: harness.firing(), what="Down of alpha")
    alert = harness.alert("alpha", annotations={"summary": "alpha is down"})
    header = {"Authorization": f"Bearer {canaries['receive']}"}
    sent = requests.post(
        harness.url("/api/v1/alerts"), json={"version": "4", "alerts": [alert]}, headers=header, timeout=20
    )
    assert sent.json()["opened"] == 1

    def read(path: str) -> requests.Response:
        return harness.get(path, canaries["read"])

    eventually(lambda: read("/api/v1/incidents/1").json()["runs"], what="a restart that fails")
    anna, written = Visitor(harness), []
    for secret in (*canaries.values(), "wrong"):
        written.append(Visitor(harness).log_in(secret).text)
        written.append(post(harness, "/api/v1/pause", {"reason": 7}, secret).text)
    assert anna.log_in(canaries["act"]).status_code == 303
    anna.send("/incidents/1/acknowledge", comment="x" * 1000)
    anna.send("/incidents/1/run", action="restart_bot")
    written += [anna.get(path).text for path in ("/", "/incidents/1", "/history", "/audit", "/nowhere")]
    written += [read(path).text for path in READS]
    written.append((harness.directory / "engine.log").read_text())
    for name, canary in canaries.items():
        assert not [text for text in written if canary in text], f"the {name} token is written somewhere"


@pytest.mark.timeout(300 + CASES // 5)
def test_whatever_is_asked_no_answer_is_an_error_of_ours(quiet: Harness) -> None:
    quiet.deliver(quiet.alert("alpha"))
    schema = schemathesis.openapi.from_dict(quiet.get("/openapi.json").json())
    schema.config.update(base_url=quiet.url(""))
    operations = [each.ok() for each in schema.get_all_operations()]
    asked = sum(ask(operation, max(CASES // len(operations), 1)) for operation in operations)
    assert asked >= CASES * 0.8
    assert quiet.get("/healthz").text == "ok\n"
    assert "Traceback" not in (quiet.directory / "engine.log").read_text()


def ask(operation: schemathesis.APIOperation, times: int) -> int:
    """Make a request in all allowed and all refused ways; returns how often."""
    token = "receive-secret" if operation.path.endswith("/alerts") else "act-secret"
    good = operation.as_strategy(schemathesis.GenerationMode.POSITIVE)
    bad = operation.as_strategy(schemathesis.GenerationMode.NEGATIVE)
    asked = 0

    @settings(max_examples=times, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=good | bad)
    def one(case: schemathesis.Case) -> None:
        nonlocal asked
        asked += 1
        answer = case.call(headers={"Authorization": f"Bearer {token}"}, timeout=40)
        assert answer.status_code < 500, f"{operation.label}: {answer.status_code} {answer.text}"

    one()
    return asked
