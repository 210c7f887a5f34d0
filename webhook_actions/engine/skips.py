"""Says why a planned action is skipped, and whether that reason still holds."""

from datetime import datetime

from webhook_actions.engine.decisions import CANNOT, DRILL, DRY_RUN, WOULD_HAVE, Facts, PlannedAction, Skip
from webhook_actions.store.runs import Run as ActionRun

USELESS = "it cannot mend this"  # begins the reason of an action that this fault makes useless


def barred(action: PlannedAction) -> Skip | None:
    """Return why the settings forbid an action, None if they allow it."""
    if action.refusal is not None:
        outcome = WOULD_HAVE if action.refusal in (DRILL, DRY_RUN) else CANNOT
        return Skip(action.name, outcome, action.refusal)
    if not action.armed:
        return Skip(action.name, WOULD_HAVE, "it moves money and is not in actions.armed")
    return None


def is_allowed_since(facts: Facts) -> bool:
    """Return whether an action was skipped for a reason that no longer holds."""
    skipped = ((run, facts.actions.get(run.action)) for run in facts.runs if run.action in facts.plan)
    return any(was_skipped(run) and action and is_lifted(run, action) for run, action in skipped)


def was_skipped(run: ActionRun) -> bool:
    """Return whether a planned action was skipped by a decision, not tried in vain."""
    return run.outcome in (CANNOT, WOULD_HAVE) and run.started_at is None


def _was_useless(run: ActionRun) -> bool:
    return (run.detail or "").startswith(USELESS)


def is_lifted(run: ActionRun, action: PlannedAction) -> bool:
    """Return whether the reason to skip an action no longer holds: the settings, or the kind of the fault."""
    return action.helps if _was_useless(run) else not barred(action)


def until_it_helps(facts: Facts) -> datetime | None:
    """Return when to look whether the fault has become one that a skipped action can mend."""
    return facts.now + 3 * facts.look_again if any(map(_was_useless, facts.runs)) else None
