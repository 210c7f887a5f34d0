"""Which alerts of a webhook are accepted, and which are refused one by one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webhook_actions import payload

NEVER = "0001-01-01T00:00:00Z"


def alert(**changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "TradingBotDown", "bot": "alpha", "severity": "critical"},
        "annotations": {},
        "startsAt": "2026-03-01T12:00:00.123456789+02:00",
        "endsAt": NEVER,
        "fingerprint": "f-alpha",
        **changes,
    }


def webhook(*alerts: object) -> bytes:
    return json.dumps({"version": "4", "alerts": alerts}).encode()


def test_times_are_read_as_utc() -> None:
    (read,), problems = payload.read(webhook(alert(endsAt="2026-03-01T23:59:00-14:00")))
    assert read.starts_at == datetime(2026, 3, 1, 10, 0, 0, 123456, UTC)
    assert read.starts_at.tzinfo is UTC
    assert read.ended == datetime(2026, 3, 2, 13, 59, tzinfo=UTC)
    assert not problems


def test_the_zero_time_of_alertmanager_is_no_end() -> None:
    (read,), _ = payload.read(webhook(alert()))
    assert read.ended is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"startsAt": NEVER}, "alerts[0].startsAt"),
        ({"startsAt": "0001-01-01T00:00:00+14:00"}, "alerts[0].startsAt"),
        ({"startsAt": "9999-12-31T23:59:59-14:00"}, "alerts[0].startsAt"),
        ({"startsAt": "1970-01-01T00:00:00+00:01"}, "alerts[0].startsAt"),
        ({"startsAt": "2026-03-01T12:00:00"}, "alerts[0].startsAt"),
        ({"startsAt": 1_700_000_000}, "alerts[0].startsAt"),
        ({"startsAt": "1700000000"}, "alerts[0].startsAt"),
        ({"endsAt": "0001-01-01T00:00:00+14:00"}, "alerts[0].endsAt"),
        ({"endsAt": "9001-01-01T00:00:00Z"}, "alerts[0].endsAt"),
        ({"labels": {"alertname": "a", "bot": "b" * 513}}, "alerts[0].labels"),
        ({"labels": {"alertname": "a" * 513, "bot": "b"}}, "alerts[0].labels"),
        ({"labels": {"alertname": "a", "severity": "s" * 513}}, "alerts[0].labels"),
        ({"labels": {"alertname": "a", "bot": "🚀" * 512}}, "1200 bytes"),
        ({"fingerprint": "f" * 513}, "alerts[0].fingerprint"),
        ({"fingerprint": ""}, "alerts[0].fingerprint"),
        ({"annotations": {"nul": "\0"}}, "NUL"),
        ({"annotations": {str(number): "" for number in range(257)}}, "alerts[0].annotations"),
    ],
)
def test_an_alert_that_cannot_be_kept_is_refused_alone(changes: dict[str, Any], says: str) -> None:
    good, problems = payload.read(webhook(alert(**changes), alert(fingerprint="f-good")))
    assert [each.fingerprint for each in good] == ["f-good"]
    assert len(problems) == 1
    assert says in problems[0]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_zone_of_almost_a_day_is_read(sign: int) -> None:
    zone = "+23:59" if sign == 1 else "-23:59"
    (read,), _ = payload.read(webhook(alert(startsAt=f"2026-03-01T00:00:00{zone}")))
    offset = sign * timedelta(hours=23, minutes=59)
    assert read.starts_at == datetime(2026, 3, 1, tzinfo=UTC) - offset


def test_more_alerts_than_are_allowed_are_refused_as_a_whole() -> None:
    payload.read(b'{"version":"4","alerts":[%s]}' % b",".join([b"1"] * 10_000))
    with pytest.raises(payload.PayloadError, match="at most 10000"):
        payload.read(b'{"version":"4","alerts":[%s]}' % b",".join([b"1"] * 2_400_000))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"version":"4","alerts":[%s]}' % (b"[" * 100_000 + b"]" * 100_000),
        b'{"version":"4","alerts":["\\ud800"]}',
        b'{"version":"4","alerts":["\xff"]}',
        b"\x1f\x8b\x08\x00",
        b"null",
        b"",
    ],
    ids=("open", "deep", "half a character", "no UTF-8", "gzip", "null", "empty"),
)
def test_foreign_json_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(payload.PayloadError) as error:
        payload.read(body)
    assert len(str(error.value)) < 1_000


def test_a_problem_is_one_short_line_whatever_it_is_about() -> None:
    labels = {f"line\r\n{number}" + "x" * 60_000: number for number in range(20)}
    _, (problem,) = payload.read(webhook(alert(labels=labels)))
    assert problem.isprintable()
    assert len(problem) < 1_000


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_CHANGES = st.dictionaries(st.sampled_from(sorted(alert())), _JSON | st.datetimes().map(str))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=_CHANGES)
def test_any_alert_is_read_or_refused_and_the_good_one_beside_it_is_taken(changes: dict[str, Any]) -> None:
    good, problems = payload.read(webhook(alert(**changes), alert(fingerprint="f-good")))
    assert good[-1].fingerprint == "f-good"
    assert len({each.fingerprint for each in good}) + len(problems) >= 1
    assert all(1970 <= each.starts_at.year <= 9000 for each in good)
