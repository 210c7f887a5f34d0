"""Trades: advances market, model, exchange and account through time. Reads no clock and touches no file."""

import json
import logging
from dataclasses import dataclass, field
from random import Random

from demo_bot.account import Book, ClosedTrade, Position
from demo_bot.conditions import Conditions, Diary
from demo_bot.exchange import Exchange
from demo_bot.market import Walk
from demo_bot.model import Model
from demo_bot.strategy import Order, Style, exit_reason

POLL_SECONDS = 1.0  # the longest seconds between polls; a bot that enters more often polls more often
FRESH_SECONDS = 10.0  # no entry on an older price
FILL_POLLS = (0.2, 1.0)  # how long an order waits, in multiples of the poll interval
FOR_EVER = 10 * 365 * 86_400.0  # seconds
HOLD_PACES = 4.0  # how long a position is held, in multiples of the mean time between entries


@dataclass
class Simulation:
    """The bot without its clock, files and callers. `pace` is the mean time between entries, in seconds."""

    rng: Random
    walk: Walk
    book: Book
    pace: float
    now: float
    conditions: Conditions = field(default_factory=Conditions)
    diary: Diary = field(default_factory=Diary)

    def __post_init__(self) -> None:
        self.exchange = Exchange(self.rng, self.conditions, self.diary)
        self.model = Model(self.rng, self.conditions, self.now)
        self.style = Style(hold_seconds=self.pace * HOLD_PACES)
        self.paused = False
        self.pending: list[Order] = []
        self.prices = self.walk.prices  # the last values that the bot saw
        self.feeds: dict[str, float] = {}
        self.last_activity_at = self.now
        self.usual_poll_seconds = self.poll_seconds = min(POLL_SECONDS, self.pace)
        self.closed: list[ClosedTrade] = []
        self.positions_changed = False
        self._polled_at = self.now - self.poll_seconds
        self._next_entry_at = self.now
        self._errors_due = 0.0

    def step(self, now: float) -> None:
        """Run until the unix time `now`."""
        elapsed, self.now = max(0.0, now - self.now), now
        self.walk.advance(now)
        self._flood_log(elapsed)
        if self.conditions.loop_hang:
            return
        if now - self._polled_at >= self.poll_seconds or now < self._polled_at:
            self._polled_at = now
            self._poll()
        self._exit()
        self._fill()
        self._enter()
        self.last_activity_at = now

    def take_closed(self) -> list[ClosedTrade]:
        """Return the trades closed since the last call, oldest first."""
        taken, self.closed = self.closed, []
        return taken

    def close(self, position: Position, reason: str, share: float = 1.0) -> bool:
        """Close a share of a position at the market price and return whether the exchange took the order."""
        taken = self.exchange.call("create_order", position.symbol)
        if taken:
            self._settle(position, reason, share)
        return taken

    def crash_market(self, ratio: float) -> None:
        """Lose `ratio` of the equity: all money long in two symbols, which then fall; one of the two is sold.

        Two thirds of the equity fall by one and a half times the ratio. These orders never fail.
        """
        for position in list(self.book.positions.values()):
            self._settle(position, "market crash")
        self.pending.clear()
        stake = self.book.equity(self.prices) / 3
        doomed = self.rng.sample(sorted(self.prices), 2)
        far = self.now + FOR_EVER
        fallen = []
        for symbol in doomed:
            price = self.prices[symbol]
            fallen.append(
                self.book.open(
                    symbol, "long", stake, price, self.now, stop=price / 10, target=price, until=far
                )
            )
            self.walk.gap(symbol, -1.5 * ratio)
            self.prices[symbol] = self.walk.prices[symbol]
        self.diary.note(
            "trader", logging.WARNING, f"Market crash: {', '.join(doomed)} fell by {1.5 * ratio:.0%}"
        )
        self._settle(fallen[0], "stop loss")

    def _settle(self, position: Position, reason: str, share: float = 1.0) -> None:
        asked = self.prices[position.symbol]
        filled = self._filled(asked, bought=position.side == "short")
        trade = self.book.close(position.id, filled, self.now, share, requested=asked)
        self.closed.append(trade)
        self.positions_changed = True
        self._say(
            f"Position closed: {trade.side} {trade.symbol}, size {trade.size:.6g} at {trade.exit_price:.6g}, "
            f"profit {trade.profit:.4f}, {reason} (trade {trade.id}, position {position.id})"
        )

    def _poll(self) -> None:
        """Request every price, and let the model predict where a new one came."""
        for symbol, price in self.walk.prices.items():
            if self.exchange.call("fetch_ticker", symbol) and not self.conditions.stale_data:
                self.prices[symbol] = price
                self.feeds[symbol] = self.now
                self.model.predict(self.walk.series[symbol].mood > 0, self.now)

    def _exit(self) -> None:
        for position in list(self.book.positions.values()):
            reason = exit_reason(position, self.prices[position.symbol], self.now)
            if reason is None:
                continue
            if reason != "holding time":
                self._say(f"{reason.capitalize()} reached for {position.symbol} (position {position.id})")
            self.close(position, reason)

    def _enter(self) -> None:
        """Place the due orders; the bot does not catch up on those that it missed while it stood still."""
        due = 0
        while self._next_entry_at <= self.now:
            self._next_entry_at += self.rng.expovariate(1 / self.pace)
            due += 1
            if due == self.style.max_positions:
                self._next_entry_at = self.now + self.pace
        for _ in range(due):
            if not self.paused:
                self._place()

    def _place(self) -> None:
        symbol = self.rng.choice(sorted(self.prices))
        equity = self.book.equity(self.prices)
        # Profit is not staked again: a demo that runs for months must not grow without bound.
        stake = self.style.stake(min(equity, self.book.starting_capital))
        at_work = self.book.exposure(self.prices) + sum(order.stake for order in self.pending)
        if (
            len(self.book.positions) + len(self.pending) >= self.style.max_positions
            or at_work + stake > self.style.max_exposure(equity)
            or self.now - self.feeds.get(symbol, 0) > FRESH_SECONDS
        ):
            return
        rises = self.model.predict(self.walk.series[symbol].mood > 0, self.now)
        if rises is None or not self.exchange.call("create_order", symbol):
            return
        order = Order(
            symbol,
            "long" if rises else "short",
            stake,
            self.now,
            self.now + self.rng.uniform(*FILL_POLLS) * self.poll_seconds,
            self.prices[symbol],
        )
        self.pending.append(order)
        self._say(f"Order placed: {order.side} {symbol}, stake {stake:.2f} at {self.prices[symbol]:.6g}")

    def _fill(self) -> None:
        if self.conditions.stuck_orders:
            return
        for order in [order for order in self.pending if order.fill_at <= self.now]:
            self.pending.remove(order)
            price = self._filled(self.prices[order.symbol], bought=order.side == "long")
            bounds = self.style.bounds(order.side, price, self.now)
            position = self.book.open(
                order.symbol, order.side, order.stake, price, self.now,
                stop=bounds.stop, target=bounds.target, until=bounds.until, requested=order.price,
            )  # fmt: skip
            self.positions_changed = True
            self._say(
                f"Position opened: {order.side} {order.symbol}, size {position.size:.6g} at {price:.6g} "
                f"(position {position.id})"
            )

    def _filled(self, price: float, *, bought: bool) -> float:
        """Return the price at which the exchange fills an order."""
        worse = self.conditions.worse_fills
        return price if worse is None else price * (1 + (1 if bought else -1) * worse.basis_points / 10_000)

    def _flood_log(self, elapsed: float) -> None:
        flood = self.conditions.log_errors
        if flood is None:
            self._errors_due = 0.0
            return
        self._errors_due += min(elapsed, 1.0) * flood.per_second
        for count in range(int(self._errors_due)):
            try:
                json.loads("<html>502 Bad Gateway</html>")
            except ValueError as error:
                text = f"Failed to read the order book: {error}"
                self.diary.note("exchange", logging.ERROR, text, error if count % 5 == 0 else None)
        self._errors_due %= 1

    def _say(self, text: str) -> None:
        self.diary.note("trader", logging.INFO, text)
