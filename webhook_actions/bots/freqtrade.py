"""The adapter for Freqtrade's REST API; tests/fixtures/freqtrade/actions.json shows each answer."""

import time
from base64 import b64encode
from collections.abc import Callable, Collection

from clients.freqtrade import Config, OpenTrade, TradePage, mean_stake
from clients.http import Ask, ask
from clients.trading import Trade
from stack.settings import FreqtradeBot
from webhook_actions.bots.calls import Calls
from webhook_actions.bots.freqtrade_entries import Entries
from webhook_actions.bots.freqtrade_exits import Exits
from webhook_actions.bots.freqtrade_versions import Capabilities, capabilities
from webhook_actions.bots.protocol import (
    BotStatus,
    Guard,
    Mode,
    Order,
    OrderRefused,
    Target,
    Verb,
)
from webhook_actions.outcome import Outcome


class FreqtradeAdapter:
    """Uses Freqtrade's API with basic authentication. Its refusals are 502 with the reason in the body.

    Freqtrade has no idempotency keys: an order is the difference between its present state and the target, so
    that a repeat orders nothing.
    """

    verbs = frozenset(
        {
            Verb.PAUSE,
            Verb.RESUME,
            Verb.CLOSE_POSITIONS,
            Verb.REDUCE_POSITIONS,
            Verb.RETRY_CONNECTION,
            Verb.RELOAD,
        }
    )

    def __init__(
        self,
        bot: FreqtradeBot,
        timeout: float,
        guard: Guard,
        ask: Ask = ask,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        def login(password: str) -> str:
            return "Basic " + b64encode(f"{bot.username}:{password}".encode()).decode()

        url, hint = str(bot.url).rstrip("/"), "is this Freqtrade's API?"
        self._calls = Calls(url, bot.password_file, login, timeout, guard, ask, hint)
        self._exits = Exits(self._calls, sleep, clock)
        self._entries = Entries(self._calls, sleep, clock)
        self._sleep = sleep
        self._told: Config | Outcome | None = None
        self.timeout = timeout
        self.longest = self._entries.longest_stop + self._exits.longest
        self.longest_back = self._entries.longest_stop
        self.longest_reload = self._entries.longest_reload

    def restart(self, wait: float, key: str) -> Outcome:
        """Stop the trading loop, wait, and start it as before: with entries or without.

        A bot that its owner stopped stays stopped: a start would let it trade.
        """
        mode = self._entries.mode()
        if isinstance(mode, Outcome):
            return mode
        if mode is Mode.STOPPED:
            return Outcome.cannot("its owner stopped it; a restart would make it trade again")
        stopped = self._entries.halt()
        if not stopped.orders:
            return stopped
        self._sleep(wait)  # also if its answer was lost: it may have stopped the bot
        try:
            started = self._entries.run_again(mode)
        except OrderRefused as refusal:
            raise OrderRefused(
                f"{refusal}; this restart stopped the bot and did not start it again"
            ) from None
        return Outcome(started.result, started.detail, orders=stopped.orders + started.orders)

    def longest_restart(self, wait: float) -> float:
        """Return the longest seconds of a restart."""
        return 2 * self.timeout + self._entries.longest_stop + wait

    def answers(self) -> Outcome:
        """Return done if the bot reports that its loop runs."""
        mode = self._entries.mode()
        if isinstance(mode, Outcome):
            return mode
        return Outcome.retry("its state is stopped") if mode is Mode.STOPPED else Outcome.ok(mode)

    def mode(self) -> Mode | Outcome:
        """Return the trading loop's mode, without a question about positions."""
        return self._entries.mode()

    def bring_back(self, mode: Mode) -> Outcome:
        """Start it, with or without entries, or stop it."""
        return self._entries.halt() if mode is Mode.STOPPED else self._entries.run_again(mode)

    def lacks(self, verbs: Collection[Verb]) -> Outcome | None:
        """Return what its version cannot do: not every version sells a part of a trade."""
        if verbs and not self.verbs.intersection(verbs):
            return Outcome.cannot(f"Freqtrade's API has no {' or '.join(verbs)}")
        if set(verbs) != {Verb.REDUCE_POSITIONS}:
            return None
        told = self._first_told()
        return told if isinstance(told, Outcome) else _lacks_parts(capabilities(told))

    def version(self) -> str | Outcome:
        """Return the version in its state."""
        told = self._first_told()
        if isinstance(told, Outcome):
            return told
        return told.version or Outcome.cannot("it does not say its version")

    def _first_told(self) -> Config | Outcome:
        """Return the bot's first report of itself: its version outlasts an attempt.

        Not a cached_property, whose single lock in Python 3.11 would make all bots wait for a hanging one.
        """
        if self._told is None:
            self._told = self._entries.config()
        return self._told

    def carry_out(self, order: Order, key: str) -> Outcome:
        """Call Freqtrade's endpoint for an order, if it has one."""
        match order.verb:
            case Verb.PAUSE:
                return self._entries.stop(to_exit=False)
            case Verb.RESUME:
                return self._entries.allow()
            case Verb.RETRY_CONNECTION | Verb.RELOAD:
                return self._entries.reload()  # a reload reconnects to the exchange
            case _:
                return Outcome.cannot(f"Freqtrade's API has no {order.verb}")

    def bring_to(self, target: Target, key: str) -> Outcome:
        """Stop entries, then exit what each trade has above its target."""
        exits = bool(target.positions) or target.others is not None
        config = self._entries.config()
        if isinstance(config, Outcome):
            return _not_paused(config) if target.paused else config
        known = capabilities(config)
        if any(target.positions.values()) and (missing := _lacks_parts(known)):
            return missing
        paused = Outcome.ok("its entries continue as before")
        if target.paused:
            paused = self._entries.stop(to_exit=exits)
            if not paused.done:
                return _not_paused(paused)
        if not exits:
            return paused
        exited = self._exits.bring_to(target, known.exit)
        return Outcome(
            exited.result, f"{paused.detail}; {exited.detail}", orders=paused.orders + exited.orders
        )

    def standing(self) -> BotStatus | Outcome:
        """Return the state and the open trades. Unlike /count, /status answers while the bot is stopped."""
        config = self._entries.config()
        if isinstance(config, Outcome):
            return config
        trades = self._calls.get(list[OpenTrade], "status")
        if isinstance(trades, Outcome):
            return trades
        mean = mean_stake(trades)
        managed = config.state != "stopped"
        positions = tuple(trade.position(mean, managed=managed) for trade in trades)
        entering = sum(trade.is_entering for trade in trades)
        return BotStatus(config.state, positions, entering, locked=self._entries.locked(config))

    def trades(self, limit: int) -> tuple[Trade, ...] | Outcome:
        """Return the last closed trades; Freqtrade lists them by id, so the last page is read."""
        first = self._calls.get(TradePage, "trades?limit=1")
        if isinstance(first, Outcome):
            return first
        offset = max(0, first.total_trades - limit)
        page = self._calls.get(TradePage, f"trades?limit={limit}&offset={offset}")
        if isinstance(page, Outcome):
            return page
        closed = [entry.closed() for entry in page.trades if entry is not None]
        return tuple(sorted(closed, key=lambda trade: trade.closed_at))


def _not_paused(why: Outcome) -> Outcome:
    return Outcome(
        why.result, f"nothing was closed: the bot could not be paused: {why.detail}", orders=why.orders
    )


def _lacks_parts(known: Capabilities) -> Outcome | None:
    """Return why a part of a trade cannot be sold: an old version ignores the amount, and sells all."""
    if known.partial_exits:
        return None
    return Outcome.cannot(
        f"Freqtrade {known.version} exits only whole trades; a part is possible from 2022.8 on"
    )
