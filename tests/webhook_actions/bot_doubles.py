"""In-memory bots behind their real adapters: a test chooses which requests arrive, act or get lost."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from clients.http import Answer, Lost, Request, Unsent
from stack.settings import FreqtradeBot, HttpBot
from webhook_actions.bots.freqtrade import FreqtradeAdapter
from webhook_actions.bots.http import HttpAdapter
from webhook_actions.bots.protocol import Guard


class Fault(StrEnum):
    """The fate of a request."""

    NONE = "none"
    UNSENT = "unsent"
    LOST_BEFORE = "lost before it acted"
    LOST_AFTER = "acted, and its answer was lost"
    LATE = "lost, and acts later"
    PROXY = "502 of a proxy, and it acts later"
    ERROR = "503 of the bot, which did nothing"
    ERROR_AFTER = "502 of the bot, which acted"


SINCE = {  # the first release with a call, read from the packages of Freqtrade
    "health": (2022, 2),
    "forceexit": (2022, 4),
    "forceexit with amount": (2022, 8),
    "stopentry": (2022, 8),
    "locks": (2024, 4),
    "pause": (2025, 4),
}
LATEST = 40.0  # seconds after which a late request has acted


class Clock:
    """Time that passes only while something waits; `due` are the requests that act late."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Callable[[], Any]]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        acting = [act for at, act in self.due if at <= self.now]
        self.due = [(at, act) for at, act in self.due if at > self.now]
        for act in acting:
            act()

    def read(self) -> float:
        return self.now


@dataclass
class FaultyTransport:
    """Carries requests to a double; each state-changing one takes the next fault, none once they run out."""

    serve: Callable[[str, str, Any, str | None], tuple[int, Any]]
    clock: Clock
    faults: Iterator[Fault]
    late: Iterator[float] = field(default_factory=lambda: itertools.repeat(LATEST))
    orders: int = 0  # that reached the double, or may have
    posted: list[str] = field(default_factory=list)

    def ask(self, request: Request) -> Answer:
        path = urlsplit(request.url).path.removeprefix("/api/v1/")
        key = request.headers.get("Idempotency-Key")

        def act() -> tuple[int, Any]:
            return self.serve(request.method, path, request.json, key)

        fault = next(self.faults, Fault.NONE)
        if request.method == "GET":
            return self._read(fault, act, request)
        self.orders += 1
        self.posted.append(path)
        answer = self._order(fault, act, request)
        self.orders -= answer.status in (404, 422)  # requests that certainly had no effect
        return answer

    def _read(self, fault: Fault, act: Callable[[], tuple[int, Any]], request: Request) -> Answer:
        match fault:
            case Fault.UNSENT:
                raise Unsent("refused")
            case Fault.LOST_BEFORE | Fault.LOST_AFTER | Fault.LATE:
                self.clock.sleep(request.total)
                raise Lost("no answer")
            case Fault.PROXY | Fault.ERROR | Fault.ERROR_AFTER:
                return Answer(503, b"{}")
        return _answer(act())

    def _order(self, fault: Fault, act: Callable[[], tuple[int, Any]], request: Request) -> Answer:
        match fault:
            case Fault.UNSENT:
                self.orders -= 1
                raise Unsent("refused")
            case Fault.LOST_BEFORE:
                raise Lost("reset")
            case Fault.LOST_AFTER:
                act()
                raise Lost("reset")
            case Fault.LATE:
                self.clock.due.append((self.clock.now + next(self.late), act))
                self.clock.sleep(request.total)
                raise Lost("no answer")
            case Fault.PROXY:
                self.clock.due.append((self.clock.now + next(self.late), act))
                return Answer(502, b"<html>Bad Gateway</html>")
            case Fault.ERROR:
                return Answer(503, b'{"error": "not now"}')
            case Fault.ERROR_AFTER:
                act()
                return Answer(502, b'{"error": "lost count"}')
        return _answer(act())


@dataclass
class Held:
    """A position of a double; `coming` is the unfilled entry, `exiting` the size that an exit sells."""

    id: int
    symbol: str
    side: str
    quantity: float
    coming: float = 0.0
    exiting: float = 0.0
    is_market: bool = False
    filled: bool = False  # the exchange has filled the exit, and the bot has not seen that yet

    @property
    def key(self) -> str:
        return f"{self.symbol} {self.side}"


@dataclass
class Double:
    """The common part of both kinds of bots."""

    clock: Clock
    held: list[Held]
    state: str = "running"

    def quantities(self) -> dict[str, float]:
        """Return the sizes at the exchange, by key."""
        found: dict[str, float] = {}
        for each in self.held:
            left = each.quantity - (each.exiting if each.filled else 0.0)
            found[each.key] = found.get(each.key, 0.0) + left
        return found


