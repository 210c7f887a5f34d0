"""Reads a Freqtrade bot over its REST API; docs/metrics.md says which field becomes what."""

import asyncio
import base64
from dataclasses import dataclass
from typing import Final, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import ValidationError

from exporter.reading import Host, Reading, Trade
from exporter.sources.client import BotApi, read_secret
from exporter.sources.freqtrade.answers import (
    Balance,
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
)
from exporter.sources.freqtrade.history import PAGE, History
from exporter.sources.freqtrade.watch import FailingCalls, FrozenRates
from exporter.sources.input import Answer, first_problem
from exporter.sources.protocol import SourceError, Surroundings, source
from stack.settings import FreqtradeBot

_ROOT: Final = "/api/v1"
# These make Freqtrade go through its whole history, and newer ones answer 429 to the sixth within a minute.
_PACE: Final = 15.0
# 502 is a refusal ("trader is not running"), 404 an older version, 429 a newer one that wants a rest.
_REFUSALS: Final = frozenset({404, 429, 502})
_STATES: Final = {"reload_config": "reloading"}
_WINDOWS: Final = {"day": "/daily", "week": "/weekly", "month": "/monthly"}
_Answer = TypeVar("_Answer", bound=Answer)


@dataclass(frozen=True)
class _Answers:
    """One round of calls; None is what Freqtrade refused to say."""

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
        """Whether the loop runs, so that its rates and its log mean something."""
        return self.config.state in ("running", "paused")

    @property
    def entries(self) -> list[OpenTrade] | None:
        """The open trades, filled or not."""
        return None if self.status is None else [entry for entry in self.status.trades if entry is not None]


@source(FreqtradeBot)
class FreqtradeSource:
    """Calls every endpoint at once, the costly ones at their own pace, and follows the closed trades."""

    def __init__(self, settings: FreqtradeBot, surroundings: Surroundings) -> None:
        # Basic rather than a token: it works everywhere and has nothing to refresh or lose.
        self._api = BotApi(str(settings.url), surroundings, lambda: _basic(settings))
        self._clock = surroundings.clock
        self._input = surroundings.input
        self._host = urlsplit(str(settings.url)).hostname or ""
        self._paced: dict[str, tuple[float, Answer | None]] = {}
        self._history = History(self._trade_page)
        self._rates = FrozenRates()
        self._failing = FailingCalls(surroundings.window)

    async def poll(self) -> Reading:
        """Return what the bot says now. Raises SourceError."""
        answers = await self._ask()
        trades, restarted = await self._history.update(answers.profit)
        return self._reading(answers, trades, restarted)

    async def _ask(self) -> _Answers:
        try:
            async with asyncio.TaskGroup() as group:
                config = group.create_task(self._get("/show_config", Config))
                health = group.create_task(self._get("/health", Health, older=Health()))  # 2022.1 has none
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
        state, alive = config.result(), health.result()
        if state is None or alive is None:
            advice = "is this a Freqtrade in trade mode?"
            raise SourceError("http", f"{_ROOT}: /show_config and /health are refused; {advice}")
        return _Answers(
            config=state,
            health=alive,
            status=status.result(),
            logs=logs.result(),
            balance=balance.result(),
            profit=profit.result(),
            count=count.result(),
            system=system.result(),
            windows={window: task.result() for window, task in windows.items()},
        )

    def _reading(self, said: _Answers, trades: tuple[Trade, ...], restarted: bool) -> Reading:
        now = self._clock()
        state = said.config.state
        entries = said.entries
        filled = [entry for entry in entries or () if entry.amount > 0]
        rates = {entry.pair: entry.current_rate for entry in filled}
        age = self._rates.age(rates if said.trading else {}, now)
        return Reading(
            time=now,
            state=_STATES.get(state, state) if state else None,
            started_at=said.health.bot_startup_ts,
            last_activity_at=said.health.last_process_ts,
            starting_capital=said.balance.starting_capital if said.balance else None,
            # It is what the bot holds now less its profits, unless its configuration fixes it.
            capital_has_transfers=said.config.available_capital is None,
            profit_loss=said.profit.profit_all_coin if said.profit else None,
            pnl=_pnl(said),
            exposure=said.count.total_stake if said.count else None,
            open_symbols=None if entries is None else tuple(entry.pair for entry in filled),
            pending_orders=None
            if entries is None
            else sum(order.is_open for entry in entries for order in entry.orders),
            data_ages={} if age is None else {"rates": age},
            error_rate=self._failing.ratio(said.logs.logs, now) if said.logs and said.trading else None,
            host=_usage(self._host, said.system),
            trades=trades,
            history_restarted=restarted,
        )

    async def _get(
        self,
        path: str,
        kind: type[_Answer],
        wrap: str = "",
        older: _Answer | None = None,
        **query: str | int,
    ) -> _Answer | None:
        """Return the answer, None where it is refused, `older` where it does not exist. Raises SourceError.

        `wrap` names a bare list.
        """
        try:
            data = await self._api.get(_ROOT + path, **query)
        except SourceError as error:
            if error.status in _REFUSALS:
                return older if error.status == 404 else None
            raise
        try:
            return self._input.read(kind, {wrap: data} if wrap else data)
        except ValidationError as error:
            raise SourceError("parse", f"{_ROOT}{path}: {first_problem(error)}") from None

    async def _at_pace(self, path: str, kind: type[_Answer]) -> _Answer | None:
        """Return the answer, not older than the pace. Raises SourceError."""
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
    pair = f"{settings.username}:{read_secret(settings.password_file)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _pnl(said: _Answers) -> dict[str, float]:
    """Return the realised profit by window; the first row of a window is the current one."""
    pnl = {window: days.data[0].abs_profit for window, days in said.windows.items() if days and days.data}
    pnl["total"] = said.profit.profit_closed_coin if said.profit else None
    return {window: value for window, value in pnl.items() if value is not None}


def _usage(host: str, system: System | None) -> Host | None:
    """Return the host's usage as ratios; /sysinfo says percent, the CPU's by core."""
    if system is None:
        return None
    cores = [percent for percent in system.cpu_pct or () if percent is not None]
    cpu = sum(cores) / len(cores) / 100 if cores else None
    return Host(host, cpu, None if system.ram_pct is None else system.ram_pct / 100)
