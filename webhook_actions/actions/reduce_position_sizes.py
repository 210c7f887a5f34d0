"""Reduces every position."""

from webhook_actions.actions import Effect, target_action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import BotStatus, Target, Verb
from webhook_actions.outcome import Outcome


@target_action(
    "reduce_position_sizes", effect=Effect.MONEY, verbs=(Verb.REDUCE_POSITIONS,), once=True, paced=True
)
def reduce_position_sizes(bot: BotControl, standing: BotStatus) -> Target | Outcome:
    """Reduce every position to the share in the settings, by default a half."""
    if standing.positions is None:
        return Outcome.cannot(f"it is {standing.state} and does not say its positions")
    held: dict[str, float] = {}
    for position in standing.positions:
        if position.quantity is None:
            return Outcome.cannot(f"it does not say how large {position.key} is; nothing was reduced")
        if position.quantity:
            held[position.key] = held.get(position.key, 0.0) + position.quantity
    if not held:
        return Outcome.failed("it holds no position; nothing was reduced")
    return Target({key: quantity * bot.keep for key, quantity in held.items()})
