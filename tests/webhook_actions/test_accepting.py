"""The webhook's accepted and refused requests, and its answers."""

import json
import os
import signal
import time

import pytest
import requests

from tests.conftest import eventually
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.harness import Harness


@pytest.fixture
def quiet(make_harness: Make) -> Harness:
    """Return a world whose engine runs without a Prometheus."""
    made = make_harness("alpha")
    made.start_engine()
    return made


def test_a_webhook_delivered_again_opens_no_second_incident(quiet: Harness) -> None:
    alert = quiet.alert("alpha")
    assert quiet.deliver(alert).json()["opened"] == 1
    assert quiet.deliver(alert, alert).json()["repeated"] == 1
    assert [incident["notifications"] for incident in quiet.incidents()] == [2]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"not json", 422, "Invalid JSON"),
        (b'{"version": "3", "alerts": []}', 422, "webhook.version"),
        (b'{"version": "4"}', 422, "webhook.alerts"),
        (b'{"version":"4","alerts":[' + b"1," * 2_400_000 + b"1]}", 422, "at most 10000"),
        (b"x" * 10_000_000, 413, "webhook_actions.body_limit"),
    ],
    ids=("no JSON", "another version", "no alerts", "too many alerts", "too long"),
)
def test_a_body_that_cannot_be_read_is_refused_with_the_reason(
    quiet: Harness, body: bytes, status: int, says: str
) -> None:
    answer = quiet.post(body)
    assert answer.status_code == status
    assert says in answer.text
    outcome = "too_large" if status == 413 else "malformed"
    assert quiet.metric(f'nightdesk_webhooks_total{{outcome="{outcome}"}}') == 1


@pytest.mark.parametrize("token", [None, "wrong", "read-secret", "act-secret", "receive-secre", "sécret"])
def test_only_the_receive_token_delivers(quiet: Harness, token: str | None) -> None:
    answer = quiet.post(b"{}", token and token.encode("utf-8").decode("latin-1"))
    assert answer.status_code == 401
    assert "receive-secret" not in answer.text
    assert quiet.metric('nightdesk_webhooks_total{outcome="unauthorized"}') == 1


def test_only_the_read_token_reads(quiet: Harness) -> None:
    for path in ("/metrics", "/api/v1/incidents"):
        assert requests.get(quiet.url(path), timeout=5).status_code == 401
        assert quiet.get(path, "receive-secret").status_code == 401
        assert quiet.get(path).status_code == 200
    assert requests.get(quiet.url("/healthz"), timeout=5).text == "ok\n"


def test_a_malformed_alert_spoils_no_good_one(quiet: Harness) -> None:
    bad = [
        {},
        7,
        quiet.alert("alpha", status="maybe"),
        quiet.alert("alpha", startsAt="yesterday"),
        quiet.alert("alpha", labels={"alertname": "nul\0"}),
    ]
    answer = quiet.deliver(*bad, quiet.alert("alpha"))
    assert answer.status_code == 200
    assert answer.json()["opened"] == 1
    assert len(answer.json()["refused"]) == len(bad)
    assert quiet.metric('nightdesk_alerts_total{outcome="refused"}') == len(bad)


def test_an_alert_that_postgresql_cannot_keep_spoils_no_good_one(quiet: Harness) -> None:
    bad = [
        quiet.alert("alpha", startsAt="0001-01-01T00:00:00+14:00"),
        quiet.alert("alpha", startsAt="9999-12-31T23:59:59-14:00"),
        quiet.alert("alpha", labels={"alertname": "TradingBotDown", "bot": "b" * 4_000}),
        quiet.alert("alpha", fingerprint="f" * 4_000),
    ]
    zone = quiet.alert("beta", startsAt="2026-03-01T00:00:00+23:59")
    longest = chr(0x10FFFF) * 300
    labels = {"alertname": longest, "bot": longest, "severity": longest}
    key = quiet.alert("gamma", labels=labels, fingerprint="".join(map(chr, range(0x2F800, 0x2F800 + 300))))
    answer = quiet.deliver(*bad, quiet.alert("alpha"), zone, key)
    assert (answer.status_code, answer.json()["opened"], len(answer.json()["refused"])) == (200, 3, 4)
    assert [each["bot"] for each in quiet.incidents()] == ["alpha", "beta", longest]


def test_ten_thousand_bad_alerts_are_one_line_of_the_log_and_twenty_of_the_answer(quiet: Harness) -> None:
    before = len((quiet.directory / "engine.log").read_text().splitlines())
    answer = quiet.deliver(*({"labels": {"bot": 1}},) * 9_999, quiet.alert("alpha"))
    assert (answer.status_code, answer.json()["opened"]) == (200, 1)
    assert (len(answer.json()["refused"]), answer.json()["refused_unlisted"]) == (20, 9_979)
    assert quiet.metric('nightdesk_alerts_total{outcome="refused"}') == 9_999
    lines = (quiet.directory / "engine.log").read_text().splitlines()[before:]
    assert len([line for line in lines if "alerts were refused" in line]) == 1


def test_names_with_quotes_emoji_and_newlines_arrive_intact(quiet: Harness) -> None:
    name = 'a_b*c[d]"\\\n🚀'
    quiet.deliver(quiet.alert(name))
    assert quiet.incidents()[0]["labels"]["bot"] == name


def test_a_severity_that_settings_do_not_know_is_a_warning(quiet: Harness) -> None:
    labels = {"alertname": "OfAnotherTeam", "bot": "alpha", "severity": "page"}
    assert quiet.deliver(quiet.alert("other", labels=labels, fingerprint="f-page")).json()["opened"] == 1
    assert quiet.incidents()[-1]["severity"] == "warning"


def test_without_its_database_it_says_so_and_loses_nothing_it_answered(quiet: Harness) -> None:
    quiet.deliver(quiet.alert("alpha"))
    data = quiet.directory / "engine-data/postgres"
    (data / "global/pg_control").rename(data / "kept")  # so that it does not come back too soon
    os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    eventually(lambda: requests.get(quiet.url("/healthz"), timeout=10).status_code == 503, what="503")
    assert quiet.deliver(quiet.alert("beta")).status_code == 503
    (data / "kept").rename(data / "global/pg_control")
    eventually(lambda: requests.get(quiet.url("/healthz"), timeout=10).ok, what="its return")
    assert [incident["bot"] for incident in quiet.incidents()] == ["alpha"]
    assert quiet.deliver(quiet.alert("beta")).json()["opened"] == 1


def test_nothing_written_holds_a_secret(quiet: Harness) -> None:
    quiet.deliver(quiet.alert("alpha"))
    quiet.post(b"{}", "wrong")
    time.sleep(0.5)
    written = (quiet.directory / "engine.log").read_text() + json.dumps(quiet.incidents())
    for secret in ("receive-secret", "read-secret", "act-secret", "bot-secret"):
        assert secret not in written
