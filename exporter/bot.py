"""One watched bot: turns its readings into samples."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from math import isclose

from exporter.analytics.calls import CallWindow
from exporter.analytics.curve import Baseline, Event, Transfer
from exporter.analytics.ledger import Conventions, Ledger
from exporter.analytics.profit import Made, made
from exporter.capital import CapitalFile
from exporter.catalogue import Sample, known, sample
from exporter.edge import EdgeWatch
from exporter.limits.figures import Clock, Figures
from exporter.period_starts import PeriodStarts
from exporter.positions import of_dangers, of_orders, of_positions
from exporter.reading import STATES, Reading
from exporter.sources import Input
from exporter.trade_history import TradeHistory
from stack.settings import Bot


class WatchedBot:
    """Keeps a bot's trades and the figures that are compared between polls.

    `window` is the window of rates in seconds. `past` is the bot's state under earlier settings. `kept` has
    the bot's capital from an earlier start.
    """

    def __init__(
        self,
        settings: Bot,
        conventions: Conventions,
        window: float,
        past: TradeHistory | None = None,
        kept: CapitalFile | None = None,
        marks: PeriodStarts | None = None,
        edge: EdgeWatch | None = None,
    ) -> None:
        self._settings = settings
        self._ledger = Ledger(conventions, tuple(_events(settings)))
        self.past = past or TradeHistory()
        self._kept = kept
        self._marks = marks or PeriodStarts(conventions.zone)
        if past is None and kept is not None:
            self.past.capital = kept.read()
        self._edge = edge
        self._calls = CallWindow(window)
        self._cap = conventions.symbols
        self._symbols: dict[str, None] = {}  # every symbol that was open, oldest first
        self._restarted = False

    def take(self, reading: Reading, said: Input) -> list[Sample]:
        """Return the known samples of a reading. Count in `said` what exceeds the cap."""
        self.learn(reading)
        if self._ledger.unnamed_symbols:
            said.over_cap["traded symbols"] = self._ledger.unnamed_symbols
        return [
            sample("up", 1),
            *self._loop(reading),
            *self._money(reading),
            *self._positions(reading),
            *of_positions(reading.positions, reading.time, said, stops=self._settings.stops),
            *of_orders(reading.orders, reading.time),
            *self._history(reading.time),
            *self._ratios(reading.time),
            *self._execution(reading.time),
            *self._api(reading),
            *self.edge(),
            *reading.samples,
        ]

    def steady_until(self, now: float) -> float:
        """Return the unix time until which an unchanged reading gives the same samples."""
        return self._ledger.steady_until(now)

    def learn(self, reading: Reading) -> None:
        """Take the trades and the capital of a reading."""
        if reading.history_restarted:
            if self._ledger.trades:
                self.past.capital = None
                self._restarted = True
            self._ledger.clear()
            self.past.clear()
            self._marks.clear()
        new, corrected = self.past.add(reading.trades)
        self.past.told = True
        # The ledger may be empty after a change of settings: then every trade known before is new to it.
        self._ledger.add(new if self._ledger.trades else self.past.trades(), self.past.capital)
        if corrected:
            self._ledger.correct(self.past.trades(), self.past.capital)
        if self._edge is not None:
            self._edge.take(new, self.past.trades, again=corrected or reading.history_restarted)
        self.past.capital = self._capital(reading)
        self._ledger.add((), self.past.capital)

    def figures(self, reading: Reading, now: float, clocks: Collection[Clock]) -> Figures:
        """Return the figures that loss limits need from the latest reading. `clocks` say when days begin."""
        made_in_all = self.made(reading, now)
        days = {clock: clock.day(now) for clock in clocks}
        # A bot that made nothing since its start made nothing today. Any other profit may come from
        # unreported trades.
        none = 0.0 if made_in_all.realised == 0 else None
        made = {
            clock: self._ledger.closed_since(day) if self._ledger.trades else none
            for clock, day in days.items()
        }
        restarted, self._restarted = self._restarted, False
        closed = {clock: (days[clock], profit) for clock, profit in made.items() if profit is not None}
        return replace(made_in_all, closed=closed, restarted=restarted)

    def made(self, reading: Reading, now: float) -> Figures:
        """Return the profit since the bot's start in a reading, which `take` need not have seen."""
        capital, moved = self.past.capital, self._moved(now)
        profit = reading.profit_loss
        if profit is None and reading.equity is not None and capital is not None:
            profit = reading.equity - capital - moved
        return Figures(capital, moved, reading.pnl.get("total", self._ledger.profit), profit)

    def edge(self) -> list[Sample]:
        """Return how its closed trades stand, which stays known while it does not answer."""
        return list(self._edge.samples()) if self._edge else []

    def glance(self, reading: Reading) -> list[Sample]:
        """Return a reading's money; the bot's trades stay as they are."""
        equity, drawdown = self._worth(reading)
        positions = reading.open_symbols
        return [
            *known("guard_equity", equity),
            *known("guard_drawdown_ratio", drawdown),
            *known("guard_open_positions", None if positions is None else len(positions)),
            *of_dangers(reading.positions, stops=self._settings.stops),
        ]

    def blind(self, samples: Iterable[Sample]) -> str:
        """Return why this bot's samples can fire no drawdown alert, or an empty text if they can."""
        if any(each.metric.name == "drawdown_ratio" for each in samples):
            return ""
        if self.past.capital is None:
            return "drawdown alerts cannot fire without starting_capital or equity history"
        return "drawdown alerts cannot fire while the bot reports neither equity nor profit_open"

    def _capital(self, reading: Reading) -> float | None:
        """Return the equity before the first trade and all transfers, or None if it is unknown.

        The settings' capital overrules the bot's. A bot may report no capital: then it is the first equity
        less the profits until then.
        """
        moved = self._moved(reading.time)
        if self._settings.starting_capital is not None:
            return self._settings.starting_capital
        if reading.starting_capital is not None:
            return reading.starting_capital - (moved if reading.capital_has_transfers else 0.0)
        if self.past.capital is not None or reading.equity is None:
            return self.past.capital
        made = (reading.profit_loss, reading.pnl.get("total"), self._ledger.profit, 0.0)
        found = reading.equity - moved - next(each for each in made if each is not None)
        if self._kept is not None:
            self._kept.write(found)
        return found

    def _moved(self, now: float) -> float:
        """Return the declared deposits less the withdrawals until a unix time."""
        return sum(move.amount for move in self._settings.transfers if move.at.timestamp() <= now)

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
        yield from self._made(reading)
        equity, drawdown = self._worth(reading)
        yield from known("drawdown_ratio", drawdown)
        if equity is not None:
            yield sample("equity", equity)
            for confidence, (at_risk, shortfall) in self._ledger.ratios(reading.time).tails:
                yield sample("value_at_risk_money", at_risk * equity, confidence=confidence)
                yield sample("expected_shortfall_money", shortfall * equity, confidence=confidence)
        limit = self._settings.max_exposure
        if limit is None:
            limit = reading.max_exposure
        yield from known("current_exposure", reading.exposure)
        yield from known("max_exposure", limit)
        if reading.exposure is not None and limit:
            yield from known("risk_utilization_ratio", reading.exposure / limit)

    def _made(self, reading: Reading) -> Iterator[Sample]:
        # Freqtrade's own days are in UTC. Its total includes trades that it no longer lists.
        closed = dict(reading.pnl) | self._ledger.pnl(reading.time)
        if "total" not in closed and self._ledger.profit is not None:
            closed["total"] = self._ledger.profit
        for window, profit in closed.items():
            yield sample("pnl", profit, window=window)
        ends = self._ledger.ends(reading.time)
        for each in self._by_window(reading, closed):
            if each.closed is not None:
                yield from known(
                    "pnl_window_end_timestamp_seconds", ends.get(each.window), window=each.window
                )
            yield from known("pnl_open", each.open, window=each.window)
            yield from known("pnl_all", each.all, window=each.window)
            for counts, ratio in each.ratios():
                yield sample("pnl_ratio", ratio, window=each.window, counts=counts)

    def _by_window(self, reading: Reading, closed: Mapping[str, float]) -> tuple[Made, ...]:
        total, now, capital = closed.get("total"), reading.time, self.past.capital
        put_in = None if capital is None else capital + self._moved(now)
        if reading.profit_loss is None or total is None:
            return made(closed, None, {}, put_in)
        unrealised = reading.profit_loss - total
        nothing_yet = not self._ledger.trades and total == unrealised == 0
        self._marks.take(
            now, unrealised, nothing_yet=nothing_yet, was_flat=lambda moment: self._was_flat(reading, moment)
        )
        return made(closed, unrealised, self._marks.changed(now, unrealised), put_in)

    def _was_flat(self, reading: Reading, moment: float) -> bool | None:
        """Return whether trades and positions show that nothing was open at a unix time; None: not known yet.

        One position that was open then decides it. Otherwise every position must have its opening time, and
        the trades must explain the whole profit: a trade may close between two answers of the bot.
        """
        opened = [each.opened_at for each in reading.positions]
        if any(at is not None and at < moment for at in opened) or self.past.was_open(moment):
            return False
        if reading.open_symbols is None or len(reading.open_symbols) != len(opened) or None in opened:
            return False
        made, of_trades = reading.pnl.get("total"), self._ledger.profit or 0.0
        return True if made is not None and isclose(made, of_trades, rel_tol=1e-6, abs_tol=1e-6) else None

    def _worth(self, reading: Reading) -> tuple[float | None, float | None]:
        """Return the equity and its fall from the highest value; None for an unknown one."""
        equity, made = reading.equity, reading.profit_loss
        told = equity is not None or reading.equity_refused
        if not told and self.past.capital is not None and made is not None:
            equity = self.past.capital + self._moved(reading.time) + made
        if equity is None:
            return None, None
        return equity, self._ledger.drawdown(reading.time, equity, made, reading.exposure)

    def _positions(self, reading: Reading) -> Iterator[Sample]:
        if reading.open_symbols is not None:
            counts = dict.fromkeys(reading.open_symbols, 0)
            for symbol in reading.open_symbols:
                counts[symbol] += 1
            # Open symbols come first: the cap cuts the end.
            for symbol in dict.fromkeys((*counts, *self._symbols)):
                yield sample("active_positions", counts.get(symbol, 0), symbol=symbol)
            for symbol in counts:
                if len(self._symbols) < self._cap:
                    self._symbols[symbol] = None
        yield from known("pending_orders", reading.pending_orders)

    def _history(self, now: float) -> Iterator[Sample]:
        ledger = self._ledger
        for (symbol, side, outcome), count in ledger.counts.items():
            yield sample("trades_total", count, symbol=symbol, side=side, outcome=outcome)
        for symbol, profit in ledger.profits.items():
            yield sample("symbol_pnl", profit, symbol=symbol)
        yield from known("win_rate", ledger.win_rate)
        yield from known("max_drawdown_ratio", ledger.max_drawdown)
        yield from known("profit_factor", ledger.profit_factor)
        yield from known("recovery_factor", ledger.recovery_factor)
        yield from known("expectancy", ledger.expectancy)
        yield from known("trades_per_hour", ledger.per_hour(now))
        yield from known("trades_per_day", ledger.per_day(now))
        yield from known("last_trade_timestamp_seconds", ledger.last_closed_at(now))
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
            yield from known("value_at_risk", at_risk, confidence=confidence)
            yield from known("expected_shortfall", shortfall, confidence=confidence)

    def _execution(self, now: float) -> Iterator[Sample]:
        for fills in self._ledger.execution.fills(now):
            about = {"leg": fills.leg, "span": fills.span}
            yield sample("slippage_fills", fills.count, **about)
            yield sample("slippage_mean_basis_points", fills.mean, **about)
            yield sample("slippage_p95_basis_points", fills.p95, **about)
        for name, windows in self._ledger.costs(now).items():
            for window, money in windows.items():
                yield sample(name, money, window=window)

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


def _events(settings: Bot) -> Iterator[Event]:
    """Yield the declared changes of equity that are no trades."""
    for transfer in settings.transfers:
        yield Transfer(transfer.at.timestamp(), transfer.amount)
    if settings.drawdown_baseline is not None:
        yield Baseline(settings.drawdown_baseline.at.timestamp(), settings.drawdown_baseline.equity)
