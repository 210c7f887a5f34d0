"""Binance over HTTP, spot and USD-M futures, as its public documentation describes both."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.venue.engine import Engine, VenueOrder
from tests.venue.server import KEY, SECRET, FakeVenue

_Say = Callable[[web.Request], Any]


class BinanceError(Exception):
    def __init__(self, status: int, code: int, msg: str) -> None:
        self.status, self.body = status, {"code": code, "msg": msg}


def binance(venue: FakeVenue) -> web.Application:
    """Return the application for `venue`: of its engine's kind, spot or futures."""
    app = web.Application()
    routes = _Spot(venue).routes() if venue.engine.spot else _Futures(venue).routes()
    for path, (say, weight, signed) in routes.items():
        app.router.add_get(path, _answering(venue, say, weight, signed))
    return app


def _answering(venue: FakeVenue, say: _Say, weight: Callable[[web.Request], int], signed: bool) -> Any:
    async def answer(request: web.Request) -> web.Response:
        fits = venue.takes(weight(request))
        headers = {"X-MBX-USED-WEIGHT-1M": str(venue.used)}
        try:
            if not fits:
                headers["Retry-After"] = "30"
                raise BinanceError(429, -1003, f"Too many requests; current limit is {venue.limit}.")
            if signed:
                _check(venue, request)
            return web.json_response(say(request), headers=headers)
        except BinanceError as error:
            return web.json_response(error.body, status=error.status, headers=headers)

    return answer


def _check(venue: FakeVenue, request: web.Request) -> None:
    """Refuse what Binance refuses: docs "Request Security", SIGNED."""
    key = request.headers.get("X-MBX-APIKEY", "")
    if not key:
        raise BinanceError(401, -2014, "API-key format invalid.")
    query, _, signature = request.query_string.rpartition("&signature=")
    given = request.query
    if "timestamp" not in given:
        raise BinanceError(400, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null.")
    if key != KEY or venue.blocked:
        raise BinanceError(401, -2015, "Invalid API-key, IP, or permissions for action.")
    stamp, window, now = float(given["timestamp"]), float(given.get("recvWindow", 5000)), 1000 * venue.now
    if not now - window <= stamp < now + 1000:
        raise BinanceError(400, -1021, "Timestamp for this request is outside of the recvWindow.")
    wanted = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, signature):
        raise BinanceError(400, -1022, "Signature for this request is not valid.")


def _id(symbol: str) -> str:
    return symbol.replace("/", "")


def _flat(weight: int) -> Callable[[web.Request], int]:
    return lambda _: weight


def _by_symbol(one: int, every: int) -> Callable[[web.Request], int]:
    return lambda request: one if "symbol" in request.query else every