@dataclass
class BotApi(Double):
    """A bot that answers the bot API; `knows` is the form of reduction that it understands."""

    knows: str = "sizes"  # or: factor (ignores the rest), strict (refuses unknown fields)
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def serve(self, method: str, path: str, body: Any, key: str | None) -> tuple[int, Any]:
        if method == "GET":
            return 200, self._state()
        if key is None or (self.knows == "sizes" and "positions" in body):
            return self._do(path.rsplit("/", 1)[1], body)
        if self.knows == "strict" and "positions" in body:
            return 422, {"error": "positions: extra inputs are not permitted"}
        if key not in self.answers:
            self.answers[key] = self._do(path.rsplit("/", 1)[1], body)
        return self.answers[key]

    def _state(self) -> dict[str, Any]:
        shown = [
            {"symbol": each.symbol, "side": each.side, "size": each.quantity}
            for each in self.held
            if each.quantity
        ]
        return {
            "state": self.state,
            "open_positions": shown,
            "pending_orders": sum(bool(e.coming) for e in self.held),
        }

    def _do(self, verb: str, body: dict[str, Any]) -> tuple[int, Any]:
        match verb:
            case "start" | "resume":
                self.state = "running"
            case "stop":
                self.state = "stopped"
            case "pause":
                self.state = "paused"
                for each in self.held:
                    each.coming = 0.0
            case "close_positions":
                for each in self.held:
                    if body.get("scope") == "all" or each.symbol in body.get("symbols", ()):
                        each.quantity = each.coming = 0.0
            case "reduce_positions" if "positions" in body and self.knows == "sizes":
                self._reduce({f"{p['symbol']} {p['side']}": p["size"] for p in body["positions"]})
            case "reduce_positions":
                for each in self.held:
                    each.quantity *= body["factor"]
        return 200, {"done": True, "verb": verb, "detail": "done"}

    def _reduce(self, left: dict[str, float]) -> None:
        for each in self.held:
            if each.key in left:
                each.quantity = min(each.quantity, left[each.key])
                left[each.key] -= each.quantity


