"""One watched bot: what it said and what follows from it, as samples."""

from collections.abc import Iterator
from datetime import tzinfo
from zoneinfo import ZoneInfo

from exporter.analytics.calls import CallWindow
from exporter.analytics.ledger import Ledger
from exporter.catalogue import Sample, known, sample
from exporter.reading import STATES, Reading
from stack.settings import Bot


class WatchedBot:
    """Keeps a bot's trades and what must be compared between polls; `window` (of rates) is seconds."""

    def __init__(self, settings: Bot, zone: tzinfo | ZoneInfo, days_per_year: int, window: float) -> None:
        self._settings = settings
        self._ledger = Ledger(zone, days_per_year)
        self._calls = CallWindow(window)
        self._symbols: dict[str, None] = {}  # every symbol that was open, in the order met

    def take(self, reading: Reading) -> list[Sample]:
        """Return the samples of a reading. What is unknown is left out."""
        capital = reading.starting_capital
        if capital is None:
            capital = self._settings.starting_capital
        if reading.history_restarted:
            self._ledger.clear()
        self._ledger.add(reading.trades, capital)
        return [
            sample("up", 1),
            *self._loop(reading),
            *self._money(reading),
            *self._positions(reading),
            *self._history(reading.time),
            *self._ratios(reading.time),
            *self._api(reading),
            *reading.samples,
        ]

    @staticmethod
    def _loop(reading: Reading) -> Iterator[Sample]:
        started = reading.started_at
        yield from known("start_time_seconds", started)
        yield from known("uptime_seconds", None if started is None else max(0.0, reading.time - started))
        yield from known("last_activity_timestamp_seconds", reading.last_activity_at)
        if reading.state is not None:
            for state in STATES:
                yield sample("state", float(state == reading.state), state=state)
        for feed, age in reading.data_ages.items():
            yield sample("data_freshness_seconds", age, feed=feed)

    def _money(self, reading: Reading) -> Iterator[Sample]:
        yield from known("profit_loss", reading.profit_loss)
        for window, profit in (self._ledger.pnl(reading.time) | dict(reading.pnl)).items():
            yield sample("pnl", profit, window=window)
        yield from known("equity", reading.equity)
        if reading.equity is not None:
            yield from known("drawdown_ratio", self._ledger.drawdown(reading.equity))
        limit = self._settings.max_exposure
        if limit is None:
            limit = reading.max_exposure
        yield from known("current_exposure", reading.exposure)
        yield from known("max_exposure", limit)
        if reading.exposure is not None and limit:
            yield sample("risk_utilization_ratio", reading.exposure / limit)

    def _positions(self, reading: Reading) -> Iterator[Sample]:
        if reading.open_symbols is not None:
            counts = dict.fromkeys(reading.open_symbols, 0)
            for symbol in reading.open_symbols:
                counts[symbol] += 1
            # Open ones first: the cap cuts the end.
            for symbol in dict.fromkeys((*counts, *self._symbols)):
                yield sample("active_positions", counts.get(symbol, 0), symbol=symbol)
            self._symbols |= dict.fromkeys(counts)
        yield from known("pending_orders", reading.pending_orders)

    def _history(self, now: float) -> Iterator[Sample]:
        ledger = self._ledger
        for (symbol, side, outcome), count in ledger.counts.items():
            yield sample("trades_total", count, symbol=symbol, side=side, outcome=outcome)
        yield from known("win_rate", ledger.win_rate)
        yield from known("max_drawdown_ratio", ledger.max_drawdown)
        yield from known("profit_factor", ledger.profit_factor)
        yield from known("recovery_factor", ledger.recovery_factor)
        yield from known("expectancy", ledger.expectancy)
        yield from known("trades_per_hour", ledger.per_hour(now))
        yield from known("trades_per_day", ledger.per_day(now))
        yield from known("last_trade_timestamp_seconds", ledger.last_closed_at)
        yield from known("position_size_avg", ledger.mean_stake)
        yield from known("position_duration_avg_seconds", ledger.mean_duration)
        yield from known("max_consecutive_wins", ledger.longest_wins)
        yield from known("max_consecutive_losses", ledger.longest_losses)

    def _ratios(self, now: float) -> Iterator[Sample]:
        ratios = self._ledger.ratios(now)
        yield from known("sharpe_ratio", ratios.sharpe)
        yield from known("sortino_ratio", ratios.sortino)
        yield from known("calmar_ratio", ratios.calmar)
        for confidence, (at_risk, shortfall) in ratios.tails:
            yield sample("value_at_risk", at_risk, confidence=confidence)
            yield sample("expected_shortfall", shortfall, confidence=confidence)

    def _api(self, reading: Reading) -> Iterator[Sample]:
        yield from known("error_rate", reading.error_rate)
        if reading.api is None:
            return
        yield sample("api_requests_total", reading.api.ok, outcome="ok")
        yield sample("api_requests_total", reading.api.error, outcome="error")
        rates = self._calls.add(reading.api, reading.time)
        if rates is not None:
            yield from known("error_rate", rates.error_rate)
            yield sample("api_calls_per_minute", rates.per_minute)
