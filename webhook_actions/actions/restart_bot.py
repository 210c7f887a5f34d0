"""Restarts the bot's process or container and waits until it answers."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident

_ERROR = 'trading_bot_source_error{bot="$bot",reason%s} == 1'


@action(
    "restart_bot",
    effect=Effect.DISRUPTIVE,
    useless_when={
        "the bot refuses our password or token": _ERROR % '="auth"',
        "the bot's answer cannot be read": _ERROR % '="parse"',
        "the connection to the bot is broken (address, proxy or certificate)": _ERROR % '="way"',
    },
    helps_when=_ERROR % '!~"auth|parse|way"',
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