@dataclass
class Freqtrade(Double):
    """A Freqtrade of a version, which exits trades like its source and remembers no requests. An exit that is
    not filled at once stays open; the next one cancels it, or finds it filled. An amount of at least the held
    size sells the whole.
    """

    fills: Iterator[bool] = field(default_factory=lambda: itertools.repeat(True))
    version: str = "2026.9"
    max_open_trades: int = 5
    initial_state: str = "running"  # from its configuration
    exchange_out: bool = False
    was_out_until: float = 0.0  # seconds ago, by its log
    skew: float = 0.0  # seconds that its clock is ahead of ours
    alive: bool = True
    refuses: dict[str, int] = field(default_factory=dict)  # how often a call is answered with 503
    loses: set[str] = field(default_factory=set)  # calls that are carried out and answered with 502
    silent: set[str] = field(default_factory=set)  # pairs that it does not exit
    locks: list[dict[str, Any]] = field(default_factory=list)
    _reloads: int = 0  # calls until a reload is over

    def has(self, call: str) -> bool:
        """Return whether its version has a call."""
        year, month = self.version.split(".")[:2]
        return (int(year), int(month)) >= SINCE.get(call, (2022, 1))

    def serve(self, method: str, path: str, body: Any, key: str | None) -> tuple[int, Any]:
        self._go_on()
        call = path.partition("/")[0]
        if not self.alive:
            raise Unsent("connection refused")
        if method == "GET":
            return (500, {"error": "Internal Server Error"}) if call in self.silent else self._told(path)
        if not self.has(call):
            return 404, {"detail": "Not Found"}
        if self.refuses.get(call, 0):
            self.refuses[call] -= 1
            return 503, {"error": "not now"}
        if call in self.loses:
            self._do(method, path, body)
            return 502, {"error": "lost count"}
        return self._do(method, path, body)

    def _told(self, path: str) -> tuple[int, Any]:
        match path:
            case "show_config":
                told = {"state": self.state, "version": self.version}
                return 200, told | {"max_open_trades": self.max_open_trades}
            case "locks":
                return 200, {"locks": self.locks}
            case "status":
                return 200, [self._shown(each) for each in self.held]
            case "health" if self.has("health"):
                return 200, {"last_process_ts": int(time.time() + self.skew)}
            case "logs":
                return 200, {"logs": list(self._logged())}
        return 404, {"detail": "Not Found"}

    def _do(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        match path:
            case "pause" | "stopentry" | "stopbuy":
                self._stop_entries()
            case "stop":
                if self.has("pause") or self.state == "running":
                    self.state = "stopped"
            case "start":
                self.state = "running"
            case "reload_config":
                self.state, self._reloads = "reload_config", 3
            case "locks":
                self.locks += [
                    one | {"id": len(self.locks) + n, "active": True, "side": "*"}
                    for n, one in enumerate(body, 1)
                ]
            case "forceexit" | "forcesell":
                return self._force_exit(body)
            case _ if method == "DELETE":
                self.locks = [one for one in self.locks if one["id"] != int(path.rsplit("/", 1)[1])]
        return 200, {"status": self.state}

    def _stop_entries(self) -> None:
        """Pause, as from 2025.4 on; before, a running bot stops entries, and its state does not show it."""
        if self.has("pause"):
            self.state = "paused"
        elif self.state == "running":
            self.max_open_trades = 0

    def _go_on(self) -> None:
        """Let a reload continue: it loads the markets, and comes up in its configured state. It forgets
        orders from meanwhile.
        """
        if self._reloads > 0:
            self._reloads -= 1
            if self._reloads <= 0:
                self.state, self.max_open_trades = self.initial_state, 5
                self.alive = not self.exchange_out

    def _logged(self) -> Iterator[list[Any]]:
        """Yield records of the last minute: failed calls while the exchange is out."""
        now = time.time() + self.skew
        level, logger = (
            ("WARNING", "freqtrade.exchange.common") if self.exchange_out else ("INFO", "freqtrade")
        )
        for ago in range(50, -1, -5):
            at = now - self.was_out_until - ago
            yield ["2026-01-01 00:00:00", at * 1000, logger, level, "fetch_tickers() returned 500"]

    def settle(self) -> None:
        """Fill waiting market orders, cancel waiting limit orders, and let Freqtrade see both."""
        for each in list(self.held):
            each.filled = each.filled or bool(each.exiting and each.is_market)
            self._see(each)
            each.exiting = 0.0

    def _force_exit(self, body: dict[str, Any]) -> tuple[int, Any]:
        if self.state == "stopped":
            return 502, {"error": "trader is not running"}
        if body["tradeid"] == "all":
            for each in list(self.held):
                self._exit(each, None)
            return 200, {"result": "Created exit orders for all open trades."}
        trade = next((each for each in self.held if str(each.id) == body["tradeid"]), None)
        if trade is None:
            return 502, {"error": "invalid argument"}
        if not self._exit(trade, body.get("amount")):
            return 502, {"error": "Failed to exit trade."}
        return 200, {"result": "Created exit order for trade."}

    def _exit(self, trade: Held, amount: float | None) -> bool:
        self._see(trade)
        if trade not in self.held:
            return True
        trade.exiting, trade.coming = 0.0, 0.0
        if trade.quantity == 0:
            self.held.remove(trade)
            return False
        partial = amount and amount < trade.quantity and self.has("forceexit with amount")
        trade.exiting = amount if amount and partial else trade.quantity
        trade.is_market = True
        trade.filled = next(self.fills, True)
        if next(self.fills, True):
            self._see(trade)
        return True

    def _see(self, trade: Held) -> None:
        """Let Freqtrade see that an exit was filled."""
        if not trade.filled:
            return
        trade.quantity -= trade.exiting
        trade.exiting, trade.filled = 0.0, False
        if trade.quantity <= 1e-12 and not trade.coming:
            self.held.remove(trade)

    @staticmethod
    def _shown(trade: Held) -> dict[str, Any]:
        is_short = trade.side == "short"
        sides = ("sell", "buy") if is_short else ("buy", "sell")
        orders = [{"is_open": True, "ft_order_side": sides[0], "order_type": "limit"}] if trade.coming else []
        if trade.exiting:
            kind = "market" if trade.is_market else "limit"
            orders.append({"is_open": True, "ft_order_side": sides[1], "order_type": kind})
        return {
            "trade_id": trade.id, "pair": trade.symbol, "is_short": is_short, "amount": trade.quantity,
            "stake_amount": trade.quantity, "profit_abs": None, "has_open_orders": bool(orders),
            "orders": orders,
        }  # fmt: skip


def http_adapter(wire: FaultyTransport, secret: Path, guard: Guard) -> HttpAdapter:
    return HttpAdapter(HttpBot(type="http", url="http://bot", token_file=secret), 5, guard, wire.ask)


def freqtrade_adapter(wire: FaultyTransport, secret: Path, guard: Guard) -> FreqtradeAdapter:
    bot = FreqtradeBot(type="freqtrade", url="http://bot", username="user", password_file=secret)
    return FreqtradeAdapter(bot, 5, guard, wire.ask, wire.clock.sleep, wire.clock.read)


def _answer(served: tuple[int, Any]) -> Answer:
    return Answer(served[0], json.dumps(served[1]).encode())
