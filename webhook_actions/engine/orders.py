"""Decides right before each order whether a committed action may still send it."""

from webhook_actions.engine.decisions import CLOSES, CRITICAL_LOSS, MONEY, Holds, PlannedAction


def forbids(holds: Holds, action: PlannedAction, kind: str, asked_by: str | None) -> str | None:
    """Return why a committed action must not be ordered, None if it may."""
    if holds.paused_by is not None:
        return f"all actions are paused by {holds.paused_by}"
    if action.refusal is not None:
        return action.refusal
    if action.strength == CLOSES and not holds.halted:
        return "the bot was released"
    if asked_by is not None:
        return None
    if not action.armed:
        return "it is no longer in actions.armed"
    if holds.maintained_until is not None:
        return maintained(holds)
    if action.effect == MONEY and holds.acknowledged_by is not None and kind != CRITICAL_LOSS:
        return f"acknowledged by {holds.acknowledged_by}"
    return None


def maintained(holds: Holds) -> str:
    """Return, in words, until when a bot is in maintenance."""
    end = holds.maintained_until
    return f"it is in maintenance until {end:%a %H:%M %Z}" if end else "it is in maintenance"
