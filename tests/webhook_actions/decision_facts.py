"""Facts for the tests of decisions: plain ones, and every state that Hypothesis finds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from webhook_actions.engine.decisions import (
    CLOSES,
    CRITICAL_LOSS,
    DISRUPTIVE,
    MONEY,
    OBSERVE,
    Facts,
    Holds,
    Observed,
    PlannedAction,
    Verdict,
)
from webhook_actions.store.incidents import Incident
from webhook_actions.store.runs import Run as ActionRun
from webhook_actions.store.runs import State

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ACTIONS = {
    "look": PlannedAction("look", OBSERVE, 3, 5 * MINUTE, once=True, proof=False),
    "restart_bot": PlannedAction("restart_bot", DISRUPTIVE, 3, 5 * MINUTE),
    "stop_entries": PlannedAction("stop_entries", DISRUPTIVE, 3, 5 * MINUTE, strength=1, paced=False),
    "reduce": PlannedAction("reduce", MONEY, 5, 60 * MINUTE, strength=2, once=True),
    "close_all": PlannedAction("close_all", MONEY, 1, 5 * MINUTE, strength=CLOSES, paced=False, once=True),
}


def incident(**changes: object) -> Incident:
    base = Incident(
        1,
        "f",
        "TradingBotDown",
        "alpha",
        "critical",
        {},
        {"verify": "up"},
        NOW,
        NOW - MINUTE,
        NOW,
        1,
        confirmed=True,
    )
    return replace(base, **changes)


def run(action: str = "restart_bot", **changes: object) -> ActionRun:
    base = ActionRun(
        7,
        1,
        "alpha",
        action,
        ACTIONS[action].effect,
        State.ENDED,
        NOW - MINUTE,
        NOW - MINUTE,
        NOW - MINUTE,
        "done",
        "done",
        NOW + MINUTE,
        attempts=1,
        orders=1,
        fence=1,
        alert="TradingBotDown",
        target={"positions": {}, "others": 0.0, "paused": True} if ACTIONS[action].targeted else None,
    )
    return replace(base, **changes)


def facts(*runs: ActionRun, plan: tuple[str, ...] = ("restart_bot",), **changes: object) -> Facts:
    base = Facts(NOW, incident(), plan, ACTIONS, runs, runs, Holds(), Observed(fires=True))
    return replace(base, **changes)


MOMENTS = st.one_of(st.none(), st.integers(-7200, 7200).map(lambda s: NOW + timedelta(seconds=s)))
RUNS = st.builds(
    lambda action, id_, mine, state, outcome, verdict, due, verify, expires, asked, orders, attempts: run(
        action,
        id=id_,
        incident=1 if mine else 2,
        state=state,
        outcome=outcome,
        verdict=verdict if state == State.ENDED else None,
        due_at=due,
        verify_until=verify,
        expires_at=expires,
        asked_by=asked,
        orders=orders,
        attempts=attempts,
        judged_at=NOW - MINUTE,
    ),
    st.sampled_from(sorted(ACTIONS)),
    st.integers(1, 10_000),
    st.booleans(),
    st.sampled_from(list(State)),
    st.sampled_from([None, "done", "retry", "failed", "cannot", "would_have", "refused", "interrupted"]),
    st.one_of(st.none(), st.sampled_from(list(Verdict))),
    MOMENTS,
    MOMENTS,
    MOMENTS,
    st.one_of(st.none(), st.just("anna")),
    st.integers(0, 6),
    st.integers(0, 6),
)
HOLDS = st.builds(
    Holds,
    st.one_of(st.none(), st.just("anna")),
    MOMENTS.map(lambda at: at if at and at > NOW else None),
    st.one_of(st.none(), st.just("ben")),
    st.none(),
    st.booleans(),
)
OBSERVED = st.builds(
    Observed,
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.just("it is away")),
    st.just({}),
    st.one_of(st.just({}), st.just({"restart_bot": "a wrong password"})),
)
ARMED = st.booleans().map(
    lambda on: {n: replace(a, armed=on or a.effect != MONEY) for n, a in ACTIONS.items()}
)


RESTART = ACTIONS["restart_bot"]
WAITS = st.sampled_from([{}, {"restart_bot": replace(RESTART, waits="its calls fail")}])


@st.composite
def states(draw: st.DrawFn) -> Facts:
    runs = draw(st.lists(RUNS, max_size=5, unique_by=lambda one: one.id))
    changing = {one.id for one in runs if one.action == "restart_bot" and draw(st.booleans())}
    runs = [replace(one, before="running") if one.id in changing else one for one in runs]
    astray = frozenset(id_ for id_ in changing if draw(st.booleans()))
    observed = replace(draw(OBSERVED), astray=astray)
    seen = {
        one.id: (draw(st.sampled_from([Verdict.VERIFIED, Verdict.NOT_VERIFIED])), "up == 1")
        for one in runs
        if observed.unreachable is None
    }
    kind = draw(st.sampled_from(["TradingBotDown", f"TradingBot{CRITICAL_LOSS}", "TradingBotHighDrawdown"]))
    return Facts(
        NOW,
        incident(alert=kind, handed_over_at=draw(st.one_of(st.none(), st.just(NOW - MINUTE)))),
        tuple(draw(st.lists(st.sampled_from(sorted(ACTIONS)), max_size=4, unique=True))),
        draw(ARMED) | draw(WAITS),
        tuple(one for one in runs if one.incident == 1),
        tuple(runs),
        draw(HOLDS),
        replace(observed, verdicts=seen),
        draw(st.booleans()),
    )