class _Account:
    def __init__(self, venue: FakeVenue) -> None:
        self.venue = venue

    @property
    def engine(self) -> Engine:
        return self.venue.engine

    def time(self, _: web.Request) -> Any:
        return {"serverTime": round(1000 * self.venue.now)}

    def rights(self, _: web.Request) -> Any:
        return {
            "ipRestrict": True, "createTime": 1_700_000_000_000, "enableReading": True,
            "enableWithdrawals": self.venue.may_withdraw, "enableInternalTransfer": False,
            "enableMargin": False, "enableFutures": False, "permitsUniversalTransfer": False,
            "enableVanillaOptions": False, "enableFixApiTrade": False, "enableFixReadOnly": True,
            "enableSpotAndMarginTrading": False, "enablePortfolioMarginTrading": False,
        }  # fmt: skip

    def orders_of(self, request: web.Request) -> list[VenueOrder]:
        wanted = request.query.get("symbol")
        return [each for each in self.engine.orders.values() if wanted in (None, _id(each.symbol))]

    def filters(self) -> list[dict[str, Any]]:
        return [
            {"filterType": "PRICE_FILTER", "minPrice": "0.0001", "maxPrice": "1000000", "tickSize": "0.0001"},
            {"filterType": "LOT_SIZE", "minQty": "0.000001", "maxQty": "9000000", "stepSize": "0.000001"},
        ]

    def fills_of(self, request: web.Request) -> list[Any]:
        if "symbol" not in request.query:
            raise BinanceError(400, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null.")
        wanted, since = request.query["symbol"], float(request.query.get("startTime", 0))
        return [each for each in self.engine.fills if _id(each.symbol) == wanted and 1000 * each.at >= since]


class _Spot(_Account):
    def routes(self) -> dict[str, tuple[_Say, Callable[[web.Request], int], bool]]:
        return {
            "/api/v3/time": (self.time, _flat(1), False),
            "/api/v3/exchangeInfo": (self.markets, _flat(20), False),
            "/api/v3/ticker/24hr": (self.tickers, _flat(2), False),
            "/api/v3/account": (self.account, _flat(20), True),
            "/api/v3/openOrders": (self.orders, _by_symbol(6, 80), True),
            "/api/v3/myTrades": (self.trades, _flat(20), True),
            "/sapi/v1/account/apiRestrictions": (self.rights, _flat(1), True),
            "/sapi/v1/capital/withdraw/history": (self.withdrawals, _flat(1), True),
        }

    def markets(self, _: web.Request) -> Any:
        return {
            "timezone": "UTC", "serverTime": round(1000 * self.venue.now), "rateLimits": [],
            "symbols": [
                {
                    "symbol": _id(name), "status": "TRADING", "baseAsset": name.partition("/")[0],
                    "quoteAsset": name.partition("/")[2], "baseAssetPrecision": 8, "quotePrecision": 8,
                    "quoteAssetPrecision": 8, "orderTypes": ["LIMIT", "MARKET", "STOP_LOSS_LIMIT"],
                    "isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "permissions": [],
                    "permissionSets": [["SPOT"]], "filters": self.filters(),
                }
                for name in self.engine.prices
            ],
        }  # fmt: skip

    def tickers(self, _: web.Request) -> Any:
        return [
            {"symbol": _id(name), "lastPrice": str(price), "closeTime": round(1000 * self.venue.now)}
            for name, price in self.engine.prices.items()
        ]

    def account(self, _: web.Request) -> Any:
        locked = {
            name: sum(
                each.left
                for each in self.engine.orders.values()
                if each.symbol == name and each.side == "sell"
            )
            for name in self.engine.prices
        }
        coins = {self.engine.stake: (self.engine.cash, 0.0)}
        coins |= {
            name.partition("/")[0]: (each.quantity - locked[name], locked[name])
            for name, each in self.engine.positions.items()
        }
        return {
            "makerCommission": 10, "takerCommission": 10, "canTrade": True, "canWithdraw": True,
            "canDeposit": True, "accountType": "SPOT", "permissions": ["SPOT"],
            "updateTime": round(1000 * self.venue.now),
            "balances": [
                {"asset": coin, "free": f"{free:.8f}", "locked": f"{held:.8f}"}
                for coin, (free, held) in coins.items()
            ],
        }  # fmt: skip

    def orders(self, request: web.Request) -> Any:
        return [
            {
                "symbol": _id(each.symbol), "orderId": int(each.id), "clientOrderId": each.client_id,
                "orderListId": -1, "price": str(each.price), "origQty": f"{each.quantity:.8f}",
                "executedQty": f"{each.filled:.8f}", "cummulativeQuoteQty": "0", "timeInForce": "GTC",
                "status": "PARTIALLY_FILLED" if each.filled else "NEW", "side": each.side.upper(),
                "type": "LIMIT" if each.stop_price is None else "STOP_LOSS_LIMIT",
                "stopPrice": str(each.stop_price or "0.0"), "icebergQty": "0.0",
                "time": round(1000 * each.placed_at), "updateTime": round(1000 * each.placed_at),
                "isWorking": True, "origQuoteOrderQty": "0.0",
            }
            for each in self.orders_of(request)
        ]  # fmt: skip

    def trades(self, request: web.Request) -> Any:
        return [
            {
                "symbol": _id(each.symbol), "id": each.id, "orderId": int(each.order), "orderListId": -1,
                "price": str(each.price), "qty": f"{each.quantity:.8f}",
                "quoteQty": f"{each.quantity * each.price:.8f}", "commission": "0", "commissionAsset": "BNB",
                "time": round(1000 * each.at), "isBuyer": each.side == "buy", "isMaker": False,
                "isBestMatch": True,
            }
            for each in self.fills_of(request)
        ]  # fmt: skip

    def withdrawals(self, _: web.Request) -> Any:
        return [
            {
                "id": each.id, "amount": str(each.amount), "transactionFee": "0", "coin": each.currency,
                "status": 6, "address": "0x94df", "txId": "0xb5ef", "network": "ETH", "transferType": 0,
                "applyTime": "2026-11-30 09:00:00", "completeTime": "2026-11-30 09:00:10",
                "confirmNo": 3, "walletType": 0, "txKey": "", "info": "",
            }
            for each in self.engine.withdrawals
        ]  # fmt: skip


class _Futures(_Account):
    def routes(self) -> dict[str, tuple[_Say, Callable[[web.Request], int], bool]]:
        return {
            "/fapi/v1/time": (self.time, _flat(1), False),
            "/fapi/v1/exchangeInfo": (self.markets, _flat(1), False),
            "/fapi/v1/leverageBracket": (self.brackets, _flat(1), True),
            "/fapi/v3/account": (self.account, _flat(5), True),
            "/fapi/v2/positionRisk": (self.positions, _flat(5), True),
            "/fapi/v1/openOrders": (self.orders, _by_symbol(1, 40), True),
            "/fapi/v1/openAlgoOrders": (self.stops, _by_symbol(1, 40), True),
            "/fapi/v1/userTrades": (self.trades, _flat(5), True),
            "/fapi/v1/income": (self.income, _flat(30), True),
            "/sapi/v1/account/apiRestrictions": (self.rights, _flat(1), True),
        }

    def markets(self, _: web.Request) -> Any:
        return {
            "timezone": "UTC", "serverTime": round(1000 * self.venue.now), "rateLimits": [],
            "symbols": [
                {
                    "symbol": _id(name), "pair": _id(name), "contractType": "PERPETUAL", "status": "TRADING",
                    "deliveryDate": 4133404800000, "onboardDate": 1569398400000,
                    "baseAsset": name.partition("/")[0], "quoteAsset": "USDT", "marginAsset": "USDT",
                    "pricePrecision": 4, "quantityPrecision": 6, "baseAssetPrecision": 8,
                    "quotePrecision": 8, "underlyingType": "COIN", "filters": self.filters(),
                    "orderTypes": ["LIMIT", "MARKET"], "timeInForce": ["GTC"],
                }
                for name in self.engine.prices
            ],
        }  # fmt: skip

    def brackets(self, _: web.Request) -> Any:
        bracket = {
            "bracket": 1, "initialLeverage": 125, "notionalCap": 50_000_000, "notionalFloor": 0,
            "maintMarginRatio": 0.004, "cum": 0.0,
        }  # fmt: skip
        return [{"symbol": _id(name), "brackets": [bracket]} for name in self.engine.prices]

    def account(self, _: web.Request) -> Any:
        unrealised = self.engine.worth - self.engine.cash
        asset = {
            "asset": self.engine.stake, "walletBalance": str(self.engine.cash),
            "unrealizedProfit": str(unrealised), "marginBalance": str(self.engine.worth),
            "maintMargin": "0", "initialMargin": "0", "positionInitialMargin": "0",
            "openOrderInitialMargin": "0", "crossWalletBalance": str(self.engine.cash),
            "crossUnPnl": str(unrealised), "availableBalance": str(self.engine.cash),
            "maxWithdrawAmount": str(self.engine.cash), "updateTime": round(1000 * self.venue.now),
        }  # fmt: skip
        return {
            "totalInitialMargin": "0", "totalMaintMargin": "0", "totalWalletBalance": str(self.engine.cash),
            "totalMarginBalance": str(self.engine.worth), "availableBalance": str(self.engine.cash),
            "assets": [asset], "positions": [],
        }  # fmt: skip

    def positions(self, _: web.Request) -> Any:
        return [
            {
                "symbol": _id(name), "positionAmt": str(each.quantity), "entryPrice": str(each.entry),
                "breakEvenPrice": str(each.entry), "markPrice": str(self.engine.prices[name]),
                "unRealizedProfit": str(each.quantity * (self.engine.prices[name] - each.entry)),
                "liquidationPrice": "0", "leverage": str(round(each.leverage)), "maxNotionalValue": "1000000",
                "marginType": each.margin_mode, "isolatedMargin": "0.0", "isAutoAddMargin": "false",
                "positionSide": "BOTH", "notional": str(each.quantity * self.engine.prices[name]),
                "isolatedWallet": "0", "updateTime": round(1000 * self.venue.now),
            }
            for name, each in self.engine.positions.items()
        ]  # fmt: skip

    def orders(self, request: web.Request) -> Any:
        return [
            {
                "symbol": _id(each.symbol), "orderId": int(each.id), "clientOrderId": each.client_id,
                "avgPrice": "0.0", "origQty": str(each.quantity), "executedQty": str(each.filled),
                "cumQuote": "0", "price": str(each.price), "reduceOnly": each.reduce_only,
                "closePosition": False, "side": each.side.upper(), "positionSide": "BOTH",
                "status": "PARTIALLY_FILLED" if each.filled else "NEW", "stopPrice": "0",
                "time": round(1000 * each.placed_at), "timeInForce": "GTC", "type": "LIMIT",
                "origType": "LIMIT", "updateTime": round(1000 * each.placed_at),
                "workingType": "CONTRACT_PRICE", "priceProtect": False,
            }
            for each in self.orders_of(request)
            if each.stop_price is None
        ]  # fmt: skip

    def stops(self, request: web.Request) -> Any:
        return [
            {
                "algoId": int(each.id), "clientAlgoId": each.client_id, "algoType": "CONDITIONAL",
                "orderType": "STOP_MARKET", "symbol": _id(each.symbol), "side": each.side.upper(),
                "positionSide": "BOTH", "timeInForce": "GTC", "quantity": str(each.quantity),
                "algoStatus": "NEW", "triggerPrice": str(each.stop_price), "price": "0",
                "icebergQuantity": None,
                "selfTradePreventionMode": "NONE", "workingType": "MARK_PRICE", "priceMatch": "NONE",
                "closePosition": False, "priceProtect": False, "reduceOnly": each.reduce_only,
                "createTime": round(1000 * each.placed_at), "updateTime": round(1000 * each.placed_at),
                "triggerTime": 0, "goodTillDate": 0, "actualOrderId": "", "actualPrice": "0.0",
            }
            for each in self.orders_of(request)
            if each.stop_price is not None
        ]  # fmt: skip

    def trades(self, request: web.Request) -> Any:
        return [
            {
                "symbol": _id(each.symbol), "id": each.id, "orderId": int(each.order),
                "side": each.side.upper(), "price": str(each.price), "qty": str(each.quantity),
                "realizedPnl": "0", "marginAsset": "USDT", "quoteQty": str(each.quantity * each.price),
                "commission": "0", "commissionAsset": "USDT", "time": round(1000 * each.at),
                "positionSide": "BOTH", "buyer": each.side == "buy", "maker": False,
            }
            for each in self.fills_of(request)
        ]  # fmt: skip

    def income(self, _: web.Request) -> Any:
        return [
            {
                "symbol": "", "incomeType": "TRANSFER", "income": str(-each.amount), "asset": each.currency,
                "info": "TRANSFER", "time": round(1000 * each.at), "tranId": int(each.id), "tradeId": "",
            }
            for each in self.engine.withdrawals
        ]  # fmt: skip
