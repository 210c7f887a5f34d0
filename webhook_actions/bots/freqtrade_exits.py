"""Exits Freqtrade's trades down to a target, so that a repeat or a lost answer never sells more.

Freqtrade has no idempotency keys, and sells the whole trade if the amount is not below its size. So each
order follows a fresh read, no part is ordered while another exit waits to be filled, and after a lost answer
nothing is ordered until Freqtrade can no longer carry that order out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from clients.freqtrade import OpenTrade
from webhook_actions.bots.calls import Calls, refused, said
from webhook_actions.bots.protocol import Target
from webhook_actions.outcome import Outcome, Result

_EXIT = 20.0  # seconds of an exit: Freqtrade answers once the exchange has the order
_ORDERING = 20.0  # seconds within which orders start; the next attempt does the rest
_LATE = 45.0  # seconds after which Freqtrade no longer carries out an exit whose answer was lost
_LOOK_EVERY = 1.0  # seconds
_EVERY_TRADE = "all"


@dataclass
class _ExitOrders:
    """The orders by trade, and why the rest was not ordered."""

    ordered: list[str] = field(default_factory=list)
    failed: dict[str, Outcome] = field(default_factory=dict)
    orders: int = 0
    tried: set[int] = field(default_factory=set)

    def outcome(self) -> Outcome:
        """Return done if nothing is left to order, else the least final failure."""
        parts = [f"exit ordered: {', '.join(self.ordered)}"] if self.ordered else []
        parts += [f"{name}: {outcome.detail}" for name, outcome in self.failed.items()]
        detail = "; ".join(parts)[:1000] or "nothing was left to exit"
        results = {outcome.result for outcome in self.failed.values()}
        order = (Result.RETRY, Result.FAILED, Result.CANNOT)
        return Outcome(
            next((each for each in order if each in results), Result.DONE), detail, orders=self.orders
        )


class Exits:
    """Orders exits over one bot's API."""

    def __init__(self, calls: Calls, sleep: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._calls = calls
        self._sleep = sleep
        self._clock = clock
        self._call = ""
        # One exit of all, then single ones, the last of which may start as their time ends; reads in between.
        self.longest = _EXIT + _ORDERING + max(_EXIT, _LATE) + _LOOK_EVERY + 5 * calls.timeout

    def bring_to(self, target: Target, call: str) -> Outcome:
        """Exit what is above the target, one trade after the other, by `call`. Raises OrderRefused."""
        self._call = call
        told = _ExitOrders()
        ends = self._clock() + _ORDERING
        every = target.closes_all  # one call at first; a trade that is stuck would hold back the others
        while True:
            trades = self._calls.get(list[OpenTrade], "status")
            if isinstance(trades, Outcome):
                told.failed["its trades"] = trades
                return told.outcome()
            above = _above(target, trades)
            left = [(trade, keep) for trade, keep in above if trade.trade_id not in told.tried]
            if not left:
                return told.outcome()
            if self._clock() > ends:
                told.failed["the rest"] = Outcome.retry("left to the next attempt")
                return told.outcome()
            if every:
                every = False
                if not any(trade.exits_at_the_market for trade in trades):
                    self._exit_all(trades, told)
                    ends = self._clock() + _ORDERING
                    continue
            # Each attempt starts with another trade: one that hangs must not hold back the others for ever.
            self._exit(*left[int(self._clock()) % len(left)], told)

    def _exit_all(self, trades: list[OpenTrade], told: _ExitOrders) -> None:
        outcome, _ = self._force(_EVERY_TRADE)
        told.orders += outcome.orders
        if outcome.done:
            told.ordered.append("all")
            told.tried |= {trade.trade_id for trade in trades}

    def _exit(self, trade: OpenTrade, keep: float, told: _ExitOrders) -> None:
        """Exit a trade, or the part above `keep`."""
        told.tried.add(trade.trade_id)
        if keep and trade.amount is None:
            told.failed[trade.pair] = Outcome.cannot("it does not say how much it holds")
            return
        if trade.exits_at_the_market or (keep and trade.is_exiting):
            # A part that was ordered meanwhile would be sold twice.
            told.failed[trade.pair] = Outcome.retry("an exit waits to be filled")
            return
        part = trade.amount - keep if keep and trade.amount is not None else None
        began = self._clock()
        outcome, final = self._force(str(trade.trade_id), part)
        told.orders += outcome.orders
        if not outcome.done and outcome.orders and self._is_done(trade, part is None or final, began):
            outcome = Outcome.ok("the order took effect, although the bot sent no answer")
        if outcome.done:
            told.ordered.append(trade.pair)
        else:
            told.failed[trade.pair] = outcome

    def _force(self, trade: str, amount: float | None = None) -> tuple[Outcome, bool]:
        """Return the result of an order, and whether it is final: Freqtrade answered, or never got it."""
        body: dict[str, object] = {"tradeid": trade, "ordertype": "market"}
        body |= {} if amount is None else {"amount": amount}
        call = self._call
        answer = self._calls.send(call, body, timeout=_EXIT)
        if isinstance(answer, Outcome):
            return answer, answer.orders == 0
        if answer.ok:
            return Outcome.ok(said(f"POST {call}", answer), 1), True
        return refused(f"POST {call}", answer), answer.is_own

    def _is_done(self, before: OpenTrade, settled: bool, began: float) -> bool:
        """Return whether an order was done despite a bad answer; unless `settled`, wait while it may still be
        done.

        Freqtrade deletes an entry that was never filled, and answers 502.
        """
        while True:
            trades = self._calls.get(list[OpenTrade], "status")
            if not isinstance(trades, Outcome):
                now = next((trade for trade in trades if trade.trade_id == before.trade_id), None)
                if now is None or now.pair != before.pair or _has_shrunk(before, now):
                    return True
            if settled or self._clock() - began >= _LATE:
                return False
            self._sleep(_LOOK_EVERY)


def _above(target: Target, trades: list[OpenTrade]) -> list[tuple[OpenTrade, float]]:
    """Return the trades above their target, each with the quantity to keep."""
    excess = target.excess([trade.position(None) for trade in trades])
    return [(trade, each.keep) for trade, each in zip(trades, excess, strict=True) if each]


def _has_shrunk(before: OpenTrade, now: OpenTrade) -> bool:
    smaller = before.amount is not None and now.amount is not None and now.amount < before.amount
    return smaller or now.exits_at_the_market or (now.is_exiting and not before.is_exiting)
