"""Closes the positions that are in danger, and leaves the others."""

from clients.observer import Unanswered
from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident

_BEFORE = 'max_over_time(sum by (bot) (trading_bot_active_positions{bot="$bot"})[30m:1s])'


def holds_fewer(bot: BotControl) -> Outcome:
    """Return done when the bot holds fewer positions, by what it says itself, than in the last half hour."""
    positions = bot.positions()
    if isinstance(positions, Outcome):
        return positions
    try:
        before = bot.number(_BEFORE)
    except Unanswered as error:
        return Outcome.retry(str(error))
    if before is None:
        return Outcome.retry("how many positions it held before is unknown")
    held = sum(position.value != 0 for position in positions)
    said = f"it holds {held} positions, of {before:g} before"
    return Outcome.ok(said) if held < before else Outcome.retry(said)


@action(
    "close_risky_positions",
    effect=Effect.MONEY,
    verbs=(Verb.CLOSE_POSITIONS,),
    proof_at_bot=holds_fewer,
)
def close_risky_positions(bot: BotControl, incident: Incident) -> Outcome:
    """Close the positions near their stop loss or far larger than usual; the bot trades on."""
    return bot.close_positions("risky")
