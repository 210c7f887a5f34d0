"""Reads a Freqtrade bot over its REST API; docs/metrics.md lists the fields."""

import asyncio
from dataclasses import dataclass
from typing import Final, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import ValidationError

from clients.freqtrade import (
    Config,
    Days,
    Health,
    Logs,
    OpenTrade,
    Profit,
    Status,
    System,
    TradeCount,
    TradePage,
    mean_stake,
    own_time,
)
from clients.freqtrade_books import Balance, exchange_books, own_books
from clients.input import Answer, first_problem
from clients.trading import Position, Trade
from exporter.reading import STATES, Host, Reading
from exporter.sources.client import BotApi, read_secret
from exporter.sources.freqtrade.history import PAGE, History
from exporter.sources.freqtrade.money import OpenMoney
from exporter.sources.freqtrade.watch import FailingCalls, FrozenRates
from exporter.sources.protocol import SourceContext, SourceError, source
from stack.settings import FreqtradeBot
from stack.settings.web import basic

_ROOT: Final = "/api/v1"
# Freqtrade reads its whole history for these, and newer versions answer 429 to the sixth within a minute.
_PACE: Final = 15.0
# 502 is a refusal ("trader is not running"), 404 comes from older versions, 429 is a newer version's limit.
_REFUSALS: Final = frozenset({404, 429, 502})
_STATES: Final = {name: name for name in STATES} | {"reload_config": "reloading"}
_WINDOWS: Final = {"day": "/daily", "week": "/weekly", "month": "/monthly"}
_Answer = TypeVar("_Answer", bound=Answer)


@dataclass(frozen=True)
class _Answers:
    """One round of calls; None is a refused one."""

    config: Config
    health: Health
    status: Status | None
    logs: Logs | None
    balance: Balance | None
    profit: Profit | None
    count: TradeCount | None
    system: System | None
    windows: dict[str, Days | None]

    @property
    def trading(self) -> bool:
        """Whether the trading loop runs; otherwise its rates and its log mean nothing."""
        return self.config.state in ("running", "paused")

    @property
    def managed(self) -> bool:
        """Whether the bot manages its positions: only the loop acts on a stop that is not at the exchange."""
        return self.config.state != "stopped"

    @property
    def readable(self) -> list[OpenTrade]:
        """The readable open trades, filled or not."""
        return [each for each in (self.status.trades if self.status else ()) if each]

    @property
    def entries(self) -> list[OpenTrade] | None:
        """The open trades, filled or not; None if one of them, or its amount, is unreadable."""
        return _entries(self.status)

    def positions(self, ahead: float) -> tuple[Position, ...]:
        """Return the readable positions; the bot's clock is `ahead` of ours."""
        mean, held = mean_stake(self.readable), [each for each in self.readable if each.amount != 0]
        return tuple(each.position(mean, managed=self.managed, ahead=ahead) for each in held)


