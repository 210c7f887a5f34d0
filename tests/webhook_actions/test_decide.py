"""Every state of an incident leads to one decision with a reason, and to no silent dead end."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from tests.webhook_actions.decision_facts import ACTIONS, MINUTE, NOW, RESTART, facts, incident, run, states
from webhook_actions.engine.decide import decide
from webhook_actions.engine.decisions import (
    CRITICAL_LOSS,
    DISRUPTIVE,
    MONEY,
    Blocked,
    Close,
    Facts,
    GiveUp,
    Holds,
    Interrupt,
    Judge,
    Observed,
    Run,
    Skip,
    Verdict,
    Wait,
)
from webhook_actions.engine.orders import forbids
from webhook_actions.store.runs import State


def test_the_first_action_of_the_plan_is_run_when_nothing_was_tried() -> None:
    assert decide(facts()) == Run("restart_bot", "it is the next action in the plan")


@pytest.mark.parametrize("outcome", ["cannot", "would_have"])
def test_what_settings_barred_is_run_once_they_allow_it_though_a_person_has_the_incident(
    outcome: str,
) -> None:
    skipped = run("close_all", outcome=outcome, verdict=Verdict.NONE, started_at=None, target=None, orders=0)
    handed = incident(alert=CRITICAL_LOSS, handed_over_at=NOW - MINUTE)
    known = facts(skipped, plan=("close_all",), incident=handed)
    assert isinstance(decide(known), Run)
    close = replace(ACTIONS["close_all"], armed=False)
    still_barred = replace(known, actions={**ACTIONS, "close_all": close})
    assert decide(still_barred) == Wait(None, "it waits for a person")


def test_an_action_that_could_not_mend_the_first_fault_runs_once_the_fault_is_another() -> None:
    why = "it cannot mend this: the bot refuses our password"
    useless = run("restart_bot", outcome="cannot", verdict=Verdict.NONE, started_at=None, detail=why)
    handed = incident(handed_over_at=NOW - MINUTE)
    known = facts(useless, plan=("restart_bot",), incident=handed)
    assert decide(known) == Wait(NOW + 3 * known.look_again, "it waits for a person")
    helps = {**ACTIONS, "restart_bot": replace(ACTIONS["restart_bot"], helps=True)}
    assert isinstance(decide(replace(known, actions=helps)), Run)
    later = {"verdict": Verdict.NOT_VERIFIED, "created_at": NOW - MINUTE / 2, "started_at": NOW - MINUTE / 2}
    tried = [run("restart_bot", id=number, **later) for number in (8, 9, 10)]
    spent = replace(known, actions=helps, runs=(useless, *tried), bot_runs=tuple(tried))
    assert decide(spent) == GiveUp(
        "restart_bot: 3 attempts used, none verified", again=True, until=NOW + 3 * known.look_again
    )


def test_a_run_is_judged_before_anything_new_begins() -> None:
    proven = Observed(fires=True, verdicts={7: (Verdict.VERIFIED, "up == 1")})
    assert decide(facts(run(), observed=proven)) == Judge(run(), Verdict.VERIFIED, "proven by up == 1")


def test_every_unfinished_run_is_looked_at_not_only_the_last() -> None:
    first = run(id=3, verify_until=NOW - MINUTE)
    last = run(id=9, verdict=Verdict.VERIFIED, judged_at=NOW)
    seen = Observed(fires=True, verdicts={3: (Verdict.NOT_VERIFIED, "up == 1")})
    assert decide(facts(first, last, observed=seen)) == Judge(
        first, Verdict.NOT_VERIFIED, "not proven by up == 1"
    )


def test_an_attempt_whose_lease_is_over_is_interrupted() -> None:
    late = run(state=State.RUNNING, due_at=NOW - MINUTE)
    assert isinstance(decide(facts(late)), Interrupt)
    assert isinstance(decide(facts(replace(late, due_at=NOW + MINUTE))), Wait)


def test_attempts_are_counted_over_incidents() -> None:
    earlier = tuple(run(id=n, incident=n, verdict=Verdict.NOT_VERIFIED, judged_at=NOW) for n in range(10, 13))
    spent = decide(facts(bot_runs=earlier))
    assert spent == GiveUp("restart_bot: 3 attempts used, none verified")


def test_an_action_rests_after_a_success() -> None:
    success = run(id=10, incident=9, verdict=Verdict.VERIFIED, judged_at=NOW)
    decision = decide(facts(bot_runs=(success,)))
    assert isinstance(decision, Wait)
    assert decision.until == NOW + 5 * MINUTE


def test_the_fleet_limit_holds_back_a_restart_but_no_close() -> None:
    assert isinstance(decide(facts(fleet_spent=True)), GiveUp)
    assert isinstance(decide(facts(plan=("close_all",), fleet_spent=True)), Run)


def test_a_reduction_that_reached_the_bot_is_not_made_again_however_it_ended() -> None:
    for verdict in (Verdict.STOPPED, Verdict.REPLACED, Verdict.UNKNOWN, Verdict.NOT_VERIFIED):
        made = run("reduce", verdict=verdict, judged_at=NOW)
        assert not isinstance(decide(facts(made, plan=("reduce",))), Run), verdict


def test_a_stronger_target_replaces_a_weaker_one_and_a_weaker_one_waits() -> None:
    reducing = run("reduce", id=20, incident=5, state=State.RUNNING, due_at=NOW + MINUTE)
    stronger = decide(facts(plan=("close_all",), bot_runs=(reducing,)))
    assert stronger == Run("close_all", "it is the next action in the plan", None, (20,))
    closing = run("close_all", id=21, incident=5, state=State.OPEN, due_at=NOW + MINUTE)
    assert isinstance(decide(facts(plan=("reduce",), bot_runs=(closing,))), Wait)


def test_a_critical_loss_is_pursued_whether_or_not_its_alert_still_fires() -> None:
    open_ = run("close_all", state=State.OPEN, due_at=NOW, attempts=40)
    lost = incident(alert=f"TradingBot{CRITICAL_LOSS}")
    for fires in (True, False):
        given_ = facts(open_, incident=lost, holds=Holds(halted=True), observed=Observed(fires=fires))
        assert isinstance(decide(given_), Run)
    over = facts(open_, holds=Holds(halted=True), observed=Observed(fires=False))
    assert decide(over).verdict is Verdict.STOPPED


def test_an_alert_that_ended_closes_only_on_a_sample() -> None:
    assert isinstance(decide(facts(observed=Observed(gone=True))), Close)
    assert isinstance(decide(facts(observed=Observed())), Wait)


def test_a_blocked_decision_names_what_holds_actions_back() -> None:
    held = {
        "paused": Holds(paused_by="anna"),
        "maintenance": Holds(maintained_until=NOW + MINUTE),
        "acknowledged": Holds(acknowledged_by="anna"),
    }
    for kind, holds in held.items():
        decision = decide(facts(plan=("close_all",), holds=holds))
        assert isinstance(decision, Blocked)
        assert decision.kind == kind
    assert decide(facts(observed=Observed(unreachable="away"))).kind == "unreachable"


@pytest.mark.parametrize("asked_by", [None, "anna"])
def test_nothing_is_ordered_against_a_persons_stop(asked_by: str | None) -> None:
    close = ACTIONS["close_all"]
    assert forbids(Holds(paused_by="anna", halted=True), close, "Down", asked_by)
    assert forbids(Holds(), close, CRITICAL_LOSS, asked_by) == "the bot was released"
    assert forbids(Holds(halted=True), close, "Down", asked_by) is None


# Every state that the engine can reach, and some that it cannot.


def test_a_bot_that_is_not_what_it_was_is_brought_back_whatever_else_holds_actions_back() -> None:
    left = run(state=State.OPEN, before="running", outcome="retry", due_at=NOW)
    held = Holds(maintained_until=NOW + MINUTE, acknowledged_by="ben")
    back = Run("restart_bot", "the bot was running before, so Nightdesk brings it back to that", left.id)
    assert decide(facts(left, holds=held, observed=Observed())) == back
    waiting = replace(left, due_at=NOW + MINUTE)
    assert decide(facts(waiting)).until == NOW + MINUTE
    paused = decide(facts(left, holds=Holds(paused_by="anna")))
    assert isinstance(paused, Blocked)
    assert (paused.kind, paused.left) == ("paused", left)


def test_a_bot_that_samples_show_astray_is_brought_back_before_its_run_is_judged() -> None:
    ended = run(before="running", outcome="retry", verify_until=NOW - MINUTE)
    seen = Observed(verdicts={7: (Verdict.NOT_VERIFIED, "up == 1")}, astray=frozenset({7}))
    assert decide(facts(ended, observed=seen)).run == 7
    assert isinstance(decide(facts(ended, observed=replace(seen, astray=frozenset()))), Judge)


def test_a_bot_that_comes_up_astray_after_the_verdict_is_brought_back_before_its_incident_closes() -> None:
    judged = run(
        before="running", outcome="retry", orders=1, verdict=Verdict.NOT_VERIFIED, judged_at=NOW - MINUTE
    )
    over = Observed(gone=True)
    silent = decide(facts(judged, observed=over))
    assert isinstance(silent, Wait)
    assert "alpha has not been seen running again" in silent.reason
    astray = replace(over, astray=frozenset({judged.id}))
    assert decide(facts(judged, observed=astray)).run == judged.id
    handed = incident(handed_over_at=NOW - MINUTE)
    fires = replace(astray, gone=False, fires=True)
    assert decide(facts(judged, observed=fires, incident=handed)).run == judged.id
    back = replace(judged, back_at=NOW)
    assert isinstance(decide(facts(back, observed=over)), Close)
    later = replace(back, id=9, incident=2)
    assert isinstance(decide(facts(judged, bot_runs=(judged, later), observed=over)), Close)


def test_people_are_notified_of_an_unseen_bot_that_is_no_longer_watched() -> None:
    judged = run(before="running", orders=1, verdict=Verdict.NOT_VERIFIED, judged_at=NOW - MINUTE)
    unwatched = facts(judged, observed=Observed(gone=True), watched=False)
    for known in (unwatched, replace(unwatched, incident=incident(handed_over_at=NOW))):
        over = decide(known)
        assert isinstance(over, Close)
        assert (
            "alpha is no longer watched, and alpha has not been seen running again since restart_bot"
            in over.reason
        )
        assert over.left == judged
    assert decide(facts(observed=Observed(gone=True), watched=False)).left is None


def test_people_are_notified_repeatedly_of_a_bot_that_must_not_be_brought_back() -> None:
    judged = run(before="running", orders=1, verdict=Verdict.NOT_VERIFIED, judged_at=NOW - MINUTE)
    seen = Observed(gone=True, astray=frozenset({judged.id}))
    dry = {"restart_bot": replace(RESTART, refusal="actions.dry_run is set")}
    for known in (
        facts(judged, observed=seen, actions=dry),
        facts(judged, observed=seen, holds=Holds(paused_by="anna")),
    ):
        blocked = decide(known)
        assert isinstance(blocked, Blocked)
        assert blocked.left == judged
        assert blocked.until is not None
        assert "nobody manages its positions" in blocked.reason


def test_nothing_disruptive_is_done_to_a_bot_that_is_not_what_it_was() -> None:
    left = run(id=3, incident=2, state=State.OPEN, before="running", due_at=NOW + MINUTE)
    waits = decide(facts(bot_runs=(left,)))
    assert isinstance(waits, Wait)
    assert "waits for restart_bot of incident 2" in waits.reason
    closes = decide(facts(bot_runs=(left,), plan=("close_all",)))
    assert isinstance(closes, Run)


def test_what_needs_the_exchange_waits_for_it_and_its_vain_attempt_is_spared() -> None:
    out = {"restart_bot": replace(RESTART, waits="the bot's calls to it fail")}
    blocked = decide(facts(actions=out))
    assert isinstance(blocked, Blocked)
    assert (blocked.kind, blocked.reason) == (
        "exchange",
        "restart_bot waits for the exchange: the bot's calls to it fail",
    )
    vain = run(verify_until=NOW - MINUTE)
    seen = Observed(fires=True, verdicts={7: (Verdict.NOT_VERIFIED, "up == 1")})
    judged = decide(facts(vain, actions=out, observed=seen))
    assert isinstance(judged, Judge)
    assert judged.spared
    spared = tuple(
        run(id=n, outcome="spared", verdict=Verdict.NOT_VERIFIED, judged_at=NOW) for n in range(10, 15)
    )
    assert isinstance(decide(facts(*spared)), Run), "none of them counts"
    assert isinstance(decide(facts(actions=out, holds=Holds(paused_by="anna"))), Blocked)


def test_incidents_of_one_alert_take_turns_at_a_bot_that_something_is_done_to() -> None:
    busy = run(id=3, incident=2, state=State.RUNNING, due_at=NOW + MINUTE)
    for count, seconds in ((1, 2), (5, 10), (500, 30)):
        wait = decide(facts(bot_runs=(busy,), open_incidents=count))
        assert isinstance(wait, Wait)
        assert wait.until == NOW + timedelta(seconds=seconds)


def test_what_has_just_begun_is_not_closed() -> None:
    seen = Observed(gone=True, just_began=True)
    waits = decide(facts(observed=seen))
    assert isinstance(waits, Wait)
    assert waits.until is not None
    assert isinstance(decide(facts(observed=replace(seen, just_began=False))), Close)


@settings(max_examples=1500, deadline=None)
@given(states())
def test_each_state_has_one_decision_with_a_reason_and_no_dead_end_is_silent(state: Facts) -> None:
    decision = decide(state)
    assert decision == decide(state), "the same facts, the same decision"
    assert decision.reason
    if isinstance(decision, Wait) and decision.until is None:
        waits_for_events = (
            state.incident.handed_over_at is not None  # a person was told
            or not state.observed.fires  # the reconciler looks again
            or state.observed.gone
        )
        assert waits_for_events, decision
    if isinstance(decision, Blocked) and decision.until is None:
        assert decision.kind in ("paused", "acknowledged"), "the person who did this must end it"


@settings(max_examples=1500, deadline=None)
@given(states())
def test_money_is_moved_only_where_nothing_and_nobody_forbids_it(state: Facts) -> None:
    decision = decide(state)
    if not isinstance(decision, Run):
        return
    action = state.actions[decision.action]
    goes_on = next((one for one in state.runs if one.id == decision.run), None)
    assert state.holds.paused_by is None
    if goes_on is not None and goes_on.state == State.WANTED:
        assert goes_on.expires_at is None or goes_on.expires_at > NOW
        return
    asked = goes_on is not None and goes_on.asked_by is not None
    if action.effect == MONEY and not asked:
        assert action.armed
        assert state.holds.maintained_until is None
        critical = state.incident.kind == CRITICAL_LOSS
        assert state.holds.acknowledged_by is None or critical
    if goes_on is None:
        assert state.observed.fires
        skips = [one for one in state.runs if one.action == action.name and one.started_at is None]
        assert state.incident.handed_over_at is None or skips
        if action.effect == DISRUPTIVE and not action.targeted:
            assert not state.fleet_spent


@settings(max_examples=800, deadline=None)
@given(states())
def test_decisions_that_are_carried_out_come_to_rest(state: Facts) -> None:
    for _ in range(30):
        decision = decide(state)
        match decision:
            case Judge(run=judged, verdict=verdict, refused=refused):
                outcome = "refused" if refused else judged.outcome
                ended = replace(judged, state=State.ENDED, verdict=verdict, judged_at=NOW, outcome=outcome)
            case Interrupt(run=judged):
                goes_on = ACTIONS[judged.action].targeted or judged.before is not None
                ended = replace(
                    judged,
                    state=State.OPEN if goes_on else State.ENDED,
                    outcome="interrupted",
                    due_at=NOW,
                    orders=judged.orders + 1,
                    ended_at=NOW,
                    verify_until=NOW + MINUTE,
                )
            case Skip(action=name, outcome=outcome):
                skipped = run(name, id=len(state.runs) + 20_000, outcome=outcome, verdict=Verdict.NONE)
                state = replace(state, runs=(*state.runs, skipped))
                continue
            case _:
                return
        swap = {ended.id: ended}
        state = replace(
            state,
            runs=tuple(swap.get(one.id, one) for one in state.runs),
            bot_runs=tuple(swap.get(one.id, one) for one in state.bot_runs),
        )
    pytest.fail(f"it never rests: {decision}")
