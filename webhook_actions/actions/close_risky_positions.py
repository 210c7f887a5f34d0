"""Closes the positions that are in danger, and leaves the others."""

from webhook_actions.actions import Effect, target_action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import BotStatus, Target, Verb
from webhook_actions.outcome import Outcome


@target_action("close_risky_positions", effect=Effect.MONEY, verbs=(Verb.CLOSE_POSITIONS,), paced=True)
def close_risky_positions(bot: BotControl, standing: BotStatus) -> Target | Outcome:
    """Close the positions near their stop loss or far larger than usual; the bot trades on."""
    if standing.positions is None:
        return Outcome.cannot(f"it is {standing.state} and does not say its positions")
    held = [position for position in standing.positions if position.quantity != 0]
    risky = [position.key for position in held if position.risky]
    if risky:
        return Target(dict.fromkeys(risky, 0.0))
    if any(position.risky is None for position in held):
        return Outcome.cannot("it does not say which of its positions are risky; nothing was closed")
    return Outcome.failed(f"none of its {len(held)} positions is risky; nothing was closed")
