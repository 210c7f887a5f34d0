"""Finds what a bot's losing trades have in common."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from clients.observer import for_bot
from clients.trading import Trade
from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import findings, money, percent, span
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident

_TRADES = 500  # the last closed trades
_WORST = 3  # groups in the report, of each kind
_HELD = ((300.0, "under 5 m"), (3600.0, "5 m to 1 h"), (86_400.0, "1 h to 1 d"))
_HOURS = 7 * 24  # counters that are read
_HOUR = 3600.0
_LOST_IN_AN_HOUR = (
    'sum(max by (symbol, side) (increase(trading_bot_trades_total{bot="$bot",outcome="lost"}[1h])))'
)
_COUNTS = 'max by (symbol, side, outcome) (trading_bot_trades_total{bot="$bot"})'


@action("analyze_losing_trades", effect=Effect.OBSERVE)
@findings
def analyze_losing_trades(bot: BotControl, incident: Incident) -> Iterable[str]:
    """Report where the losing trades were made: symbol, side, hour of the day, holding time.

    It uses the bot's own trades; if the bot has no API, its counters in Prometheus, without money.
    """
    trades = bot.trades(_TRADES)
    if isinstance(trades, Outcome):
        yield f"{trades.detail}; from its counters:"
        yield from _counted(bot)
    elif trades:
        yield from _analysed(trades)


def _analysed(trades: Sequence[Trade]) -> Iterator[str]:
    won = [trade for trade in trades if trade.profit > 0]
    lost = [trade for trade in trades if trade.profit < 0]
    yield (
        f"last {len(trades)} trades: {len(won)} won {money(_sum(won))}, {len(lost)} lost "
        f"{money(_sum(lost))}, win rate {percent(len(won) / len(trades))}"
    )
    if not lost:
        return
    yield _worst("symbol", trades, lambda trade: trade.symbol)
    yield _worst("side", trades, lambda trade: trade.side)
    yield _worst("hour of closing, UTC", trades, lambda t: f"{datetime.fromtimestamp(t.closed_at, UTC):%H}h")
    yield _worst("holding time", trades, _held)
    yield f"held on average: {span(_mean_held(lost))} with a loss" + (
        f", {span(_mean_held(won))} with a profit" if won else ""
    )
    worst = min(lost, key=lambda trade: trade.profit)
    yield (
        f"largest loss: {worst.symbol} {worst.side} {money(worst.profit)}, closed "
        f"{datetime.fromtimestamp(worst.closed_at, UTC):%Y-%m-%d %H:%M} UTC"
    )


def _worst(kind: str, trades: Iterable[Trade], group: Callable[[Trade], str]) -> str:
    """Return a line with the groups that lost most money."""
    groups: dict[str, list[Trade]] = {}
    for trade in trades:
        groups.setdefault(group(trade), []).append(trade)
    losing = sorted((_sum(members), name) for name, members in groups.items() if _sum(members) < 0)
    told = [
        f"{name} {money(total)} ({sum(t.profit < 0 for t in groups[name])} of {len(groups[name])} lost)"
        for total, name in losing[:_WORST]
    ]
    return f"by {kind}: {', '.join(told) or 'none lost in all'}"


def _counted(bot: BotControl) -> Iterator[str]:
    lost: dict[tuple[str, str], float] = {}
    closed: dict[tuple[str, str], float] = {}
    for sample in bot.ask(_COUNTS):
        place = (sample.labels.get("symbol", ""), sample.labels.get("side", ""))
        closed[place] = closed.get(place, 0) + sample.value
        if sample.labels.get("outcome") == "lost":
            lost[place] = lost.get(place, 0) + sample.value
    for place, count in sorted(lost.items(), key=lambda each: -each[1])[:_WORST]:
        if count:
            yield f"{' '.join(place)}: {count:g} of {closed[place]:g} lost"
    yield from _counted_by_hour(bot)
    held = bot.number('trading_bot_position_duration_avg_seconds{bot="$bot"}')
    if held is not None:
        yield f"held on average: {span(held)}"


def _counted_by_hour(bot: BotControl) -> Iterator[str]:
    """Yield the hours of the day with the most losing trades within a week."""
    lost: dict[str, float] = {}
    for series in bot.observer.ask_range(for_bot(_LOST_IN_AN_HOUR, bot.name), _HOURS * _HOUR, _HOUR):
        for at, count in series.points:
            hour = f"{datetime.fromtimestamp(at - _HOUR / 2, UTC):%H}h"  # the middle of the counted hour
            lost[hour] = lost.get(hour, 0) + count
    worst = [
        f"{hour} {count:.0f}" for hour, count in sorted(lost.items(), key=lambda each: -each[1]) if count
    ]
    if worst:
        yield f"lost by hour of the day, UTC, within a week: {', '.join(worst[:_WORST])}"


def _held(trade: Trade) -> str:
    seconds = trade.closed_at - trade.opened_at
    return next((name for limit, name in _HELD if seconds < limit), "over 1 d")


def _mean_held(trades: Sequence[Trade]) -> float:
    return sum(trade.closed_at - trade.opened_at for trade in trades) / len(trades)


def _sum(trades: Iterable[Trade]) -> float:
    return sum(trade.profit for trade in trades)
