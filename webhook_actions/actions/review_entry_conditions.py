"""Reviews what keeps a bot from opening positions."""

from collections.abc import Iterable, Iterator

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import findings, percent, span
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


def _ago(seconds: float) -> str:
    return f"{span(seconds)} ago"


_FIGURES = (
    ("trades an hour", 'trading_bot_trades_per_hour{bot="$bot"}', "{:.2f}".format),
    ("trades in 24 h", 'trading_bot_trades_per_day{bot="$bot"}', "{:.0f}".format),
    ("last trade closed", 'time() - trading_bot_last_trade_timestamp_seconds{bot="$bot"}', _ago),
    ("open positions", 'sum(max by (symbol) (trading_bot_active_positions{bot="$bot"}))', "{:.0f}".format),
    ("pending orders", 'trading_bot_pending_orders{bot="$bot"}', "{:.0f}".format),
    ("exposure", 'trading_bot_current_exposure{bot="$bot"}', "{:,.2f}".format),
    ("of the exposure that it may have", 'trading_bot_risk_utilization_ratio{bot="$bot"}', percent),
    ("confidence of predictions", 'min(trading_bot_prediction_confidence{bot="$bot"})', percent),
    ("predictions an hour", 'max(trading_bot_predictions_per_hour{bot="$bot"})', "{:.1f}".format),
    ("calls to the exchange that fail", 'trading_bot_error_rate{bot="$bot"}', percent),
)  # fmt: skip


@action("review_entry_conditions", effect=Effect.OBSERVE)
@findings
def review_entry_conditions(bot: BotControl, incident: Incident) -> Iterable[str]:
    """Report whether the bot may open positions, and what prevents it: exposure, orders, predictions."""
    standing = bot.standing()
    if isinstance(standing, Outcome):
        yield f"its state is unknown: {standing.detail}"
    else:
        locked = ", locked against entries" if standing.locked else ""
        yield f"state: {standing.state}{locked}; it {'may' if standing.enters else 'does not'} enter"
    for name, expression, write in _FIGURES:
        value = bot.number(expression)
        if value is not None:
            yield f"{name}: {write(value)}"
    yield from _refused(bot)


def _refused(bot: BotControl) -> Iterator[str]:
    """Yield the log's events about orders, most frequent first."""
    events = bot.ask(
        "topk(3, max by (event) (increase("
        'trading_bot_log_events_total{bot="$bot",event=~"(?i).*(order|balance|fund|reject).*"}[1h])) > 0)'
    )
    for sample in sorted(events, key=lambda each: -each.value):
        yield f"in the log within 1 h: {sample.labels.get('event', '')}, {sample.value:.0f} times"
