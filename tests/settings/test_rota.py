"""Who is on call: one person for a role at every instant, through hand-overs, overrides and clock changes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.settings import Override, Rota, Settings, load
from stack.settings.overrides import swapped
from stack.settings.rota import (
    NowAndNext,
    Shift,
    now_and_next,
    on_call,
    shifts,
    to_moment,
    whole_shift,
    with_overrides,
)
from tests.settings.conftest import Load, Refuse
from tests.webhook_actions.test_hours import changes

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
PEOPLE = ("anna", "ben", "carol")
SECOND = timedelta(seconds=1)


def at(text: str, zone: str = BERLIN, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def desk(settings: Load, *overrides: str, handover: str = "09:00", zone: str = BERLIN) -> Settings:
    """Return settings of one rota, anna's week from Monday 5 January 2026, then ben's, then carol's."""
    people = ", ".join(f"{name}: {{email: [{name}@example.org]}}" for name in PEOPLE)
    return settings(
        f"contacts: {{{people}}}\n"
        "channels: {email: {enabled: true, host: h, from: d@example.org, to: [me@example.org]}}\n"
        f"escalation: {{first: desk, rotas: {{desk: {{start: 2026-01-05, handover: '{handover}', "
        f"timezone: {zone}, contacts: [{', '.join(PEOPLE)}], overrides: [{', '.join(overrides)}]}}}}}}"
    )


def override(start: str, end: str, contact: str) -> str:
    return f"{{from: '{start}', to: '{end}', contact: {contact}}}"


def told(found: list[Shift], zone: str = BERLIN) -> list[str]:
    return [
        f"{one.start.astimezone(ZoneInfo(zone)):%d %b %H:%M} {one.contact}"
        + (f" instead of {one.instead_of}" if one.instead_of else "")
        for one in found
    ]


def test_a_weekly_hand_over_at_an_hour_that_comes_twice_is_its_first_and_is_not_taken_back(
    settings: Load,
) -> None:
    # Sunday 25 October 2026: 03:00 in Berlin becomes 02:00, so that 02:30 comes twice.
    text = "{start: 2026-10-18, handover: '02:30', timezone: Europe/Berlin, contacts: [anna, ben]}"
    made = settings(f"contacts: {{anna: {{}}, ben: {{}}}}\nescalation: {{rotas: {{desk: {text}}}}}")
    moments = {"02:29": 0, "02:30": 0, "02:59": 0}
    first = [on_call(made, "desk", at(f"2026-10-25T{clock}")) for clock in moments]
    assert first == ["anna", "ben", "ben"]
    second = [
        on_call(made, "desk", at(f"2026-10-25T{clock}", fold=1)) for clock in ("02:00", "02:29", "02:30")
    ]
    assert second == ["ben", "ben", "ben"]


def test_a_hand_over_at_an_hour_that_is_skipped_comes_as_much_later(settings: Load) -> None:
    text = "{start: 2026-03-22, handover: '02:30', timezone: Europe/Berlin, contacts: [anna, ben]}"
    made = settings(f"contacts: {{anna: {{}}, ben: {{}}}}\nescalation: {{rotas: {{desk: {text}}}}}")
    moments = ("01:59", "03:29", "03:30")
    assert [on_call(made, "desk", at(f"2026-03-29T{clock}")) for clock in moments] == ["anna", "anna", "ben"]


@pytest.mark.parametrize(
    ("written", "moments"),
    [
        (
            override("2026-01-06T23:00", "2026-01-07T05:00", "ben"),
            {"06T22:59:59": "anna", "06T23:00": "ben", "07T04:59:59": "ben", "07T05:00": "anna"},
        ),
        (
            override("2026-01-31T22:00", "2026-02-01T06:00", "ben"),  # over the end of the month
            {"31T21:59": "anna", "31T23:59:59": "ben"},
        ),
    ],
)
def test_an_override_counts_from_its_beginning_to_before_its_end(
    settings: Load, written: str, moments: dict[str, str]
) -> None:
    made = desk(settings, written)
    assert {moment: on_call(made, "desk", at(f"2026-01-{moment}")) for moment in moments} == moments


def test_an_override_over_the_end_of_the_month_ends_in_the_next(settings: Load) -> None:
    made = desk(settings, override("2026-01-31T22:00", "2026-02-01T06:00", "ben"))
    assert [on_call(made, "desk", at(f"2026-02-01T{clock}")) for clock in ("05:59", "06:00")] == [
        "ben",
        "anna",
    ]


