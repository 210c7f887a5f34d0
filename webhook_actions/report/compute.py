"""Computes a report from Prometheus's history and the exporter's trades; the database adds the incidents."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from clients.exporter import ClosedTrades, TradesUnavailable, told_trades
from clients.observer import Observer
from stack.settings import Settings
from webhook_actions.report import assessment, standing, trades
from webhook_actions.report.edge import edge
from webhook_actions.report.history import History, figures
from webhook_actions.report.model import Report
from webhook_actions.report.period import Period

_SLACK = 120.0  # seconds that a bot may be seen late before a note says so
_UNKNOWN = ClosedTrades((), 0, None)


class Reporter:
    """Computes the reports that summaries ask for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(
        self, observer: Observer, period_name: str, bot: str, due_at: datetime | None
    ) -> tuple[Report, ...]:
        """Return a bot's report, or each bot's without a name, of a day, week or month. Raises Unanswered.

        The period ends at the set time of the summary that was due at `due_at`, without one it ends now.
        """
        if due_at is not None:
            period = Period.due(self._settings, period_name, due_at)
        else:
            period = Period.parse(period_name, datetime.now(ZoneInfo(self._settings.timezone)))
        return tuple(
            compute(self._settings, observer, name, period)
            for name in ([bot] if bot else self._settings.bots)
        )


def compute(settings: Settings, observer: Observer, bot: str, period: Period) -> Report:
    """Return the report of a bot. Raises Unanswered where Prometheus does not answer."""
    zone = ZoneInfo(settings.timezone)
    now, before = History(observer, bot, period), History(observer, bot, period.before)
    known_from = now.known_from()
    notes = list(_notes(period, known_from, now.known_from("profit_loss")))
    try:
        start, end = period.before.start.timestamp(), period.end.timestamp()
        # many trades take longer than a state
        told = told_trades(settings, bot, start, end, max(float(settings.collection.timeout), 5.0))
        these, those = trades.within(told.trades, period), trades.within(told.trades, period.before)
        traded = trades.figures(these, those)
    except TradesUnavailable as untold:
        notes.append(f"Trades are missing: {untold}.")
        told, these, traded = _UNKNOWN, [], []
    else:
        if told.left_out:
            notes.append(f"The {told.left_out} oldest trades were too many for one report.")
        if not these:
            notes.append("No trade closed in this period.")
    watched = settings.bots.get(bot)
    return Report(
        bot=bot,
        period=period.name,
        start=period.start.timestamp(),
        end=period.end.timestamp(),
        zone=settings.timezone,
        currency=(watched and watched.currency) or settings.currency,
        known_from=known_from,
        notes=tuple(notes),
        figures=(*figures(now, before), *traded),
        score=assessment.score(now, before),
        parts=assessment.parts(settings, now),
        benchmarks=assessment.benchmarks(settings, now),
        objectives=assessment.objectives(settings, now),
        proposals=assessment.proposals(settings, now),
        symbols=trades.by_symbol(these),
        hours=trades.by_hour(these, zone),
        bars=trades.bars(these, period) if these else (),
        equity=now.line("equity"),
        drawdown=now.line("drawdown_ratio"),
        state=standing.state(now),
        positions=standing.positions(now),
        edge=edge(now),
    )


def _notes(period: Period, known_from: float | None, told_from: float | None) -> list[str]:
    """Return notes on a part of the period without data; data before the bot was seen were back-filled."""
    if known_from is None:
        return ["Nightdesk did not see this bot in this period: all but its trades is unknown."]
    if known_from - period.start.timestamp() <= _SLACK:
        return []
    zone = period.end.tzinfo or UTC
    first = datetime.fromtimestamp(known_from, zone)
    seen = f"Nightdesk has seen this bot since {first:%a %d %b %H:%M} only"
    if told_from is not None and known_from - told_from > _SLACK:
        return [f"{seen}; earlier figures come from its closed trades."]
    return [f"{seen}; figures begin there."]
