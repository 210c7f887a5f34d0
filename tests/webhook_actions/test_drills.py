"""A drill's incident runs no action, lists the actions it would have run, and counts nowhere."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.prometheus import Firing, FiringAlert
from stack.settings import Settings, load
from stack.settings.drill import real_bot
from stack.settings.hours import maintained_until
from tests.webhook_actions.decision_facts import NOW, incident
from webhook_actions.actions import load_actions
from webhook_actions.engine import decisions as d
from webhook_actions.engine.decide import decide, forbids
from webhook_actions.engine.facts import Known, Planner
from webhook_actions.store.runs import Run, State

ACTIONS = load_actions()
ARMED = (
    "actions: {armed: [close_positions, close_all_positions, reduce_position_sizes, close_risky_positions]}"
)
BOT = "source: {type: http, url: 'http://127.0.0.1:9', token_file: t}"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    file = tmp_path_factory.mktemp("drill") / "monitoring.yaml"
    file.write_text(f"profile: production\nbots: {{alpha: {{{BOT}, starting_capital: 1}}}}\n{ARMED}\n")
    return load([file])


def _played(planner: Planner, known: Known) -> list[d.Decision]:
    """Return all decisions until the incident rests; it stores a skipped action as the engine does."""
    made: list[d.Decision] = []
    while len(made) < 20:
        decision = decide(planner.facts(known, d.Observed(fires=True), NOW))
        made.append(decision)
        if not isinstance(decision, d.Skip):
            return made
        run = Run(
            len(made), 1, known.incident.bot, decision.action, "disruptive", State.ENDED, NOW, None, NOW,
            decision.outcome, decision.reason, None, verdict=d.Verdict.NONE,
        )  # fmt: skip
        known = replace(known, runs=(*known.runs, run), bot_runs=(*known.bot_runs, run))
    raise AssertionError(made)


@pytest.mark.parametrize("bot", ["drill-7", "drill-7-of-alpha", "alpha", ""])
def test_no_alert_of_a_drill_runs_an_action_whatever_its_bot_and_each_says_what_it_would_have_done(
    settings: Settings, bot: str
) -> None:
    planner = Planner(settings, ACTIONS)
    for name in settings.alerts:
        drilled = incident(alert=f"TradingBot{name}", bot=bot, labels={"drill": "20260329-013000-7"})
        made = _played(planner, Known(drilled, (), (), None, None, False))
        skips = [one for one in made if isinstance(one, d.Skip)]
        assert not [one for one in made if isinstance(one, d.Run)], name
        assert [one.action for one in skips] == list(planner.plan(drilled)), name
        assert {(one.outcome, one.reason) for one in skips} <= {(d.WOULD_HAVE, d.DRILL)}, name


@given(st.sampled_from(sorted(ACTIONS)), st.sampled_from(["alpha", "drill-7", ""]), st.booleans())
def test_right_before_an_order_a_drill_still_forbids_it_also_to_a_person(
    settings: Settings, action: str, bot: str, by_hand: bool
) -> None:
    drilled = incident(bot=bot, labels={"drill": "x-1"})
    planned = Planner(settings, ACTIONS).planned(action, drilled)
    assert planned is not None
    assert forbids(d.Holds(halted=True), planned, "Down", "anna" if by_hand else None) == d.DRILL


def test_what_fires_in_earnest_is_never_taken_for_a_drill_nor_the_other_way_round() -> None:
    earnest = {"alertname": "TradingBotDown", "bot": "alpha"}
    drilled = earnest | {"drill": "x-1"}
    assert Firing([FiringAlert(earnest, {})]).find(drilled) is None
    assert Firing([FiringAlert(drilled, {})]).find(earnest) is None
    assert Firing([FiringAlert(drilled, {})]).find(drilled) is not None


def test_the_twin_of_a_bot_is_maintained_when_the_bot_is(settings: Settings, tmp_path: Path) -> None:
    assert real_bot("drill-7-of-drill-8-of-x") == "drill-8-of-x"
    assert real_bot("drill-7") == "drill-7"
    file = tmp_path / "monitoring.yaml"
    days = "[monday, tuesday, wednesday, thursday, friday, saturday, sunday]"
    window = f"{{bots: [alpha], weekdays: {days}, from: '00:00', to: '00:00'}}"
    file.write_text(f"bots: {{alpha: {{{BOT}}}}}\nrouting: {{maintenance: [{window}]}}\n")
    kept = load([file])
    assert maintained_until(kept, "drill-7-of-alpha", NOW) is not None
    assert maintained_until(kept, "drill-7", NOW) is None
