"""Properties of every limit, for any values: no trailing threshold falls, no restart changes one."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exporter.limits.arithmetic import Observation, State, Terms, left, step
from exporter.limits.state_file import LimitState, LimitStateFile

DAY = 86_400.0
# The speed of making inputs, and of one test, depends on the machine.
at_its_pace = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
CAPITAL = Decimal(10_000)
cents = st.integers(-500_000, 2_000_000).map(lambda each: Decimal(each) / 100)
amounts = st.one_of(
    st.tuples(st.integers(1, 500_000).map(lambda each: Decimal(each) / 100), st.just(False)),
    st.tuples(st.integers(1, 99).map(lambda each: Decimal(each) / 100), st.just(True)),
)


@st.composite
def terms(draw: st.DrawFn, kinds: tuple[str, ...] = ("daily", "maximum")) -> Terms:
    amount, is_ratio = draw(amounts)
    kind: Any = draw(st.sampled_from(kinds))
    trails: Any = draw(
        st.sampled_from(("never", "intraday") if kind == "daily" else ("never", "day_end", "intraday"))
    )
    return Terms(
        kind,
        amount,
        is_ratio,
        draw(st.sampled_from(("mark", "capital"))),
        draw(st.sampled_from(("equity", "balance", "higher"))),
        trails,
        draw(st.booleans()),
        draw(st.none() | st.integers(0, 1000).map(Decimal)) if kind == "maximum" else None,
    )


def seen_of(rows: list[tuple[float, Decimal, Decimal, str]]) -> list[Observation]:
    now, found = 1_000_000.0, []
    for apart, balance, equity, told in rows:
        now += apart
        found.append(
            Observation(
                now,
                now // DAY * DAY,
                CAPITAL,
                Decimal(0),
                None if told == "equity" else CAPITAL + balance,
                None if told == "balance" else CAPITAL + equity,
            )
        )
    return found


def seen() -> st.SearchStrategy[list[Observation]]:
    """Return polls, some after a gap, some without a figure."""
    apart = st.sampled_from((1.0, 60.0, 299.0, 3600.0, 40_000.0, 3 * DAY))
    told = st.sampled_from(("both", "both", "both", "balance", "equity"))
    return st.lists(st.tuples(apart, cents, cents, told), min_size=1, max_size=12).map(seen_of)


def played(limit: Terms, polls: list[Observation]) -> list[State]:
    state, states = None, []
    for each in polls:
        state = step(limit, state, each)
        if state is not None:
            states.append(state)
    return states


@at_its_pace
@given(terms(("maximum",)), seen())
def test_the_threshold_of_a_maximum_loss_never_falls_and_stays_locked(limit: Terms, polls: list[Observation]):
    found = [left(limit, state) for state in played(limit, polls)]
    for before, after in pairwise(found):
        assert after.threshold >= before.threshold
        assert after.locked >= before.locked
        if before.locked:
            assert after.threshold == before.threshold


@at_its_pace
@given(terms(("daily",)), seen())
def test_the_threshold_of_a_daily_loss_falls_only_when_a_day_begins(limit: Terms, polls: list[Observation]):
    states = played(limit, polls)
    for before, after in pairwise(states):
        if after.day == before.day:
            assert left(limit, after).threshold >= left(limit, before).threshold
        else:
            assert after.day > before.day


@at_its_pace
@given(terms(), seen(), st.data())
def test_a_restart_at_any_point_changes_nothing(limit: Terms, polls: list[Observation], data: st.DataObject):
    straight = played(limit, polls)
    cut = data.draw(st.integers(0, len(polls)))
    first = played(limit, polls[:cut])
    state = first[-1] if first else None
    if state is not None:
        file = LimitStateFile(place="p", limits={"it": LimitState(measures="m", state=state)})
        state = LimitStateFile.model_validate_json(file.model_dump_json()).limits["it"].state
        assert state == first[-1]
    rest = []
    for each in polls[cut:]:
        state = step(limit, state, each)
        if state is not None:
            rest.append(state)
    assert [*first, *rest] == straight


@at_its_pace
@given(terms(), seen(), st.integers(-1_000_000, 1_000_000))
def test_money_moved_in_or_out_changes_nothing_of_a_limit_in_money(
    limit: Terms, polls: list[Observation], moved: int
):
    limit = replace(limit, amount=Decimal("500.05"), is_ratio=False)
    amount = Decimal(moved) / 100
    half = len(polls) // 2
    shifted = [
        each
        if place < half
        else Observation(
            each.time,
            each.day,
            each.capital,
            amount,
            None if each.balance is None else each.balance + amount,
            None if each.equity is None else each.equity + amount,
        )
        for place, each in enumerate(polls)
    ]
    plain = [left(limit, state).left for state in played(limit, polls)]
    assert [left(limit, state).left for state in played(limit, shifted)] == plain


@at_its_pace
@given(terms(), seen())
def test_what_is_used_and_what_is_left_say_the_same(limit: Terms, polls: list[Observation]):
    for state in played(limit, polls):
        found = left(limit, state)
        assert (found.used >= 1) == (found.left <= 0)
        assert found.now - found.threshold == found.left


@at_its_pace
@given(seen())
def test_what_trails_is_never_below_what_was_seen_whatever_gap_came_between(polls: list[Observation]):
    limit = Terms("maximum", Decimal(500), trails="intraday")
    highest, state = CAPITAL, None
    for each in polls:
        state = step(limit, state, each)
        if state is not None and each.equity is not None:
            highest = max(highest, each.equity)
            assert state.mark == highest
