"""Decides the next step of an incident: a pure function of the facts, without clock or I/O."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from webhook_actions.engine.decisions import (
    CANNOT,
    CLOSES,
    CRITICAL_LOSS,
    DISRUPTIVE,
    MONEY,
    OBSERVE,
    REFUSED,
    SPARED,
    WOULD_HAVE,
    Blocked,
    Close,
    Decision,
    Facts,
    GiveUp,
    Interrupt,
    Judge,
    PlannedAction,
    Run,
    Skip,
    Verdict,
    Wait,
)
from webhook_actions.engine.orders import forbids, maintained
from webhook_actions.engine.skips import (
    USELESS,
    barred,
    is_allowed_since,
    is_lifted,
    until_it_helps,
    was_skipped,
)
from webhook_actions.store.runs import Run as ActionRun
from webhook_actions.store.runs import State, last_change

_NOT_RUN = (CANNOT, WOULD_HAVE, REFUSED, SPARED)
_NEVER_AGAIN = (CANNOT, WOULD_HAVE, "failed")  # in the same incident, for every requester
# The wait while another action runs on the bot; several incidents of one alert take turns.
_BESIDE, _BESIDE_MANY = timedelta(seconds=2), timedelta(seconds=30)
_RETRY_PROMETHEUS = timedelta(seconds=5)


def decide(facts: Facts) -> Decision:
    """Return the next decision. Every unfinished run comes before anything new."""
    if facts.incident.closed_at is not None:
        return Wait(None, "it is closed")
    waits = []
    for run in sorted(facts.runs, key=lambda run: run.state != State.WANTED):
        decision = _of_run(facts, run)
        if isinstance(decision, Wait | Blocked):
            waits.append(decision)
        elif decision is not None:
            return decision
    if waits:
        return min(waits, key=lambda wait: wait.until or datetime.max.replace(tzinfo=facts.now.tzinfo))
    if facts.observed.unreachable is not None:
        why = f"nothing is done: Prometheus does not answer: {facts.observed.unreachable}"
        return Blocked("unreachable", facts.now + _RETRY_PROMETHEUS, why)
    if not facts.observed.fires:
        return _at_end(facts)
    handed_over = facts.incident.handed_over_at
    if handed_over and not is_allowed_since(facts):
        return Wait(until_it_helps(facts), "it waits for a person")
    measured = facts.watched and facts.incident.confirmed and "verify" in facts.incident.annotations
    if facts.observed.gone and measured:
        return Wait(None, "its cause is gone, but the rule keeps it firing for a while")
    decision = _next(facts)
    if not handed_over or not isinstance(decision, GiveUp):
        return decision
    if any(_counts(run) and run.created_at > handed_over for run in facts.runs):
        return replace(decision, again=True)
    return Wait(decision.until, "it waits for a person")


def _at_end(facts: Facts) -> Decision:
    """Return the decision about an alert that no longer fires."""
    if not facts.observed.gone:
        return Wait(None, "it no longer fires, but no sample shows yet that its cause is gone")
    if facts.observed.just_began:
        return Wait(
            facts.now + facts.look_again, "it has just begun, and Prometheus may not have seen it yet"
        )
    sees_all = facts.incident.opened_at + facts.sees_all
    if facts.now < sees_all:
        return Wait(sees_all, "another Prometheus may not have seen it yet")
    last, bot = last_change((*facts.runs, *facts.bot_runs)), facts.incident.bot
    if last is not None and last.incident == facts.incident.id and last.back_at is None:
        unseen = f"{bot} has not been seen {last.before} again since {last.action}"
        if facts.watched:
            return Wait(facts.now + 3 * facts.look_again, f"it no longer fires, but {unseen}")
        return Close(f"{bot} is no longer watched, and {unseen}: nobody manages its positions", last)
    if not facts.watched:
        return Close(f"{bot} is no longer watched")
    return Close("it no longer fires, and a sample shows that its cause is gone")


def _of_run(facts: Facts, run: ActionRun) -> Decision | None:
    """Return the decision about a run, None if the run is finished."""
    action = facts.actions.get(run.action)
    if run.verdict is not None:
        astray = run.id in facts.observed.astray and facts.watched
        return _brought_back(facts, run, action) if astray else None
    match run.state:
        case State.WANTED:
            return _wanted(facts, run, action)
        case State.RUNNING:
            if run.due_at is not None and facts.now < run.due_at:
                return Wait(run.due_at, f"{run.action} is under way")
            return Interrupt(run, "the engine was interrupted before it saw the outcome")
        case State.OPEN if run.before is not None:
            return _brought_back(facts, run, action)
        case State.OPEN:
            return _pursued(facts, run, action)
    if action is None or not action.proof:
        return Judge(run, Verdict.NONE, "it changes nothing, so there is nothing to verify")
    return _awaiting_proof(facts, run)


def _wanted(facts: Facts, run: ActionRun, action: PlannedAction | None) -> Decision:
    refusal = "this Nightdesk has no such action" if action is None else action.refusal
    if facts.holds.paused_by is not None:
        refusal = f"all actions are paused by {facts.holds.paused_by}"
    if refusal is None and run.expires_at is not None and facts.now >= run.expires_at:
        refusal = "the request expired before it could run; request it again if you still want it"
    if action is None or refusal is not None:
        return Judge(run, Verdict.NONE, str(refusal), refused=True)
    if wait := _conflict(facts, action, run.id):
        return wait
    return Run(run.action, f"{run.asked_by} requested it", run.id, _weaker(facts, action, run.id))


def _awaiting_proof(facts: Facts, run: ActionRun) -> Decision:
    seen = facts.observed.verdicts.get(run.id)
    if seen is not None and seen[0] is Verdict.VERIFIED:
        return Judge(run, Verdict.VERIFIED, f"proven by {seen[1]}")
    if run.id in facts.observed.astray:
        return _brought_back(facts, run, facts.actions.get(run.action))
    if run.verify_until is None or facts.now >= run.verify_until:
        if seen is None:
            why = facts.observed.unreachable or "not checked yet"
            return Blocked(
                "unreachable", facts.now + _RETRY_PROMETHEUS, f"{run.action}: not verified yet: {why}"
            )
        action = facts.actions.get(run.action)
        if action is not None and action.waits is not None:
            return Judge(run, seen[0], f"not proven, while {action.waits}", spared=True)
        return Judge(run, seen[0], f"not proven by {seen[1]}")
    return Wait(
        min(run.verify_until, facts.now + _patience(facts, run)), f"{run.action} waits for its verification"
    )


def _patience(facts: Facts, run: ActionRun) -> timedelta:
    """Return the wait until the next check: slow actions are checked less often."""
    return max(facts.look_again, (facts.now - (run.ended_at or facts.now)) / 4)


def _brought_back(facts: Facts, run: ActionRun, action: PlannedAction | None) -> Decision:
    """Return the decision about a bot that a run left in another state than before.

    Only the kill switch or the settings hold that back: Nightdesk undoes its own harm even if acknowledged.
    """
    left = f"the bot was {run.before} before {run.action} and stays as it is; nobody manages its positions"
    look_again = facts.now + 3 * facts.look_again
    if action is None or action.refusal is not None:
        why = f"{'this action no longer exists' if action is None else action.refusal}, so {left}"
        if run.verdict is None:
            return Judge(run, Verdict.UNKNOWN, why)
        return Blocked("astray", look_again, why, run)
    if facts.holds.paused_by is not None:
        why = f"all actions are paused by {facts.holds.paused_by}, so {left}"
        return Blocked("paused", look_again, why, run)
    if run.due_at is not None and facts.now < run.due_at:
        return Wait(run.due_at, f"{run.action}: the bot is not {run.before} again yet: {run.detail}")
    if wait := _conflict(facts, action, run.id):
        return wait
    return Run(run.action, f"the bot was {run.before} before, so Nightdesk brings it back to that", run.id)


def _pursued(facts: Facts, run: ActionRun, action: PlannedAction | None) -> Decision:
    """Return the decision about a target that may not be reached yet."""
    if action is None:
        return Judge(run, Verdict.UNKNOWN, "this Nightdesk has no such action any more")
    if stop := _stops(facts, run, action):
        return Judge(run, *stop)
    if facts.holds.maintained_until is not None and run.asked_by is None:
        return Blocked("maintenance", facts.holds.maintained_until, maintained(facts.holds))
    if run.due_at is not None and facts.now < run.due_at:
        return Wait(run.due_at, f"{run.action}: its target is not reached: {run.detail}")
    if wait := _conflict(facts, action, run.id):
        return wait
    return Run(run.action, f"its target is not reached: {run.detail}", run.id)


def _stops(facts: Facts, run: ActionRun, action: PlannedAction) -> tuple[Verdict, str] | None:
    """Return the verdict that ends a pursuit before its target is reached, None if it continues."""
    left = run.detail or "the rest is unknown"
    lasting = replace(facts.holds, maintained_until=None)  # maintenance only delays it
    why = forbids(lasting, action, facts.incident.kind, run.asked_by)
    if why is not None:
        released = action.strength == CLOSES and not facts.holds.halted
        taken_over = released or (facts.holds.acknowledged_by is not None and facts.holds.paused_by is None)
        return (Verdict.TAKEN_OVER if taken_over else Verdict.STOPPED), f"{why}; {left}"
    if run.asked_by is not None or (facts.incident.kind == CRITICAL_LOSS and not action.paced):
        return None
    if facts.observed.unreachable is None and not facts.observed.fires:
        return Verdict.STOPPED, f"its alert ended before the target was reached; {left}"
    if action.paced and run.orders >= action.attempts:
        return Verdict.UNKNOWN, f"{run.orders} orders reached the bot; {left}"
    return None


def _next(facts: Facts) -> Decision:
    """Return the first planned action that still has attempts."""
    for name in facts.plan:
        action = facts.actions.get(name)
        mine = [run for run in facts.runs if run.action == name]
        if any(_is_spent(run, action) for run in mine) or (
            action and action.once and any(_counts(r) for r in mine)
        ):
            continue
        if action is None:
            return Skip(name, CANNOT, "this Nightdesk has no such action")
        if skip := barred(action):
            return skip
        if action.useless is not None:
            return Skip(name, CANNOT, f"{USELESS}: {action.useless}")
        if action.paced and _attempts(facts, name) >= action.attempts:
            continue
        if held := _held_back(facts, action):
            return held
        if action.effect == DISRUPTIVE and not action.targeted and facts.fleet_spent:
            return GiveUp(
                f"{name} was not run: Nightdesk has acted on as many bots lately as the fleet limit allows; "
                "look for a common cause: the host, the network or Nightdesk"
            )
        return Run(name, "it is the next action in the plan", replaces=_weaker(facts, action, None))
    planned = (facts.actions.get(name) for name in facts.plan)
    tried = any(action is None or action.effect != OBSERVE for action in planned)
    return GiveUp(_nothing_left(facts), tried, until=until_it_helps(facts))


def _held_back(facts: Facts, action: PlannedAction) -> Decision | None:
    """Return the decision to wait, None if the action may run now."""
    holds = facts.holds
    if holds.paused_by is not None:
        return Blocked(
            "paused", None, f"{action.name} is held back: all actions are paused by {holds.paused_by}"
        )
    if holds.maintained_until is not None:
        return Blocked("maintenance", holds.maintained_until, maintained(facts.holds))
    if action.effect == MONEY and holds.acknowledged_by and facts.incident.kind != CRITICAL_LOSS:
        why = f"{action.name} is held back: acknowledged by {holds.acknowledged_by}"
        return Blocked("acknowledged", holds.acknowledged_until, why)
    if action.waits is not None:
        why = f"{action.name} waits for the exchange: {action.waits}"
        return Blocked("exchange", facts.now + 3 * facts.look_again, why)
    rests_until = _rests_until(facts, action) if action.paced else None
    if rests_until and rests_until > facts.now:
        return Wait(
            rests_until, f"{action.name} is in its cooldown until {rests_until:%H:%M:%S} UTC", told=True
        )
    return _conflict(facts, action, None)


def _conflict(facts: Facts, action: PlannedAction, own: int | None) -> Wait | None:
    """Return the wait for other runs on the bot, None if the action may run beside them.

    A target waits only for a target that is not weaker; an observing action never waits.
    """
    if action.effect == OBSERVE:
        return None
    for run in _unfinished(facts, own):
        other = facts.actions.get(run.action)
        strength = other.strength if other else 0
        # A bot that is not back in its earlier mode is neither restarted nor reloaded.
        under_way = (run.state == State.RUNNING or run.before is not None) and run.effect != OBSERVE
        stronger = strength >= action.strength if run.state == State.RUNNING else strength > action.strength
        if (action.targeted and strength and stronger) or (not action.targeted and under_way):
            reason = f"{action.name} waits for {run.action} of incident {run.incident}"
            return Wait(facts.now + min(_BESIDE * facts.open_incidents, _BESIDE_MANY), reason)
    return None


def _weaker(facts: Facts, action: PlannedAction, own: int | None) -> tuple[int, ...]:
    """Return the unfinished runs of the bot whose targets an action's target replaces."""
    weaker = []
    for run in _unfinished(facts, own):
        other = facts.actions.get(run.action)
        if other is not None and 0 < other.strength < action.strength:
            weaker.append(run.id)
    return tuple(weaker)