@source(FreqtradeBot)
class FreqtradeSource:
    """Calls all endpoints together, the costly ones less often, and follows the closed trades."""

    def __init__(self, settings: FreqtradeBot, surroundings: SourceContext) -> None:
        # Basic authentication instead of a token: every version has it, and there is nothing to refresh or
        # lose.
        self._api = BotApi(settings, surroundings, lambda: _basic(settings))
        self._clock = surroundings.clock
        self._input = surroundings.input
        self._host = urlsplit(str(settings.url)).hostname or ""
        self._paced: dict[str, tuple[float, Answer | None]] = {}
        self._history = History(self._trade_page, self._clock)
        self._money = OpenMoney()
        self._rates = FrozenRates()
        self._failing = FailingCalls(surroundings.window)

    async def poll(self) -> Reading:
        """Return the bot's reading now. Raises SourceError."""
        answers = await self._ask()
        trades, restarted = await self._history.update(answers.profit)
        reading = self._reading(answers, trades, restarted)
        self._money.told(answers.profit, answers.entries, reading)
        return reading

    async def glance(self) -> Reading | None:
        """Return the bot's money from its open trades, which are a cheap question. Raises SourceError."""
        try:
            status = Status.model_validate({"trades": await self._api.get(f"{_ROOT}/status")})
        except ValidationError as error:
            raise SourceError("parse", f"{_ROOT}/status: {first_problem(error)}") from None
        return self._money.now(_entries(status), self._clock())

    async def _ask(self) -> _Answers:
        try:
            async with asyncio.TaskGroup() as group:
                config = group.create_task(self._read("/show_config", Config))
                health = group.create_task(self._health())
                status = group.create_task(self._get("/status", Status, wrap="trades"))
                logs = group.create_task(self._get("/logs", Logs))
                balance = group.create_task(self._at_pace("/balance", Balance))
                profit = group.create_task(self._at_pace("/profit", Profit))
                count = group.create_task(self._at_pace("/count", TradeCount))
                system = group.create_task(self._at_pace("/sysinfo", System))
                windows = {
                    window: group.create_task(self._at_pace(path, Days)) for window, path in _WINDOWS.items()
                }
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return _Answers(
            config=config.result(),
            health=health.result(),
            status=status.result(),
            logs=logs.result(),
            balance=balance.result(),
            profit=profit.result(),
            count=count.result(),
            system=system.result(),
            windows={window: task.result() for window, task in windows.items()},
        )

    def _reading(self, said: _Answers, trades: tuple[Trade, ...], restarted: bool) -> Reading:
        now, active = self._clock(), said.health.last_process_ts
        entries = said.entries
        filled = [entry for entry in entries or () if entry.amount]
        rates = {entry.pair: entry.current_rate for entry in filled}
        bots_now = own_time(said.logs, said.health) or now
        failing = self._failing.ratio(said.logs, bots_now) if said.logs and said.trading else None
        healthy = failing is not None and not self._failing.recent(bots_now)
        ahead = self._api.ahead
        age = self._rates.age(rates if said.trading else {}, now, healthy=healthy)
        return Reading(
            time=now,
            state=_STATES.get(said.config.state),
            started_at=said.health.bot_startup_ts,
            last_activity_at=None if active is None else active - self._api.ahead,
            starting_capital=said.balance.starting_capital if said.balance else None,
            # Freqtrade computes it as its present money less its profits, unless its configuration fixes it.
            capital_has_transfers=said.config.available_capital is None,
            profit_loss=said.profit.profit_all_coin if said.profit else None,
            pnl=_pnl(said),
            exposure=said.count.total_stake if said.count else None,
            open_symbols=None if entries is None else tuple(entry.pair for entry in filled),
            pending_orders=_pending(entries),
            positions=said.positions(ahead),
            orders=tuple(order for each in said.readable for order in each.waiting_orders(ahead)),
            data_ages={} if age is None else {"rates": age},
            error_rate=failing,
            host=_usage(self._host, said.system),
            trades=trades,
            history_restarted=restarted,
            books=own_books(entries, trades, said.config, now),
            exchange_books=exchange_books(said.balance, entries, said.config, now),
        )

    async def _health(self) -> Health:
        """Return the answer of /health; it is empty for Freqtrade 2022.1, which lacks it.

        Raises SourceError.
        """
        try:
            return await self._read("/health", Health)
        except SourceError as error:
            if error.status == 404:
                return Health()
            raise

    async def _get(
        self, path: str, kind: type[_Answer], wrap: str = "", **query: str | int
    ) -> _Answer | None:
        """Return the answer, None if Freqtrade itself refuses it. Raises SourceError."""
        try:
            return await self._read(path, kind, wrap, **query)
        except SourceError as error:
            if error.status in _REFUSALS:
                return None
            raise

    async def _read(self, path: str, kind: type[_Answer], wrap: str = "", **query: str | int) -> _Answer:
        """Return the answer. `wrap` names a bare list. Raises SourceError, also for a refusal."""
        data = await self._api.get(_ROOT + path, **query)
        try:
            return self._input.read(kind, {wrap: data} if wrap else data)
        except ValidationError as error:
            raise SourceError("parse", f"{_ROOT}{path}: {first_problem(error)}") from None

    async def _at_pace(self, path: str, kind: type[_Answer]) -> _Answer | None:
        """Return an answer that is not older than the endpoint's pace. Raises SourceError."""
        now = self._clock()
        asked, answer = self._paced.get(path, (float("-inf"), None))
        if 0 <= now - asked < _PACE:
            return cast(_Answer | None, answer)
        fresh = await self._get(path, kind)
        self._paced[path] = (now, fresh)
        return fresh

    async def _trade_page(self, offset: int) -> TradePage | None:
        return await self._get("/trades", TradePage, limit=PAGE, offset=offset, order_by_id="false")


def _basic(settings: FreqtradeBot) -> str:
    return basic(settings.username, read_secret(settings.password_file))


def _entries(status: Status | None) -> list[OpenTrade] | None:
    told = status.trades if status else [None]
    known = [each for each in told if each and each.amount is not None]
    return known if len(known) == len(told) else None


def _pending(entries: list[OpenTrade] | None) -> int | None:
    """Return the waiting orders, None from an older Freqtrade that does not list them."""
    if entries is None or any(entry.orders is None for entry in entries):
        return None
    return sum(bool(order.is_open) for entry in entries for order in entry.orders or ())


def _pnl(said: _Answers) -> dict[str, float]:
    """Return the realised profit by window; the first row of a window is the current one."""
    pnl = {window: days.data[0].abs_profit for window, days in said.windows.items() if days and days.data}
    pnl["total"] = said.profit.profit_closed_coin if said.profit else None
    return {window: value for window, value in pnl.items() if value is not None}


def _usage(host: str, system: System | None) -> Host | None:
    """Return the host's usage as ratios; /sysinfo has percent, and the CPU's by core."""
    if system is None:
        return None
    cores = [percent for percent in system.cpu_pct or () if percent is not None]
    cpu = sum(cores) / len(cores) / 100 if cores else None
    return Host(host, cpu, None if system.ram_pct is None else system.ram_pct / 100)
