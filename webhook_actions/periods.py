"""Tells a period of one bot, or of all, in a few lines."""

from collections.abc import Callable, Iterator

from webhook_actions.bots import BotControl
from webhook_actions.findings import money, percent
from webhook_actions.senses import for_bot

_BOTS = 15  # that are told one by one
_PLACE = "symbol, side, outcome"
# With the bot's selector for %(of)s and the period for %(range)s.
_FIGURES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("profit", "max(delta(trading_bot_profit_loss{%(of)s}[%(range)s]))", money),
    (
        "trades",
        f"sum(max by ({_PLACE}) (increase(trading_bot_trades_total{{%(of)s}}[%(range)s])))",
        "{:.0f}".format,
    ),
    ("win rate since its start", "max(trading_bot_win_rate{%(of)s})", percent),
    ("equity", "max(trading_bot_equity{%(of)s})", "{:,.2f}".format),
    ("deepest drawdown", "max(max_over_time(trading_bot_drawdown_ratio{%(of)s}[%(range)s]))", percent),
    ("Sharpe ratio", "max(trading_bot_sharpe_ratio{%(of)s})", "{:.2f}".format),
    ("up", "max(avg_over_time(trading_bot_up{%(of)s}[%(range)s]))", percent),
    ("failed calls", "max(avg_over_time(trading_bot_error_rate{%(of)s}[%(range)s]))", percent),
)
_KNOWN = "sort_desc(max by (bot) (max_over_time(trading_bot_up[%s])))"
_ALERTS = (
    "sort_desc(count by (alertname) (count by (alertname, bot) (max_over_time("
    'ALERTS{alertstate="firing",severity=~"critical|warning"%s}[%s]))))'
)


def report(bot: BotControl, period: str, window: str) -> Iterator[str]:
    """Yield a report of a bot, or of every bot where it has no name; `window` is PromQL's. Raises Unseen."""
    known = [sample.labels.get("bot", "") for sample in bot.senses.ask(_KNOWN % window)]
    names = [bot.name] if bot.name else sorted(known)
    yield f"{period}: {', '.join(names[:_BOTS]) or 'no bot is watched'}"
    for name in names[:_BOTS]:
        figures = ", ".join(_figures(bot, name, window))
        yield f"{name}: {figures or 'no figure of it is known'}"
    if len(names) > _BOTS:
        yield f"and {len(names) - _BOTS} more bots"
    of = for_bot(',bot="$bot"', bot.name) if bot.name else ""
    fired = [f"{s.labels['alertname']} of {s.value:.0f}" for s in bot.senses.ask(_ALERTS % (of, window))]
    yield f"alerts that fired: {', '.join(fired) or 'none'}"


def _figures(bot: BotControl, name: str, window: str) -> Iterator[str]:
    of = for_bot('bot="$bot"', name)
    for what, expression, write in _FIGURES:
        for sample in bot.senses.ask(expression % {"of": of, "range": window}):
            yield f"{what} {write(sample.value)}"
