"""The adapter for Freqtrade's REST API; tests/fixtures/freqtrade/actions.json shows each answer."""

import time
from collections.abc import Callable
from typing import TypeVar

import requests
from pydantic import TypeAdapter, ValidationError

from stack.settings import FreqtradeBot
from webhook_actions.bots.freqtrade_answers import EVERY_PAIR, Config, Lock, Locks, OpenTrade, TradePage
from webhook_actions.bots.protocol import Order, Scope, Standing, Trade, Verb
from webhook_actions.outcome import Outcome, Result

_LOCK_REASON = "nightdesk"
_FOREVER = "2099-01-01T00:00:00Z"  # a lock needs an end
_GONE = Outcome.ok("the entry had not been filled; it was deleted")
_Answer = TypeVar("_Answer")


class FreqtradeAdapter:
    """Speaks Freqtrade's API with basic authentication. Its refusals are 502 with the reason in the body.

    Freqtrade knows no idempotency keys: what must not be done twice is not asked for twice.
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
        self, bot: FreqtradeBot, timeout: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._url = str(bot.url).rstrip("/")
        self._username = bot.username
        self._password_file = bot.password_file
        self._timeout = timeout
        self._sleep = sleep

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
        return self._post("start")

    def answers(self) -> Outcome:
        """Return done when the bot says that its loop goes round."""
        state = self._state()
        if isinstance(state, Outcome):
            return state
        alive = state in ("running", "paused")
        return Outcome.ok(state) if alive else Outcome.retry(f"its state is {state}")

    def carry_out(self, order: Order, key: str) -> Outcome:
        """Have Freqtrade do what it has a call for."""
        match order:
            case Order(Verb.PAUSE):
                return self._pause()
            case Order(Verb.RESUME):
                return self._resume()
            case Order(Verb.CLOSE_POSITIONS, scope="all"):
                return self._close_all()
            case Order(Verb.CLOSE_POSITIONS, scope=scope) if scope is not None:
                return self._close_some(scope)
            case Order(Verb.REDUCE_POSITIONS, factor=factor) if factor is not None:
                return self._reduce(factor)
            case Order(Verb.RETRY_CONNECTION | Verb.RELOAD):
                return self._post("reload_config")  # which connects to the exchange anew
            case _:
                return Outcome.cannot(f"Freqtrade's API has no {order.verb}")

    def standing(self) -> Standing | Outcome:
        """Return the state and the open trades. Unlike /count, /status answers while the bot is stopped."""
        state = self._state()
        if isinstance(state, Outcome):
            return state
        trades = self._open_trades()
        if isinstance(trades, Outcome):
            return trades
        positions = tuple(trade.position() for trade in trades)
        waiting = sum(trade.has_open_orders for trade in trades)
        return Standing(state, positions, waiting, locked=state == "running" and bool(self._locks()))

    def trades(self, limit: int) -> tuple[Trade, ...] | Outcome:
        """Return the trades closed last; they are listed by id, so the page is taken from the end."""
        first = self._get(TradePage, "trades?limit=1")
        if isinstance(first, Outcome):
            return first
        offset = max(0, first.total_trades - limit)
        page = self._get(TradePage, f"trades?limit={limit}&offset={offset}")
        if isinstance(page, Outcome):
            return page
        closed = [trade for entry in page.trades if (trade := entry.closed()) is not None]
        return tuple(sorted(closed, key=lambda trade: trade.closed_at))

    def _pause(self) -> Outcome:
        """Enter nothing more. A stopped bot enters nothing, and a pause would start it."""
        state = self._state()
        if isinstance(state, Outcome):
            return state
        if state == "stopped":
            return Outcome.ok("it is stopped, and enters nothing")
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
        locks = self._get(Locks, "locks")
        return [] if isinstance(locks, Outcome) else [lock for lock in locks.locks if lock.forbids_all]

    def _close_all(self) -> Outcome:
        """Exit everything at the market. While stopped that is refused, so it is started paused before."""
        state = self._state()
        if isinstance(state, Outcome):
            return state
        if state == "stopped" and not (paused := self._post("pause")).done:
            return paused
        return self._post("forceexit", {"tradeid": "all", "ordertype": "market"})

    def _close_some(self, scope: Scope) -> Outcome:
        trades = self._open_trades()
        if isinstance(trades, Outcome):
            return trades
        mean = sum(trade.stake_amount for trade in trades) / max(1, len(trades))
        chosen = [t for t in trades if (t.is_losing if scope == "losing" else t.is_risky(mean))]
        if not chosen:
            return Outcome.failed(f"none of its {len(trades)} positions is {scope}; nothing was closed")
        told = {trade.pair: self._exit(trade) for trade in chosen}
        return _sum_up("exit ordered", told, Outcome.retry)

    def _reduce(self, factor: float) -> Outcome:
        """Exit a part of each filled trade. What failed is not tried again: some may be reduced already."""
        trades = self._open_trades()
        if isinstance(trades, Outcome):
            return trades
        held = [trade for trade in trades if trade.amount > 0]
        if not held:
            return Outcome.failed("it holds no position; nothing was reduced")
        told = {trade.pair: self._exit(trade, trade.amount * (1 - factor)) for trade in held}
        return _sum_up(f"reduced to {factor:g}", told, Outcome.failed)

    def _exit(self, trade: OpenTrade, amount: float | None = None) -> Outcome:
        """Exit a trade at the market, or a part of it in units of its coin.

        An entry that was never filled is deleted, yet answered with 502: only /status tells.
        """
        body: dict[str, object] = {"tradeid": str(trade.trade_id), "ordertype": "market"}
        outcome = self._post("forceexit", body if amount is None else body | {"amount": amount})
        if outcome.result is not Result.RETRY:
            return outcome
        left = self._open_trades()
        if isinstance(left, Outcome) or any(other.trade_id == trade.trade_id for other in left):
            return outcome
        return _GONE

    def _state(self) -> str | Outcome:
        config = self._get(Config, "show_config")
        return config if isinstance(config, Outcome) else config.state

    def _open_trades(self) -> list[OpenTrade] | Outcome:
        return self._get(list[OpenTrade], "status")

    def _get(self, kind: type[_Answer], path: str) -> _Answer | Outcome:
        answer = self._request("GET", path)
        if isinstance(answer, Outcome):
            return answer
        try:
            return TypeAdapter(kind).validate_json(answer.content)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "the body"
            return Outcome.failed(f"GET {path}: {where} cannot be read; is this Freqtrade's API?")

    def _post(self, path: str, body: object = None, method: str = "POST") -> Outcome:
        answer = self._request(method, path, body)
        return answer if isinstance(answer, Outcome) else Outcome.ok(_said(f"{method} {path}", answer))

    def _request(self, method: str, path: str, body: object = None) -> requests.Response | Outcome:
        """Return a good answer, or what a bad one means."""
        try:
            password = self._password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            return Outcome.failed(f"{self._password_file} cannot be read: {type(error).__name__}")
        try:
            answer = requests.request(
                method,
                f"{self._url}/api/v1/{path}",
                json=body,
                auth=(self._username, password),
                timeout=self._timeout,
            )
        except requests.RequestException as error:
            return Outcome.retry(f"{method} {path}: {type(error).__name__}")
        if answer.ok:
            return answer
        said = _said(f"{method} {path}", answer)
        if answer.status_code in (404, 405):
            return Outcome.cannot(said)
        return Outcome.retry(said) if answer.status_code >= 500 else Outcome.failed(said)


def _sum_up(done: str, told: dict[str, Outcome], otherwise: Callable[[str], Outcome]) -> Outcome:
    """Return done where every pair is, else `otherwise` with what was and what was not."""
    failed = [f"{pair}: {outcome.detail}" for pair, outcome in told.items() if not outcome.done]
    pairs = ", ".join(pair for pair, outcome in told.items() if outcome.done)
    if not failed:
        return Outcome.ok(f"{done}: {pairs}")
    return otherwise("; ".join(([f"{done}: {pairs}"] if pairs else []) + failed)[:1000])


def _said(call: str, answer: requests.Response) -> str:
    return f"{call}: {answer.status_code} {answer.text[:300]}"