def _unfinished(facts: Facts, own: int | None) -> Iterable[ActionRun]:
    """Yield the bot's runs that are under way or pursued; an attempt whose lease is over is neither."""
    for run in facts.bot_runs:
        leased = run.due_at is not None and facts.now < run.due_at
        if run.id != own and (run.state == State.OPEN or (run.state == State.RUNNING and leased)):
            yield run


def _counts(run: ActionRun) -> bool:
    """Return whether a run was begun at all."""
    return run.outcome not in _NOT_RUN and run.verdict not in (Verdict.REPLACED, Verdict.STOPPED)


def _is_spent(run: ActionRun, action: PlannedAction | None) -> bool:
    """Return whether Nightdesk must not repeat a run's action in its incident."""
    if action is not None and was_skipped(run):
        return not is_lifted(run, action)
    if run.outcome in _NEVER_AGAIN and run.verdict is not None:
        return True
    if run.target is None:
        return False
    return run.verdict in (Verdict.VERIFIED, Verdict.UNKNOWN, Verdict.TAKEN_OVER)


def _attempts(facts: Facts, name: str) -> int:
    """Return how often an action was tried on the bot in the window; with a target, its orders."""
    since = facts.now - facts.attempts_window
    counted = 0
    for run in (*facts.bot_runs, *(run for run in facts.runs if not run.bot)):
        begun = run.started_at or run.created_at
        if run.action == name and begun > since and run.outcome not in _NOT_RUN:
            counted += run.orders if run.target is not None else min(run.attempts, 1)
    return counted


