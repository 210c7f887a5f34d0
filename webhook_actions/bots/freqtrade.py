"""The adapter for Freqtrade's REST API; tests/fixtures/freqtrade/actions.json shows each answer."""

import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from clients.http import Ask, ask
from stack.settings import FreqtradeBot
from webhook_actions.bots.calls import Calls, said
from webhook_actions.bots.freqtrade_answers import (
    EVERY_PAIR,
    Config,
    Lock,
    Locks,
    OpenTrade,
    TradePage,
    mean_stake,
)
from webhook_actions.bots.freqtrade_exits import Exits
from webhook_actions.bots.protocol import Guard, Order, Standing, Target, Trade, Verb
from webhook_actions.outcome import Outcome, Result

_LOCK_REASON = "nightdesk"
_FOREVER = "2099-01-01T00:00:00Z"  # a lock needs an end
_PAUSING = 5  # calls that a pause takes at most: state, locks, pause, lock, and the state after it


@dataclass(frozen=True)
class Capabilities:
    """What this bot's version can do."""

    partial_exits: bool = True  # forceexit takes an amount


class FreqtradeAdapter:
    """Speaks Freqtrade's API with basic authentication. Its refusals are 502 with the reason in the body.

    Freqtrade knows no idempotency keys: what is ordered is the difference between what it says now and the
    target, so that a repeat finds nothing left to order.
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
        capabilities: Capabilities = Capabilities(),
    ) -> None:
        def login(password: str) -> str:
            return "Basic " + b64encode(f"{bot.username}:{password}".encode()).decode()

        url, hint = str(bot.url).rstrip("/"), "is this Freqtrade's API?"
        self._calls = Calls(url, bot.password_file, login, timeout, guard, ask, hint)
        self._exits = Exits(self._calls, sleep, clock)
        self._sleep = sleep
        self._capabilities = capabilities
        self.timeout = timeout
        self.longest = _PAUSING * timeout + self._exits.longest

    def restart(self, wait: float, key: str) -> Outcome:
        """Stop the trading loop, wait, start it.

        A bot that its owner stopped or paused is left alone: its start would trade again.
        """
        state = self._state()
        if isinstance(state, Outcome):
            return state
        if state != "running":
            return Outcome.cannot(f"is {state} by its owner's will; a restart would make it trade again")
        stopped = self._post("stop")
        if not stopped.done:
            return stopped
        self._sleep(wait)
        started = self._post("start")
        return Outcome(started.result, started.detail, orders=stopped.orders + started.orders)

    def longest_restart(self, wait: float) -> float:
        """Return the seconds that a restart takes at most."""
        return 3 * self._calls.timeout + wait

    def answers(self) -> Outcome:
        """Return done when the bot says that its loop goes round."""
        state = self._state()
        if isinstance(state, Outcome):
            return state
        alive = state in ("running", "paused")
        return Outcome.ok(state) if alive else Outcome.retry(f"its state is {state}")

    def carry_out(self, order: Order, key: str) -> Outcome:
        """Have Freqtrade do what it has a call for."""
        match order.verb:
            case Verb.PAUSE:
                return self._pause(to_exit=False)
            case Verb.RESUME:
                return self._resume()
            case Verb.RETRY_CONNECTION | Verb.RELOAD:
                return self._post("reload_config")  # which connects to the exchange anew
            case _:
                return Outcome.cannot(f"Freqtrade's API has no {order.verb}")

    def bring_to(self, target: Target, key: str) -> Outcome:
        """Stop entries, then exit what each trade holds above its target."""
        exits = bool(target.positions) or target.others is not None
        paused = Outcome.ok("its entries go on as they were")
        if target.paused:
            paused = self._pause(to_exit=exits)
            if not paused.done:
                said = f"nothing was closed, since it could not be paused: {paused.detail}"
                return Outcome(paused.result, said, orders=paused.orders)
        if not exits:
            return paused
        if any(target.positions.values()) and not self._capabilities.partial_exits:
            return Outcome.cannot("this Freqtrade exits only whole trades", paused.orders)
        exited = self._exits.bring_to(target)
        return Outcome(
            exited.result, f"{paused.detail}; {exited.detail}", orders=paused.orders + exited.orders
        )

    def standing(self) -> Standing | Outcome:
        """Return the state and the open trades. Unlike /count, /status answers while the bot is stopped."""
        state = self._state()
        if isinstance(state, Outcome):
            return state
        trades = self._calls.get(list[OpenTrade], "status")
        if isinstance(trades, Outcome):
            return trades
        mean = mean_stake(trades)
        positions = tuple(trade.position(mean) for trade in trades)
        entering = sum(trade.is_entering for trade in trades)
        return Standing(state, positions, entering, locked=state == "running" and bool(self._locks()))

    def trades(self, limit: int) -> tuple[Trade, ...] | Outcome:
        """Return the trades closed last; they are listed by id, so the page is taken from the end."""
        first = self._calls.get(TradePage, "trades?limit=1")
        if isinstance(first, Outcome):
            return first
        offset = max(0, first.total_trades - limit)
        page = self._calls.get(TradePage, f"trades?limit={limit}&offset={offset}")
        if isinstance(page, Outcome):
            return page
        closed = [trade for entry in page.trades if (trade := entry.closed()) is not None]
        return tuple(sorted(closed, key=lambda trade: trade.closed_at))

    def _pause(self, *, to_exit: bool) -> Outcome:
        """Enter nothing more. A stopped bot enters nothing; it is started, paused, only to exit."""
        state = self._state()
        if isinstance(state, Outcome):
            return state
        if state == "paused" or (state == "stopped" and not to_exit):
            return Outcome.ok(f"it is {state}, and enters nothing")
        if state == "running" and self._locks():
            return Outcome.ok("it is locked against entries")
        paused = self._post("pause")
        if paused.result is not Result.CANNOT:
            return paused
        lock = [{"pair": EVERY_PAIR, "until": _FOREVER, "reason": _LOCK_REASON}]  # as older ones can
        return self._post("locks", lock)

    def _resume(self) -> Outcome:
        """Take away our own locks, not those of others, and start."""
        for lock in self._locks():
            if lock.reason == _LOCK_REASON:
                unlocked = self._post(f"locks/{lock.id}", method="DELETE")
                if not unlocked.done:
                    return unlocked
        return self._post("start")

    def _locks(self) -> list[Lock]:
        """Return the locks that forbid every entry; none where they cannot be read, so that it may enter."""
        locks = self._calls.get(Locks, "locks")
        return [] if isinstance(locks, Outcome) else [lock for lock in locks.locks if lock.forbids_all]

    def _state(self) -> str | Outcome:
        config = self._calls.get(Config, "show_config")
        return config if isinstance(config, Outcome) else config.state

    def _post(self, path: str, body: object = None, method: str = "POST") -> Outcome:
        answer = self._calls.order(path, body, method=method)
        return answer if isinstance(answer, Outcome) else Outcome.ok(said(f"{method} {path}", answer), 1)
