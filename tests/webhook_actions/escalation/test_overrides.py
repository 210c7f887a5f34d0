"""Overrides and swaps at run time: engines obey them, people are notified, their author is stored."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stack.settings import Settings
from stack.settings.rota import on_call, shifts
from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness, Mailbox, Setup, until
from webhook_actions.escalation import schedule
from webhook_actions.escalation.steps import Escalation
from webhook_actions.store.audit import Caller
from webhook_actions.web.commands import Done, Refused
from webhook_actions.web.schedules import Schedules, later

CAROL = Caller("carol", "10.0.0.7")
BERLIN = ZoneInfo("Europe/Berlin")
PEOPLE = {
    name: {"email": [f"{name}@example.org"], "phone": [f"+1555000010{index}"]}
    for index, name in enumerate(("anna", "ben", "carol"))
}
PHONE = {name: one["phone"][0] for name, one in PEOPLE.items()}


def desk(setup: Setup, now: datetime | None = None, **more: Any) -> Settings:
    """Return settings in which anna's week began the day before, then comes ben's."""
    begun = ((now or datetime.now(UTC)) - timedelta(days=1)).date()
    rota = {
        "start": begun.isoformat(),
        "handover": "00:00",
        "timezone": "Europe/Berlin",
        "contacts": ["anna", "ben"],
    }
    given: dict[str, Any] = {
        "contacts": PEOPLE | {"dora": {}},
        "escalation": {"first": "desk", "rotas": {"desk": rota}, "levels": []},
        "channels": {"telegram": {"enabled": False}, "slack": {"enabled": False}},
    }
    return setup.settings(**given | more)


def acts(harness: Harness, now: datetime | None = None) -> Schedules:
    return Schedules(harness.settings, harness.pool, (lambda: now) if now else lambda: datetime.now(UTC))


async def holder(harness: Harness, at: datetime) -> str:
    async with harness.pool.connection() as connection:
        return on_call(await schedule.in_force(connection, harness.settings, at), "desk", at)


def test_a_person_put_on_call_gets_the_next_alert_from_every_engine(
    play: Play, setup: Setup, fakes: Fakes
) -> None:
    async def scenario(harness: Harness) -> None:
        await acts(harness).override(CAROL, "desk", "ben", length=7200.0)
        whom = "SELECT contact FROM deliveries WHERE incident = %s AND contact IN ('anna', 'ben')"
        other = Escalation(harness.settings, harness.pool, harness.metrics)  # another engine, started before
        for engine in (harness.escalation, other):
            incident = await harness.fire("HighDrawdown")
            while not (told := await harness.rows(whom, incident.id)):
                await engine._take_due()
                await asyncio.sleep(0.01)
            assert {who for (who,) in told} == {"ben"}

    play(scenario, settings=desk(setup), work=False)


def test_each_person_whom_a_change_by_another_concerns_gets_one_message(
    play: Play, setup: Setup, fakes: Fakes, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        done = await acts(harness).override(CAROL, "desk", "ben", length=3600.0)
        assert (done.done, [(one.contact, one.instead_of) for one in done.shifts]) == (
            Done.OVERRIDDEN,
            [("ben", "anna")],
        )
        await until(_sent(harness, 2), what="two messages")
        assert await harness.rows("SELECT contact, channel FROM deliveries ORDER BY contact") == [
            ("anna", "sms"),
            ("ben", "sms"),
        ]

    play(scenario, settings=desk(setup))
    said = dict(zip(fakes.to("sms"), fakes.texts("sms"), strict=True))
    assert "You are not on call" in said[PHONE["anna"]]
    assert "changed by carol" in said[PHONE["anna"]]
    assert "You are on call" in said[PHONE["ben"]]
    assert "instead of anna" in said[PHONE["ben"]]


def _sent(harness: Harness, count: int) -> Callable[[], Any]:
    async def look() -> bool:
        rows = await harness.rows("SELECT FROM deliveries WHERE state = 'sent'")
        return len(rows) >= count

    return look


def test_a_person_who_changes_their_own_shift_gets_no_message(play: Play, setup: Setup) -> None:
    async def scenario(harness: Harness) -> None:
        await acts(harness).override(Caller("ben", "10.0.0.8"), "desk", "ben", length=3600.0)
        assert await harness.rows("SELECT contact FROM deliveries") == [("anna",)]
        # A holder of the token may give any name, so that is no proof.
        await acts(harness).override(
            Caller("act token", "10.0.0.8").named("anna"), "desk", "anna", length=3600.0
        )
        assert await harness.rows("SELECT contact FROM deliveries ORDER BY id OFFSET 1") == [
            ("anna",),
            ("ben",),
        ]

    play(scenario, settings=desk(setup), work=False)


def test_a_swap_exchanges_two_shifts_and_cancelling_it_gives_both_back(play: Play, setup: Setup) -> None:
    now = datetime(2026, 1, 6, 2, tzinfo=UTC)

    async def scenario(harness: Harness) -> None:
        desk_acts = acts(harness, now)
        first, second = (datetime.fromisoformat(f"2026-01-{day}T03:00") for day in ("07", "14"))
        done = await desk_acts.swap(CAROL, "desk", first, second, 86_400.0)
        assert [(one.contact, one.instead_of) for one in done.shifts] == [("ben", "anna"), ("anna", "ben")]
        for day, who in (("07", "ben"), ("14", "anna"), ("08", "anna"), ("15", "ben")):
            at = datetime.fromisoformat(f"2026-01-{day}T12:00").replace(tzinfo=BERLIN)
            assert await holder(harness, at) == who, day
        assert len(await harness.rows("SELECT FROM deliveries")) == 2, "one message to each, with both times"
        await desk_acts.cancel(CAROL, done.overrides[1])
        for day, who in (("07", "anna"), ("14", "ben")):
            at = datetime.fromisoformat(f"2026-01-{day}T12:00").replace(tzinfo=BERLIN)
            assert await holder(harness, at) == who, day
        assert [act for (act,) in await harness.rows("SELECT act FROM audit ORDER BY id")] == [
            "swapped",
            "cancelled",
        ]
        [(who, address, detail)] = await harness.rows(
            "SELECT who, address, detail FROM audit WHERE act = 'swapped'"
        )
        assert (who, address) == ("carol", "10.0.0.7")
        assert "ben instead of anna, Wed 07 Jan 03:00" in detail

    play(scenario, settings=desk(setup, now), work=False)


def test_a_swap_without_a_length_is_of_the_whole_shifts_and_leaves_what_is_past(
    play: Play, setup: Setup
) -> None:
    now = datetime(2026, 1, 6, 2, tzinfo=UTC)

    async def scenario(harness: Harness) -> None:
        first, second = (datetime.fromisoformat(f"2026-01-{day}T03:00") for day in ("07", "14"))
        await acts(harness, now).swap(CAROL, "desk", first, second)
        async with harness.pool.connection() as connection:
            settings = await schedule.in_force(connection, harness.settings, now)
        found = shifts(settings, "desk", now - timedelta(hours=1), now + timedelta(days=13))
        assert [(one.contact, f"{one.start.astimezone(BERLIN):%d %H:%M}") for one in found] == [
            ("anna", "06 02:00"),
            ("ben", "06 03:00"),
            ("anna", "12 00:00"),
            ("anna", "19 00:00"),  # her own week
        ]

    play(scenario, settings=desk(setup, now), work=False)


@pytest.mark.parametrize(
    ("given", "status", "why"),
    [
        ({"rota": "dsk", "contact": "ben", "length": 60.0}, 404, "dsk is not a rota; choose one of desk"),
        ({"contact": "bne", "length": 60.0}, 422, "bne is not in contacts; did you mean ben?"),
        ({"contact": "lone", "length": 60.0}, 422, "no configured channel"),
        ({"contact": "ben"}, 422, "give either an end or a length"),
        ({"contact": "ben", "end": "2026-01-07T03:00", "length": 60.0}, 422, "not both"),
        (
            {"contact": "ben", "start": "2026-01-07T03:00", "end": "2026-01-07T02:00"},
            422,
            "not after the start",
        ),
        ({"contact": "ben", "start": "2026-01-05T03:00", "end": "2026-01-06T02:00"}, 422, "is in the past"),
        ({"contact": "ben", "end": "2027-02-01T02:00"}, 422, "more than a year ahead"),
        (
            {"contact": "ben", "end": "2026-03-29T02:30"},
            422,
            "2026-03-29T02:30 does not exist in",
        ),
        (
            {"contact": "ben", "start": "2026-10-25T02:30", "length": 60.0},
            422,
            "comes twice in",
        ),
        ({"contact": "anna", "length": 60.0}, 409, "that changes nothing"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason_and_leaves_no_trace(
    play: Play, setup: Setup, given: dict[str, Any], status: int, why: str
) -> None:
    now = datetime(2026, 1, 6, 2, tzinfo=UTC)

    async def scenario(harness: Harness) -> None:
        times = {
            name: datetime.fromisoformat(value) if name in ("start", "end") else value
            for name, value in given.items()
        }
        with pytest.raises(Refused, match=why) as refused:
            await acts(harness, now).override(CAROL, **{"rota": "desk"} | times)
        assert refused.value.status == status
        for table in ("overrides", "audit", "deliveries"):
            assert await harness.rows(f"SELECT FROM {table}") == []

    lone = {"lone": {"telegram": [7]}}
    play(scenario, settings=desk(setup, now, contacts=PEOPLE | lone), work=False)


def test_what_begins_at_an_hour_that_comes_twice_is_taken_with_its_offset(play: Play, setup: Setup) -> None:
    now = datetime(2026, 10, 24, 2, tzinfo=UTC)

    async def scenario(harness: Harness) -> None:
        second = datetime.fromisoformat("2026-10-25T02:30+01:00")
        await acts(harness, now).override(CAROL, "desk", "carol", start=second, length=3600.0)
        held = [await holder(harness, second + timedelta(minutes=minute)) for minute in (-1, 0, 59, 60)]
        assert held == ["anna", "carol", "carol", "anna"]

    play(scenario, settings=desk(setup, now), work=False)


def test_an_override_of_somebody_whom_settings_no_longer_know_counts_no_more_and_breaks_nothing(
    play: Play, setup: Setup
) -> None:
    async def scenario(harness: Harness) -> None:
        await acts(harness).override(CAROL, "desk", "carol", length=3600.0)
        left = {name: one for name, one in harness.settings.contacts.items() if name != "carol"}
        harness.settings = harness.settings.model_copy(update={"contacts": left})
        assert await holder(harness, datetime.now(UTC)) == "anna"

    play(scenario, settings=desk(setup), work=False)


@pytest.mark.parametrize(
    ("start", "seconds", "end"),
    [
        ("2026-03-28T20:00", 86_400, "2026-03-29T20:00+02:00"),  # a day of 23 hours
        ("2026-10-24T20:00", 86_400, "2026-10-25T20:00+01:00"),  # a day of 25 hours
        ("2026-10-25T02:30+02:00", 3600, "2026-10-25T02:30+01:00"),
        ("2026-01-31T23:30", 3600, "2026-02-01T00:30+01:00"),
    ],
)
def test_a_day_is_the_clocks_and_an_hour_is_an_hour(start: str, seconds: float, end: str) -> None:
    given = datetime.fromisoformat(start)
    begins = given if given.tzinfo else given.replace(tzinfo=BERLIN)
    assert later(begins.astimezone(UTC), seconds, BERLIN) == datetime.fromisoformat(end)