def _rests_until(facts: Facts, action: PlannedAction) -> datetime | None:
    """Return the end of an action's cooldown, after its last success or, with a target, its last order.

    Any success against the same alert starts that alert's cooldown too.
    """
    rests = []
    for run in facts.bot_runs:
        if run.action == action.name and run.target is not None and run.orders and run.ended_at:
            rests.append(run.ended_at + action.cooldown)
        if run.verdict != Verdict.VERIFIED or run.judged_at is None:
            continue
        if run.action == action.name:
            rests.append(run.judged_at + action.cooldown)
        if run.alert == facts.incident.alert:
            rests.append(run.judged_at + facts.alert_cooldown)
    return max(rests, default=None)


def _nothing_left(facts: Facts) -> str:
    if not facts.plan:
        return "this alert has no action"
    return "; ".join(f"{name}: {_came_to(facts, name)}" for name in facts.plan)


def _came_to(facts: Facts, name: str) -> str:
    """Return the result of a planned action, in words."""
    mine = [run for run in facts.runs if run.action == name]
    action = facts.actions.get(name)
    final = (run.detail for run in mine if run.outcome in _NEVER_AGAIN and _is_spent(run, action))
    if refusal := next(final, None):
        return refusal
    if action is not None and not action.proof and mine:
        return "done; it changes nothing" if mine[-1].outcome == "done" else mine[-1].detail or "failed"
    if any(run.verdict == Verdict.VERIFIED for run in mine):
        return "verified, but the alert still fires"
    if any(run.verdict == Verdict.UNKNOWN for run in mine):
        return "the bot does not say what it did, so Nightdesk does not repeat it"
    if any(run.verdict == Verdict.TAKEN_OVER for run in mine):
        return "a person took it over"
    return f"{_attempts(facts, name)} attempts used, none verified"