@pytest.mark.parametrize(
    ("zone", "start", "end", "hours"),
    [
        (BERLIN, "2026-03-28T20:00", "2026-03-29T08:00", 11),
        (BERLIN, "2026-10-24T20:00", "2026-10-25T08:00", 13),
        (NEW_YORK, "2026-03-07T20:00", "2026-03-08T08:00", 11),
        (NEW_YORK, "2026-10-31T20:00", "2026-11-01T08:00", 13),
    ],
)
def test_a_night_at_a_clock_change_is_as_long_as_its_own_zone_makes_it(
    settings: Load, zone: str, start: str, end: str, hours: int
) -> None:
    base = on_call(desk(settings, zone=zone), "desk", at(start, zone))
    stand_in = next(name for name in PEOPLE if name != base)
    made = desk(settings, override(start, end, stand_in), zone=zone)
    begins = at(start, zone)
    held = [on_call(made, "desk", begins + timedelta(minutes=minute)) for minute in range(-1, hours * 60 + 1)]
    assert held == [base] + [stand_in] * hours * 60 + [base]


def test_of_overrides_at_one_time_the_later_one_counts_and_the_earlier_goes_on_after_it(
    settings: Load,
) -> None:
    made = desk(
        settings,
        override("2026-01-06T09:00", "2026-01-06T18:00", "ben"),
        override("2026-01-06T12:00", "2026-01-06T13:00", "carol"),
    )
    assert told(shifts(made, "desk", at("2026-01-06T00:00"), at("2026-01-07T00:00"))) == [
        "06 Jan 00:00 anna",
        "06 Jan 09:00 ben instead of anna",
        "06 Jan 12:00 carol instead of anna",
        "06 Jan 13:00 ben instead of anna",
        "06 Jan 18:00 anna",
    ]


def test_next_is_who_comes_after_and_when_the_hand_over_is(settings: Load) -> None:
    made = desk(settings, override("2026-01-12T09:00", "2026-01-13T09:00", "anna"))
    now = now_and_next(made, "desk", at("2026-01-08T03:00"))
    after = now.next
    assert now.contact == "anna"
    assert after is not None
    assert (after.contact, after.start, after.end) == ("ben", at("2026-01-13T09:00"), at("2026-01-19T09:00"))


def test_a_contact_and_a_rota_of_one_have_nobody_next(settings: Load) -> None:
    alone = "{start: 2026-01-05, handover: '09:00', contacts: [anna]}"
    made = settings(f"contacts: {{anna: {{}}, ben: {{}}}}\nescalation: {{rotas: {{desk: {alone}}}}}")
    for name, who in (("desk", "anna"), ("ben", "ben")):
        assert now_and_next(made, name, at("2026-01-08T03:00")) == NowAndNext(who)


def test_a_swap_gives_each_of_two_people_the_others_time(settings: Load) -> None:
    made = desk(settings)
    first, second = (whole_shift(made, "desk", at(f"2026-01-{day}T03:00")) for day in ("08", "15"))
    both = [
        Override.model_validate({"from": one.start, "to": one.end, "contact": one.contact})
        for one in swapped(made, "desk", (first.start, first.end), (second.start, second.end))
    ]
    after = with_overrides(made, {"desk": both})
    assert told(shifts(after, "desk", at("2026-01-05T09:00"), at("2026-01-26T09:00"))) == [
        "05 Jan 09:00 ben instead of anna",
        "12 Jan 09:00 anna instead of ben",
        "19 Jan 09:00 carol",
    ]


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (("08T03:00", "08T04:00"), ("09T03:00", "09T04:00"), "both are anna's"),
        (("08T03:00", "08T05:00"), ("08T04:00", "08T06:00"), "the two times overlap"),
        (("08T03:00", "13T03:00"), ("16T03:00", "17T03:00"), "anna and ben"),
    ],
)
def test_a_swap_that_exchanges_nothing_says_why(
    settings: Load, first: tuple[str, str], second: tuple[str, str], why: str
) -> None:
    (a, b), (c, d) = ([at(f"2026-01-{one}") for one in window] for window in (first, second))
    with pytest.raises(ValueError, match=why):
        swapped(desk(settings), "desk", (a, b), (c, d))


@pytest.mark.parametrize(
    ("text", "zone", "wrong"),
    [
        ("2026-03-29T02:30", BERLIN, "2026-03-29T02:30 does not exist in Europe/Berlin.*03:30"),
        ("2026-10-25T02:30", BERLIN, r"comes twice in Europe/Berlin.*02:30\+02:00.*02:30\+01:00"),
        ("2026-03-08T02:00", NEW_YORK, "does not exist in America/New_York"),
        ("2026-11-01T01:59", NEW_YORK, r"comes twice.*-04:00.*-05:00"),
    ],
)
def test_a_time_that_does_not_exist_or_comes_twice_is_refused_with_the_way_out(
    text: str, zone: str, wrong: str
) -> None:
    with pytest.raises(ValueError, match=wrong):
        to_moment(datetime.fromisoformat(text), ZoneInfo(zone))


