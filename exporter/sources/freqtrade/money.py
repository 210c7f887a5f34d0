"""Computes a Freqtrade's profit between two answers of /profit from its open trades: /profit is costly."""

from clients.freqtrade import OpenTrade, Profit
from exporter.reading import Reading


class OpenMoney:
    """The profit of all trades at the last /profit, and each open trade's profit at that time.

    A trade that has closed since then counts with its last seen profit.
    """

    def __init__(self) -> None:
        self._told: Profit | None = None
        self._reading: Reading | None = None
        self._then: dict[int, float] | None = None
        self._last: dict[int, float] = {}

    def told(self, profit: Profit | None, entries: list[OpenTrade] | None, reading: Reading) -> None:
        """Take the answers of one poll; `profit` may be from the previous poll."""
        self._reading = reading
        if profit is None or profit is self._told:
            return
        self._told, self._then = profit, None
        made = {each.trade_id: each.whole_profit for each in entries or ()}
        known = {id_: profit for id_, profit in made.items() if profit is not None}
        if entries is not None and len(known) == len(made):
            self._then, self._last = known, dict(known)

    def now(self, entries: list[OpenTrade] | None, time: float) -> Reading | None:
        """Return the money at a unix time, None if it is unknown."""
        if self._told is None or self._told.profit_all_coin is None or self._reading is None:
            return None
        if self._then is None or entries is None:
            return None
        for each in entries:
            if (made := each.whole_profit) is not None:
                self._last[each.trade_id] = made
            elif each.trade_id not in self._last:
                return None
        managed = self._reading.state != "stopped"  # as at the poll
        moved = sum(made - self._then.get(id_, 0.0) for id_, made in self._last.items())
        return Reading(
            time=time,
            profit_loss=self._told.profit_all_coin + moved,
            pnl=self._reading.pnl,
            exposure=self._reading.exposure,
            open_symbols=tuple(each.pair for each in entries if each.amount),
            positions=tuple(each.position(None, managed=managed) for each in entries if each.amount),
        )
