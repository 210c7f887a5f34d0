"""The adapter for bots that answer Nightdesk's bot API (docs/bot-api.md)."""

import json
from collections.abc import Collection

from clients.bot_api import State, TradePage
from clients.http import Answer, Ask, ask
from clients.trading import Position, Trade
from stack.settings import HttpBot
from webhook_actions.bots.calls import LONGEST_DETAIL, Calls, said
from webhook_actions.bots.protocol import BotStatus, ExcessPosition, Guard, Mode, Order, Target, Verb, mode_of
from webhook_actions.outcome import Outcome, Result

# A repeat of these succeeds, so a key could only prevent a necessary repeat.
_KEYLESS = frozenset({Verb.PAUSE, Verb.RESUME})
_PAGE = 1000  # trades in one answer at most
_CALLS = 5  # calls for a target at most: state, pause, close, reduce, reduce as older bots do
_COMING = ("reloading", "starting", "stopping")  # states that end by themselves
_MOST = 0.9999  # the largest share that a reduction keeps


class HttpAdapter:
    """Uses the bot API: bearer token, control verbs with idempotency keys."""

    verbs = frozenset(Verb) - {Verb.RELOAD}

    def __init__(self, bot: HttpBot, timeout: float, guard: Guard, ask: Ask = ask) -> None:
        self._calls = Calls(
            str(bot.url).rstrip("/"), bot.token_file, _bearer, timeout, guard, ask, "see docs/bot-api.md"
        )
        self.timeout, self.longest = timeout, _CALLS * timeout
        self.longest_back, self.longest_reload = 3 * timeout, timeout

    def restart(self, wait: float, key: str) -> Outcome:
        """Ask the bot's supervisor to stop it, wait, and start it."""
        return self._control("restart", {"wait": wait}, key, self._calls.timeout + wait)

    def longest_restart(self, wait: float) -> float:
        """Return the longest seconds of a restart."""
        return self._calls.timeout + wait

    def answers(self) -> Outcome:
        """Return done if the bot answers with any state."""
        state = self._calls.get(dict[str, object], "state")
        return state if isinstance(state, Outcome) else Outcome.ok(f"its state is {state.get('state')}")

    def mode(self) -> Mode | Outcome:
        """Return the trading loop's mode; a state that the API does not define says nothing about it."""
        seen = self.standing()
        if isinstance(seen, Outcome):
            return seen
        if seen.state not in {*Mode, *_COMING}:
            return Outcome.cannot(f"its state is {seen.state}")
        return mode_of(seen.state, enters=True)

    def bring_back(self, mode: Mode) -> Outcome:
        """Start, pause or stop it."""
        if mode is Mode.STOPPED:
            return self._control("stop", {}, None)
        now = self.mode()
        started = [self._control("start", {}, None)] if now is Mode.STOPPED else []
        if all(each.done for each in started):
            started.append(self._control(Verb.PAUSE if mode is Mode.PAUSED else Verb.RESUME, {}, None))
        # A bot that was just started need not know `resume`.
        known = [each for each in started if each.result is not Result.CANNOT]
        return summed(known or started)

    def lacks(self, verbs: Collection[Verb]) -> Outcome | None:
        """Return the targets that the bot API cannot reach; the bot itself refuses unknown verbs."""
        if not verbs or self.verbs.intersection(verbs):
            return None
        return Outcome.cannot(f"the bot API has no {' or '.join(verbs)}")

    def version(self) -> str | Outcome:
        """Say that the bot API reports no version."""
        return Outcome.cannot("the bot API has no version")

    def carry_out(self, order: Order, key: str) -> Outcome:
        """Send the verb; the same order under the same key is done once."""
        if order.verb not in self.verbs:
            return Outcome.cannot(f"the bot API has no {order.verb}")
        if order.verb is Verb.RESUME and self.mode() is Mode.STOPPED:
            return Outcome.ok("it is stopped and stays stopped")
        once = None if order.verb in _KEYLESS else f"{key}-{order.verb}"
        return self._control(order.verb, order.arguments(), once)

    def bring_to(self, target: Target, key: str) -> Outcome:
        """Pause, close, reduce, as far as necessary. Sizes are absolute: a repeat changes nothing."""
        state = self._calls.get(State, "state")
        standing = _standing(state)
        done: list[Outcome] = []
        if target.paused and (isinstance(standing, Outcome) or standing.enters):
            paused = self._control(Verb.PAUSE, {}, None)
            # A bot that cannot pause is closed all the same; the proof then shows that it may enter.
            if not paused.done and paused.result is not Result.CANNOT:
                return Outcome(
                    paused.result, f"it could not be paused: {paused.detail}", orders=paused.orders
                )
            done.append(paused)
        if target.closes_all:
            done += self._close_all(standing)
        elif target.positions or target.others is not None:
            done += self._take_excess(target, standing, key)
        return summed(done)

    def standing(self) -> BotStatus | Outcome:
        """Return the bot's report of its state."""
        state = self._calls.get(State, "state")
        return _standing(state)

    def trades(self, limit: int) -> tuple[Trade, ...] | Outcome:
        """Return the last closed trades; the ids give the order."""
        state = self._calls.get(State, "state")
        if isinstance(state, Outcome):
            return state
        limit = min(limit, _PAGE)
        since = max(0, (state.last_trade_id or 0) - limit)
        page = self._calls.get(TradePage, f"trades?since_id={since}&limit={limit}")
        if isinstance(page, Outcome):
            return page
        return tuple(each.closed() for each in page.trades if each is not None)

    def _close_all(self, standing: BotStatus | Outcome) -> list[Outcome]:
        """Close everything, even if the bot does not report its positions."""
        if isinstance(standing, BotStatus) and standing.positions == () and not standing.pending:
            return []
        return [self._close({"scope": "all"})]

    def _take_excess(self, target: Target, standing: BotStatus | Outcome, key: str) -> list[Outcome]:
        if isinstance(standing, Outcome):
            return [standing]
        if standing.positions is None:
            return [Outcome.cannot(f"it is {standing.state} and does not say its positions")]
        excess = [each for each in target.excess(standing.positions) if each]
        # A symbol is closed as a whole; if its other side may stay, this side is reduced to nothing.
        staying = {each.symbol for each in standing.positions if target.limit(each.key) > 0}
        closing = {each.position.symbol for each in excess if each.position.symbol not in staying}
        reduced = [each for each in excess if each.position.symbol in staying]
        done = [self._close({"symbols": sorted(closing)})] if closing else []
        unsized = [each.position.key for each in reduced if each.position.quantity is None]
        if unsized:
            return [*done, Outcome.cannot(f"it does not say how large {', '.join(unsized)} is")]
        return [*done, self._reduce(target, reduced, standing.positions, key)] if reduced else done

    def _close(self, what: dict[str, object]) -> Outcome:
        closed = self._control(Verb.CLOSE_POSITIONS, what, None)
        # An exchange that refused to close may accept it later.
        return Outcome.retry(closed.detail, closed.orders) if _conflicts(closed) else closed

    def _reduce(
        self, target: Target, excess: list[ExcessPosition], held: tuple[Position, ...], key: str
    ) -> Outcome:
        """Reduce to the target's sizes; `factor` is for older bots, which know nothing else.

        They do it once under a key, and it is chosen so that nothing falls below its target.
        """
        sizes = [
            {"symbol": each.position.symbol, "side": each.position.side, "size": each.keep} for each in excess
        ]
        factor = min(_MOST, max(_share(target, position) for position in held))
        verb, once = Verb.REDUCE_POSITIONS, f"{key}-{Verb.REDUCE_POSITIONS}"
        reduced = self._control(verb, {"positions": sizes, "factor": factor}, once)
        if reduced.result is Result.CANNOT:  # it may not know sizes at all
            reduced = self._control(verb, {"factor": factor}, once)
        return Outcome.retry(reduced.detail, reduced.orders) if _conflicts(reduced) else reduced

    def _control(
        self, verb: str, arguments: dict[str, object], key: str | None, timeout: float | None = None
    ) -> Outcome:
        answer = self._calls.order(f"control/{verb}", arguments, key=key, timeout=timeout)
        return answer if isinstance(answer, Outcome) else Outcome.ok(_detail(verb, answer), 1)


