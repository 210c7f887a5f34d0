"""One plan decides the recipients, channels and times of notifications, for any settings and time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from stack.reachability import findings, notified
from stack.settings import Settings, SettingsError, load, severities_of
from stack.settings.plan import CLIMB, LOSS, Step, Subject, step_recipients
from stack.settings.timetable import ALERTMANAGER, WATCHDOG, Entry, timetable

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
ON: dict[str, dict[str, Any]] = {
    "email": {"host": "smtp.example.org", "from": "desk@example.org", "to": ["me@example.org"]},
    "telegram": {"token_file": "t", "chats": [42, "@the_desk"]},
    "sms": {"account": "AC1", "token_file": "t", "from": "+15005550006", "to": ["+15550000001"]},
    "phone": {"account": "AC1", "token_file": "t", "from": "+15005550006", "to": ["+15550000001"]},
    "slack": {"url_file": "t"},
}
BOT = {"source": {"type": "http", "url": "http://127.0.0.1:9000", "token_file": "t"}, "starting_capital": 100}


def made(directory: Path, *channels: str, **more: Any) -> Settings:
    """Return settings with one bot and these channels."""
    on = {name: {"enabled": True} | ON[name] for name in channels}
    given = {"channels": on, "bots": {"mine": BOT}} | more
    file = directory / "monitoring.yaml"
    file.write_text(yaml.safe_dump(given), encoding="utf-8")
    return load([file])


def plan(settings: Settings, kind: str, severity: str = "critical", at: datetime = NOON) -> list[Entry]:
    return timetable(settings, Subject(kind, "mine", severity), at)


def critical(settings: Settings) -> list[str]:
    return [kind for kind in settings.alerts if "critical" in severities_of(kind)]


def test_with_email_only_every_critical_alert_of_the_starter_reaches_its_owner(tmp_path: Path) -> None:
    settings = made(tmp_path, "email")
    for kind in critical(settings):
        first = notified(plan(settings, kind))[0]
        assert (first.after, first.who, first.address) == (0.0, "administrator", "me@example.org"), kind


def test_in_starter_a_critical_alert_goes_over_every_channel_that_is_set(tmp_path: Path) -> None:
    settings = made(tmp_path, *ON)
    for kind in critical(settings):
        at_once = {one.channel for one in plan(settings, kind) if one.after == 0}
        assert at_once == set(ON), kind


@pytest.mark.parametrize("channel", list(ON))
@pytest.mark.parametrize("profile", ["starter", "experienced", "production"])
def test_one_channel_of_any_kind_is_enough_for_every_critical_alert(
    tmp_path: Path, profile: str, channel: str
) -> None:
    settings = made(tmp_path, channel, profile=profile)
    for kind in critical(settings):
        assert notified(plan(settings, kind)), kind


def test_news_never_rings(tmp_path: Path) -> None:
    settings = made(tmp_path, "phone", "sms")
    assert notified(plan(settings, "MilestoneReached", "info")) == []


def test_a_channels_own_addresses_are_notified_first_with_the_first_person(tmp_path: Path) -> None:
    contacts = {"administrator": {"email": ["admin@example.org"], "phone": ["+15550000010"]}}
    settings = made(tmp_path, "email", "sms", "telegram", contacts=contacts)
    at_once = {(one.who, one.address, one.sender) for one in plan(settings, "Down") if one.after == 0}
    assert at_once == {
        ("administrator", "admin@example.org", "webhook_actions"),
        ("administrator", "+15550000010", "webhook_actions"),
        ("the desk", "me@example.org", "Alertmanager"),
        ("the desk", "+15550000001", "webhook_actions"),
        ("the desk", "42", "Alertmanager"),
        ("the desk", "@the_desk", "webhook_actions"),
    }


def test_the_bots_team_takes_the_place_of_the_desk_where_it_has_an_address(tmp_path: Path) -> None:
    team = {"anna": {"email": ["anna@example.org"]}}
    settings = made(tmp_path, "email", "slack", bots={"mine": BOT | {"team": "anna"}}, contacts=team)
    at_once = {(one.who, one.address, one.sender) for one in plan(settings, "Down") if one.after == 0}
    assert at_once == {
        ("anna", "anna@example.org", "Alertmanager"),
        ("the desk", "#trading-alerts", "Alertmanager"),
    }


def rota(*people: str) -> dict[str, Any]:
    week = {"start": "2026-01-05", "handover": "09:00", "contacts": list(people)}
    return {"rotas": {"desk": week}}


def test_the_person_on_call_in_a_teams_rota_is_notified_with_the_desk(tmp_path: Path) -> None:
    people = {name: {"email": [f"{name}@example.org"]} for name in ("anna", "ben")}
    bots = {"mine": BOT | {"team": "desk"}}
    settings = made(tmp_path, "email", bots=bots, contacts=people, escalation=rota("anna", "ben"))
    for at, whose in ((NOON, "ben@example.org"), (NOON + timedelta(weeks=1), "anna@example.org")):
        entries = plan(settings, "Down", at=at)
        assert {one.address for one in entries if one.after == 0} == {whose, "me@example.org"}


def test_spent_actions_notify_the_first_person_also_of_a_rota(tmp_path: Path) -> None:
    people = {name: {"email": [f"{name}@example.org"]} for name in ("administrator", "anna", "ben")}
    settings = made(tmp_path, "email", contacts=people, escalation=rota("anna", "ben") | {"first": "desk"})
    whom = step_recipients(
        settings, Subject("Down", "mine", "critical"), Step("notice: spent", 0, 0.0, ""), NOON
    )
    assert [one.address for one in whom.recipients] == ["ben@example.org"]


def test_a_person_in_two_roles_is_called_once_at_a_time(tmp_path: Path) -> None:
    one = {"phone": ["+15550000010"]}
    contacts = dict.fromkeys(("administrator", "manager", "risk_manager", "emergency_contact"), one)
    settings = made(tmp_path, "phone", "sms", "email", profile="experienced", contacts=contacts)
    for kind in ("CriticalLoss", "Down"):
        for after in (0.0, 300.0, 600.0):
            now = [(one.channel, one.address) for one in plan(settings, kind) if one.after == after]
            assert len(now) == len(set(now)), (kind, after, now)
    loss = Subject("CriticalLoss", "mine", "critical")
    assert step_recipients(settings, loss, Step(LOSS, 0, 0.0, ""), NOON).told_already
    assert not step_recipients(settings, loss, Step(CLIMB, 1, 0.0, ""), NOON).told_already


def test_a_repeated_notice_reaches_only_those_who_missed_the_first(tmp_path: Path) -> None:
    step = Step("notice: told", 0, 0.0, "notify_admin is one of its actions")
    subject = Subject("DiskUsageCritical", "mine", "critical")
    owner = made(tmp_path, "email")
    assert step_recipients(owner, subject, step, NOON).told_already
    spent = {"spent_attempts": {"contact": "manager", "channels": ["email"]}}
    apart = made(tmp_path, "email", contacts={"manager": {"email": ["boss@example.org"]}}, escalation=spent)
    assert [one.address for one in step_recipients(apart, subject, step, NOON).recipients] == [
        "boss@example.org"
    ]


def test_maintenance_and_quiet_hours_put_off_what_they_hold_and_say_so(tmp_path: Path) -> None:
    windows = [{"from": "11:00", "to": "13:00"}]
    settings = made(tmp_path, "email", routing={"maintenance": windows})
    assert {one.after for one in plan(settings, "Down")[:1]} == {3600.0}
    assert "maintenance" in plan(settings, "Down")[0].why
    hours = {"quiet_hours": {"from": "11:30", "to": "12:30"}}
    quiet = made(tmp_path, "email", "sms", profile="experienced", escalation=hours)
    warned = [one for one in plan(quiet, "LowWinRate", "warning") if one.sender != ALERTMANAGER]
    assert all(one.after is None or one.after >= 1800 for one in warned)


CHANNEL_LISTS = st.lists(st.sampled_from(sorted(ON)), unique=True, max_size=3)
ADDRESSES = st.fixed_dictionaries(
    {},
    optional={
        "email": st.just(["one@example.org"]),
        "phone": st.just(["+15550000099"]),
        "telegram": st.sampled_from([[7], ["@somebody"]]),
    },
)
CLOCKS = st.sampled_from(["00:00", "02:30", "08:00", "12:00", "22:00"])


@st.composite
def written(draw: st.DrawFn) -> dict[str, Any]:
    """Return any settings that decide who is notified."""
    on = draw(CHANNEL_LISTS) or []
    people = {name: draw(ADDRESSES) for name in ("administrator", "manager", "anna")}
    windows = [
        {"from": draw(CLOCKS), "to": draw(CLOCKS)} | ({"weekdays": ["sunday"]} if draw(st.booleans()) else {})
        for _ in range(draw(st.integers(0, 2)))
    ]
    kinds = st.sampled_from(["Down", "CriticalLoss", "LowWinRate", "ExporterDown", "DataStale"])
    return {
        "profile": draw(st.sampled_from(["starter", "experienced", "production"])),
        "channels": {name: {"enabled": True} | ON[name] for name in on},
        "contacts": people,
        "bots": {
            "mine": BOT | ({"team": draw(st.sampled_from(["anna", "desk"]))} if draw(st.booleans()) else {})
        },
        "escalation": rota("administrator", "anna")
        | {"first": draw(st.sampled_from(["administrator", "desk"])), "levels": []}
        | ({"quiet_hours": {"from": draw(CLOCKS), "to": draw(CLOCKS)}} if draw(st.booleans()) else {}),
        "alerts": {draw(kinds): {"channels": draw(CHANNEL_LISTS)} for _ in range(draw(st.integers(0, 2)))},
        "routing": {"maintenance": windows},
        "links": dict.fromkeys(("webhook_actions", "grafana"), "https://desk.example.org"),
    }


@trying(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(written(), st.integers(0, 60 * 24 * 14), st.integers(0, 60 * 24 * 14))
def test_somebody_is_told_of_every_alert_of_every_bot_at_every_time_or_check_refuses(
    tmp_path: Path, given_: dict[str, Any], checked: int, fired: int
) -> None:
    file = tmp_path / "monitoring.yaml"
    file.write_text(yaml.safe_dump(given_), encoding="utf-8")
    try:
        settings = load([file])
    except SettingsError:
        return
    if findings(settings, NOON + timedelta(minutes=checked)).errors:
        return
    for kind, alert in settings.alerts.items():
        for severity in severities_of(kind) if alert.enabled and kind != WATCHDOG else ():
            entries = plan(settings, kind, severity, NOON + timedelta(minutes=fired))
            if severity != "info":
                assert notified(entries), (kind, entries)
            places = [(one.after, one.channel, one.address, one.sender) for one in notified(entries)]
            assert len(places) == len(set(places)), "one person hears of one step once"


def test_an_alert_that_settings_send_to_nobody_is_refused_unless_it_is_news(tmp_path: Path) -> None:
    nowhere: dict[str, Any] = {"channels": []}
    settings = made(tmp_path, "email", alerts={"LowWinRate": nowhere, "MilestoneReached": nowhere})
    (line,) = findings(settings, NOON).errors
    assert line.startswith("LowWinRate of mine: nobody would get it")
    assert "its own channels is empty" in line