def test_a_time_with_its_offset_is_what_it_says() -> None:
    given_ = datetime.fromisoformat("2026-10-25T02:30+01:00")
    assert to_moment(given_, ZoneInfo(BERLIN)) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "line"),
    [
        (
            override("2026-01-06T09:00", "2026-01-06T18:00", "bne"),
            "bne is not in contacts; did you mean",
        ),
        (override("2026-01-06T18:00", "2026-01-06T09:00", "ben"), "the end is not after the start"),
        (override("2026-01-06T18:00", "2026-01-06T18:00", "ben"), "the end is not after the start"),
        (override("2026-03-29T02:30", "2026-03-29T09:00", "ben"), "2026-03-29T02:30 does not exist"),
        (override("2026-10-25T00:30", "2026-10-25T02:30", "ben"), "2026-10-25T02:30 comes twice"),
        (override("2026-01-06T09:00", "2026-01-06T18:00", "dora"), "reaches dora"),
        (
            override("tomorrow", "2026-01-06T18:00", "ben"),
            "tomorrow is not a time; write it as 2026-12",
        ),
    ],
)
def test_an_override_in_settings_that_cannot_be_is_refused_with_its_path(
    refused: Refuse, settings: Load, written: str, line: str
) -> None:
    text = (
        "contacts: {anna: {email: [a@example.org]}, ben: {email: [b@example.org]}, "
        "dora: {phone: ['+15550000010']}}\n"
        "channels: {email: {enabled: true, host: h, from: d@example.org, to: [me@example.org]}}\n"
        "escalation: {rotas: {desk: {start: 2026-01-05, handover: '09:00', timezone: Europe/Berlin, "
        f"contacts: [anna, ben], overrides: [{written}]}}}}}}"
    )
    [found] = refused(text)
    assert found.startswith("escalation.rotas.desk.overrides[0]")
    assert line in found


ZONES = (BERLIN, NEW_YORK, "Australia/Lord_Howe", "America/Santiago", "Pacific/Apia", "UTC")


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Rota, datetime]:
    """Return a rota with overrides, and a moment near a clock change of its zone or a month's end."""
    zone = draw(st.sampled_from(ZONES))
    near = draw(
        st.sampled_from(
            [*changes(zone, 2026), at("2026-12-31T23:00", zone), datetime(2028, 2, 29, tzinfo=UTC)]
        )
    )
    people = draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=5))
    day, clock = draw(st.integers(-20, 8)), draw(st.times())
    offsets = st.integers(-20_000, 20_000)
    spans = draw(st.lists(st.tuples(offsets, st.integers(1, 20_000), st.sampled_from(PEOPLE)), max_size=6))
    overrides = [
        {
            "from": near + timedelta(minutes=begin),
            "to": near + timedelta(minutes=begin + length),
            "contact": who,
        }
        for begin, length, who in spans
    ]
    rota = {
        "timezone": zone,
        "start": (near + timedelta(days=day)).date(),
        "handover": f"{clock:%H:%M}",
        "contacts": people,
        "overrides": overrides,
    }
    return Rota.model_validate(rota), near + timedelta(minutes=draw(offsets))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    file = tmp_path_factory.mktemp("plain") / "monitoring.yaml"
    file.write_text("{}", encoding="utf-8")
    return load([file])


def of(plain: Settings, rota: Rota) -> Settings:
    escalation = plain.escalation.model_copy(update={"rotas": {"desk": rota}})
    return plain.model_copy(update={"escalation": escalation})


@given(made=schedules())
def test_at_every_instant_exactly_one_person_is_on_call(plain: Settings, made: tuple[Rota, datetime]) -> None:
    rota, now = made
    settings = of(plain, rota)
    start, end = now - timedelta(days=9), now + timedelta(days=9)
    found = shifts(settings, "desk", start, end)
    assert (found[0].start, found[-1].end) == (start, end)
    for one, after in pairwise(found):
        assert one.end == after.start
        assert (one.contact, one.instead_of) != (after.contact, after.instead_of)
    for one in found:
        assert one.start < one.end
        for moment in (one.start, one.start + (one.end - one.start) / 2, one.end - SECOND / 1000):
            assert on_call(settings, "desk", moment) == one.contact


@given(made=schedules())
def test_now_lasts_until_next_begins(plain: Settings, made: tuple[Rota, datetime]) -> None:
    rota, now = made
    settings = of(plain, rota)
    found = now_and_next(settings, "desk", now)
    assert found.contact == on_call(settings, "desk", now)
    if found.next is None:
        assert {on_call(settings, "desk", now + timedelta(days=day)) for day in range(60)} == {found.contact}
        return
    start = found.next.start
    assert now < start < found.next.end
    assert {one.contact for one in shifts(settings, "desk", now, start)} == {found.contact}
    assert {one.contact for one in shifts(settings, "desk", start, found.next.end)} == {found.next.contact}
    assert found.next.contact != found.contact


@given(made=schedules())
def test_without_overrides_each_turn_lasts_a_week_of_its_zones_clock(
    plain: Settings, made: tuple[Rota, datetime]
) -> None:
    rota, now = made
    settings = of(plain, rota.model_copy(update={"overrides": ()}))
    turn = whole_shift(settings, "desk", now)
    assert turn.start <= now < turn.end
    assert abs(turn.end - turn.start - timedelta(weeks=1)) <= timedelta(hours=1)
    assert whole_shift(settings, "desk", turn.end).start == turn.end
