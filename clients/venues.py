"""What differs from exchange to exchange beyond what ccxt makes alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from clients.books import Withdrawal

_FEW: Final = 20  # markets that are asked one by one, which costs less than all at once


@dataclass(frozen=True)
class Rights:
    """What a key may do; None where the exchange does not tell. `expires_at` is unix time."""

    may_withdraw: bool | None = None
    may_trade: bool | None = None
    expires_at: float | None = None


class Venue(Protocol):
    """One exchange. `fills_at_once` is of how many markets fills are asked at a time; 0: of all in one."""

    fills_at_once: int

    def options(self, market: str) -> dict[str, Any]:
        """Return ccxt's options."""
        ...

    def order_ways(self, market: str) -> Sequence[Mapping[str, Any]]:
        """Return the parameters of each way to ask for open orders; those that are not empty list stops."""
        ...

    def lists_all(self, way: Mapping[str, Any], *, wide: bool, markets: int) -> bool:
        """Return whether orders of all markets are asked at once."""
        ...

    def fill_options(self, market: str) -> Mapping[str, Any]:
        """Return the parameters of the way to ask for fills."""
        ...

    async def rights(self, api: Any, market: str) -> Rights:  # noqa: ANN401 - ccxt has no types
        """Return what the key may do."""
        ...

    async def withdrawals(self, api: Any, market: str, since: float) -> list[Withdrawal]:  # noqa: ANN401
        """Return what left the account since a unix time."""
        ...


class Binance:
    """Spot (`binance`) and USD-M futures (`binanceusdm`), whose stops have a list of their own."""

    fills_at_once = 2

    def options(self, market: str) -> dict[str, Any]:
        """As above: one kind of market, and no list that wants more rights."""
        types = ["spot"] if market == "spot" else ["linear"]
        return {
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": types},
            "fetchOpenOrders": {"warnWithoutSymbol": False},
            "fetchPositions": {"method": "positionRisk"},
            "fetchPositionsRisk": {"useV2": True},  # it tells leverage and margin mode, V3 does not
        }

    def order_ways(self, market: str) -> Sequence[Mapping[str, Any]]:
        """As above."""
        return ({}, {"trigger": True}) if market == "swap" else ({},)

    def lists_all(self, way: Mapping[str, Any], *, wide: bool, markets: int) -> bool:
        """As above: all at once costs as much as forty markets."""
        return (wide and not way) or markets > _FEW

    def fill_options(self, market: str) -> Mapping[str, Any]:
        """As above."""
        return {}

    async def rights(self, api: Any, market: str) -> Rights:  # noqa: ANN401 - ccxt has no types
        """As above; it tells when trading ends, which reading does not."""
        said = await api.sapiGetAccountApiRestrictions()
        trade = "enableFutures" if market == "swap" else "enableSpotAndMarginTrading"
        return Rights(bool(said["enableWithdrawals"]), bool(said[trade]))

    async def withdrawals(self, api: Any, market: str, since: float) -> list[Withdrawal]:  # noqa: ANN401
        """As above; of futures what was moved to another wallet."""
        start = round(1000 * since)
        if market == "spot":
            return [_withdrawal(each) for each in await api.fetch_withdrawals(None, start)]
        moved = await api.fapiPrivateGetIncome({"incomeType": "TRANSFER", "startTime": start})
        return [
            Withdrawal(str(each["tranId"]), each["asset"], -float(each["income"]), float(each["time"]) / 1000)
            for each in moved
            if float(each["income"]) < 0
        ]


def _withdrawal(said: Mapping[str, Any]) -> Withdrawal:
    return Withdrawal(str(said["id"]), said["currency"], float(said["amount"]), said["timestamp"] / 1000)


VENUES: Final[Mapping[str, Venue]] = {"binance": Binance(), "binanceusdm": Binance()}