def _standing(state: State | Outcome) -> BotStatus | Outcome:
    """Return the bot's status; one unreadable position makes all of them unknown."""
    if isinstance(state, Outcome):
        return state
    if state.state is None:
        return Outcome.failed("GET state: state cannot be read; see docs/bot-api.md")
    return BotStatus(state.state, state.positions, state.pending_orders)


def summed(done: list[Outcome]) -> Outcome:
    """Return one outcome of several: done if all are, else the first that is not, with all messages."""
    if not done:
        return Outcome.ok("nothing was left to order")
    worst = next((each.result for each in done if not each.done), Result.DONE)
    return Outcome(worst, "; ".join(each.detail for each in done)[:1000], orders=sum(o.orders for o in done))


def _share(target: Target, position: Position) -> float:
    """Return the share that a position may keep; 1 if it may keep all or its size is unknown."""
    limit = target.limit(position.key)
    if not position.quantity or limit >= position.quantity:
        return 1.0
    return limit / position.quantity


def _conflicts(outcome: Outcome) -> bool:
    return outcome.result is Result.FAILED and outcome.orders > 0


def _bearer(token: str) -> str:
    return f"Bearer {token}"


def _detail(verb: str, answer: Answer) -> str:
    """Return the sentence in the bot's answer, if any."""
    try:
        return f"{verb}: {str(json.loads(answer.body)['detail'])[:LONGEST_DETAIL]}"
    except (ValueError, KeyError, TypeError):
        return said(f"POST control/{verb}", answer)
