"""Compares a bot's closed trades with its reference, where the settings name one (docs/edge.md)."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from typing import Final

from clients.backtest import BadReference, TradeResult, result_of
from clients.reference import Reference, reference_from, reference_of
from clients.trading import Trade
from exporter.analytics.edge import ALARMS, Limits, LiveTrades
from exporter.analytics.edge_limits import calibrated
from exporter.catalogue import Sample, known, sample
from stack.settings import Bot, Edge, OwnReference

_log = logging.getLogger(__name__)
# One at a time, beside all polls: a calibration takes a core for a second or two.
_CALIBRATIONS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="edge")
_BY_CLOSING: Final = attrgetter("closed_at", "key")


def edge_of(name: str, bot: Bot, *, wait: bool = False) -> "EdgeWatch | None":
    """Return the edge watch of a bot, None without a reference; `wait` for its limits at the first trade."""
    return EdgeWatch(name, bot.edge, wait=wait) if bot.edge else None


class EdgeWatch:
    """Keeps how the live trades stand. Its state is made of the bot's trades alone, so a restart keeps it.

    A reference that cannot be used is logged, counted and read again at each poll: only its metrics are
    absent.
    """

    def __init__(self, name: str, settings: Edge, *, wait: bool = False) -> None:
        self._name = name
        self._wait = wait
        self._named = settings.reference
        self._own = self._named.trades if isinstance(self._named, OwnReference) else None
        self._since = settings.since.timestamp() if settings.since else float("-inf")
        self._errors: Counter[str] = Counter()
        self._problem = ""
        self._waits = False  # for more own trades, or for others: the first ones cannot be a reference
        self._asked: tuple[TradeResult, ...] | None = None
        self._limits: Future[tuple[Reference, Limits]] | None = None
        self._reference: Reference | None = None
        self._live: LiveTrades | None = None

    def take(self, new: Sequence[Trade], past: Callable[[], Iterable[Trade]], *, again: bool = False) -> None:
        """Take the new trades; all of `past` `again` where they changed, or one is late."""
        trades = sorted(self._wanted(new), key=_BY_CLOSING)
        unknown = sum(result_of(trade) is None for trade in trades)
        if unknown:
            self._failed("stake", f"{unknown} trades tell no stake, so they are left out", unknown)
        if self._waits and not (trades or again):
            return
        if self._live is None or again or (trades and trades[0].closed_at < self._live.last_closed_at):
            self._replay(past)
        else:
            for each in filter(None, map(result_of, trades)):
                self._live.add(each)

    def samples(self) -> Iterator[Sample]:
        """Yield what is known."""
        for reason, count in self._errors.items():
            yield sample("edge_errors_total", count, reason=reason)
        if self._live is None or self._reference is None:
            return
        live, reference = self._live, self._reference
        yield sample("edge_trades", live.trades)
        for alarm in ALARMS:
            yield sample(f"edge_{alarm}", float(live.alarms(alarm)))
        for figure, of, used in live.used:
            yield sample("edge_cusum_used_ratio", used, figure=figure, alarm=of)
        yield sample("edge_equity_ratio", live.equity)
        yield sample("edge_drawdown_ratio", live.drawdown)
        for share, profit in live.cone:
            yield sample("edge_cone_ratio", profit, share=f"{share:g}")
        for confidence, fall in live.drawdowns:
            yield sample("edge_drawdown_limit_ratio", fall, confidence=f"{confidence:g}")
        for name, now, promised in (
            ("expectancy_ratio", live.expectancy, reference.expectancy),
            ("win_rate", live.win_rate, reference.win_rate),
            ("trades_per_day", live.per_day, reference.per_day),
            ("slippage_ratio", live.slippage.value, reference.slippage),
            ("fee_ratio", live.fees.value, reference.fees),
            ("holding_seconds", live.holding.value, reference.holding),
        ):
            yield from known(f"edge_{name}", now, of="live")
            yield from known(f"edge_{name}", promised, of="reference")

    def _wanted(self, trades: Iterable[Trade]) -> Iterator[Trade]:
        return (trade for trade in trades if trade.closed_at >= self._since)

    def _replay(self, past: Callable[[], Iterable[Trade]]) -> None:
        """Start again from all trades, once the limits are there."""
        self._live, self._waits = None, False
        results: tuple[TradeResult, ...] | None = None
        if self._own is not None:
            results = self._results(past)
            if len(results) < self._own:
                self._waits = True
                return
        found = self._calibration(() if results is None else results[: self._own])
        if found is None:
            return
        self._reference, limits = found
        self._live = LiveTrades(limits)
        for each in self._results(past) if results is None else results[self._own :]:
            self._live.add(each)

    def _results(self, past: Callable[[], Iterable[Trade]]) -> tuple[TradeResult, ...]:
        ordered = sorted(self._wanted(past()), key=_BY_CLOSING)
        return tuple(filter(None, map(result_of, ordered)))

    def _calibration(self, own: tuple[TradeResult, ...]) -> tuple[Reference, Limits] | None:
        """Return the reference with its limits, None until they are known; `own` may be its trades."""
        if self._limits is None or own != self._asked:
            self._asked = own
            self._limits = _CALIBRATIONS.submit(self._calibrate, own)
        if not self._wait and not self._limits.done():
            return None
        try:
            return self._limits.result()
        except BadReference as error:
            self._failed("reference", str(error))
            self._limits, self._waits = None, self._own is not None
            return None

    def _calibrate(self, own: tuple[TradeResult, ...]) -> tuple[Reference, Limits]:
        if not isinstance(self._named, OwnReference):
            reference = reference_from(self._named)
        else:
            reference = reference_of(own, f"its first {self._own} trades")
        return reference, calibrated(reference.profits, reference.per_year)

    def _failed(self, reason: str, problem: str, count: int = 1) -> None:
        self._errors[reason] += count
        if problem != self._problem:
            _log.error("the live trades cannot be compared: %s", problem, extra={"bot": self._name})
        self._problem = problem
