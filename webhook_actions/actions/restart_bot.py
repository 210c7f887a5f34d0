"""Restarts the bot's process or container and waits until it answers."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action(
    "restart_bot",
    effect=Effect.DISRUPTIVE,
    # A restart does not change a wrong password, a broken connection or an unreadable answer.
    useless_when='trading_bot_source_error{bot="$bot",reason=~"auth|parse|way"} == 1',
    proof='trading_bot_up{bot="$bot"} == 1',
    needs_exchange=True,  # a starting bot loads the markets
    restarts=True,
)
def restart_bot(bot: BotControl, incident: Incident) -> Outcome:
    """Restart the bot, then wait until it answers.

    Source: docs/runbooks/TradingBotDown.md.
    """
    restarted = bot.restart()
    if not restarted.done:
        return restarted
    answered = bot.wait_until_it_answers()
    return Outcome(answered.result, f"{restarted.detail}; {answered.detail}", orders=restarted.orders)
