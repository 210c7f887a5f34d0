"""Takes a part of every position out of the market."""

from clients.observer import Unanswered
from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident

_BEFORE = 'max_over_time(trading_bot_current_exposure{bot="$bot"}[30m])'


def holds_less(bot: BotControl) -> Outcome:
    """Return done when the bot's exposure fell by over half of what the reduction takes.

    What is held now is what the bot says; what was held before is the most that Prometheus saw within half
    an hour. Half is left to prices that move and to entries since.
    """
    positions = bot.positions()
    if isinstance(positions, Outcome):
        return positions
    try:
        before = bot.number(_BEFORE)
    except Unanswered as error:
        return Outcome.retry(str(error))
    if not before:
        return Outcome.retry("its exposure before is unknown")
    values = [position.value for position in positions if position.value is not None]
    if len(values) < len(positions):
        return Outcome.cannot("it does not say how large its positions are")
    held = sum(values)
    said = f"its positions hold {held:,.2f}, of {before:,.2f} before"
    return Outcome.ok(said) if held <= before * (1 + bot.keep) / 2 else Outcome.retry(said)


@action(
    "reduce_position_sizes",
    effect=Effect.MONEY,
    verbs=(Verb.REDUCE_POSITIONS,),
    proof_at_bot=holds_less,
    once=True,
)
def reduce_position_sizes(bot: BotControl, incident: Incident) -> Outcome:
    """Reduce every position to the share that settings keep, a half unless set otherwise."""
    return bot.reduce_positions(bot.keep)
