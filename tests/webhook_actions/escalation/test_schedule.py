"""Who is on call when, and when quiet hours and maintenance end."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stack.settings import Settings
from stack.settings.hours import maintained_until, quiet_until
from stack.settings.rota import on_call
from tests.webhook_actions.escalation.harness import Setup

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def rota(setup: Setup, **changes: Any) -> Settings:
    week = {
        "start": "2026-01-05",
        "handover": "09:00",
        "timezone": "Europe/Berlin",
        "contacts": ["manager", "technical_lead", "administrator"],
    }
    return setup.settings(escalation={"rotas": {"desk": week | changes}})


@pytest.mark.parametrize(
    ("moment", "person"),
    [
        ("2026-01-05T09:00", "manager"),
        ("2026-01-12T08:59", "manager"),
        ("2026-01-12T09:00", "technical_lead"),
        ("2026-01-19T09:00", "administrator"),
        ("2026-01-26T09:00", "manager"),
        ("2026-01-05T08:59", "administrator"),  # the turn before the first
    ],
)
def test_people_take_turns_by_the_week_from_the_hour_of_handover(
    setup: Setup, moment: str, person: str
) -> None:
    assert on_call(rota(setup), "desk", at(moment)) == person


def test_the_handover_stays_at_its_hour_when_summer_time_begins_and_ends(setup: Setup) -> None:
    settings = rota(setup, contacts=["manager", "technical_lead"])
    for moment in ("2026-03-30", "2026-10-26"):  # the Mondays after the clocks changed
        before, after = (on_call(settings, "desk", at(f"{moment}T{clock}")) for clock in ("08:59", "09:00"))
        assert before != after, moment


def test_a_week_changes_by_the_rotas_own_time_zone(setup: Setup) -> None:
    settings = rota(setup, timezone="Asia/Tokyo")
    tokyo = at("2026-01-12T09:00", ZoneInfo("Asia/Tokyo"))
    assert on_call(settings, "desk", tokyo) == "technical_lead"
    assert on_call(settings, "desk", at("2026-01-12T00:59")) == "manager"  # an hour and a minute before


def test_a_name_that_is_no_rota_is_the_contact_itself(setup: Setup) -> None:
    assert on_call(rota(setup), "manager", at("2026-01-05T09:00")) == "manager"


@pytest.mark.parametrize(
    ("hours", "moment", "end"),
    [
        (("22:00", "07:00"), "2026-01-05T21:59", None),
        (("22:00", "07:00"), "2026-01-05T22:00", "2026-01-06T07:00"),
        (("22:00", "07:00"), "2026-01-06T06:59", "2026-01-06T07:00"),
        (("22:00", "07:00"), "2026-01-06T07:00", None),
        (("12:00", "13:30"), "2026-01-06T12:30", "2026-01-06T13:30"),
        (("12:00", "13:30"), "2026-01-06T11:00", None),
        (("22:00", "07:00"), "2026-03-28T23:00", "2026-03-29T07:00"),  # the night that is an hour shorter
        (None, "2026-01-06T03:00", None),
    ],
)
def test_quiet_hours_end_when_they_say(
    setup: Setup, hours: tuple[str, str] | None, moment: str, end: str | None
) -> None:
    quiet = hours and {"from": hours[0], "to": hours[1]}
    settings = setup.settings(timezone="Europe/Berlin", escalation={"quiet_hours": quiet})
    assert quiet_until(settings, at(moment)) == (end and at(end))


@pytest.mark.parametrize(
    ("window", "moment", "end"),
    [
        ({"from": "02:00", "to": "04:00"}, "2026-01-06T03:59", "2026-01-06T04:00"),
        ({"from": "02:00", "to": "04:00"}, "2026-01-06T04:00", None),
        ({"from": "02:00", "to": "04:00", "bots": ["beta"]}, "2026-01-06T03:00", None),
        ({"from": "02:00", "to": "04:00", "bots": ["alpha"]}, "2026-01-06T03:00", "2026-01-06T04:00"),
        ({"from": "22:00", "to": "01:00", "weekdays": ["sunday"]}, "2026-01-05T00:30", "2026-01-05T01:00"),
        ({"from": "22:00", "to": "01:00", "weekdays": ["sunday"]}, "2026-01-05T23:00", None),
        ({"from": "02:00", "to": "04:00", "date": "2026-01-06"}, "2026-01-06T03:00", "2026-01-06T04:00"),
        ({"from": "02:00", "to": "04:00", "date": "2026-01-06"}, "2026-01-07T03:00", None),
    ],
)
def test_maintenance_of_a_bot_ends_when_it_says(
    setup: Setup, window: dict[str, Any], moment: str, end: str | None
) -> None:
    source = {"type": "push", "token_file": "read"}
    settings = setup.settings(
        timezone="Europe/Berlin",
        bots={name: {"source": source} for name in ("alpha", "beta")},
        routing={"maintenance": [window]},
    )
    assert maintained_until(settings, "alpha", at(moment)) == (end and at(end))
