"""The differences between exchanges that ccxt leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from clients.books import Withdrawal

_FEW: Final = 20  # up to so many markets, one request for each costs less than one for all


@dataclass(frozen=True)
class Rights:
    """What a key may do."""

    may_withdraw: bool
    may_trade: bool


class Binance:
    """Spot, or USD-M futures, which list stops separately."""

    fills_at_once = 2  # markets whose fills are asked in one check

    def __init__(self, market: Literal["spot", "swap"]) -> None:
        self.market = market

    @property
    def options(self) -> dict[str, Any]:
        """Options of ccxt: one kind of market, and no list that needs more rights."""
        return {
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["spot" if self.market == "spot" else "linear"]},
            "fetchOpenOrders": {"warnWithoutSymbol": False},
            "fetchPositions": {"method": "positionRisk"},
            "fetchPositionsRisk": {"useV2": True},  # V2 reports leverage and margin mode, V3 does not
        }

    @property
    def order_ways(self) -> tuple[Mapping[str, Any], ...]:
        """The parameters of each request for open orders; the requests with parameters list stops."""
        return ({}, {"trigger": True}) if self.market == "swap" else ({},)

    def lists_all(self, way: Mapping[str, Any], *, wide: bool, markets: int) -> bool:
        """Return whether one request asks for all markets' orders; it costs as much as forty requests."""
        return (wide and not way) or markets > _FEW

    async def rights(self, api: Any) -> Rights:  # noqa: ANN401 - ccxt has no types
        """Return what the key may do."""
        said = await api.sapiGetAccountApiRestrictions()
        trade = "enableFutures" if self.market == "swap" else "enableSpotAndMarginTrading"
        return Rights(bool(said["enableWithdrawals"]), bool(said[trade]))

    async def withdrawals(self, api: Any, since: float) -> list[Withdrawal]:  # noqa: ANN401 - as above
        """Return the withdrawals since a unix time; for futures, the transfers to another wallet."""
        start = round(1000 * since)
        if self.market == "spot":
            return [_withdrawal(each) for each in await api.fetch_withdrawals(None, start)]
        moved = await api.fapiPrivateGetIncome({"incomeType": "TRANSFER", "startTime": start})
        return [
            Withdrawal(str(each["tranId"]), each["asset"], -float(each["income"]), float(each["time"]) / 1000)
            for each in moved
            if float(each["income"]) < 0
        ]


def _withdrawal(said: Mapping[str, Any]) -> Withdrawal:
    return Withdrawal(str(said["id"]), said["currency"], float(said["amount"]), said["timestamp"] / 1000)


VENUES: Final = {"binance": Binance("spot"), "binanceusdm": Binance("swap")}
