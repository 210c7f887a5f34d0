"""How a bot is acted on: one control for all bots, over an adapter for each kind of access, a file each."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from clients.observer import Observer, Sample, for_bot
from stack.settings import Bot, CommandRestart, DockerRestart, FreqtradeBot, HttpBot, Settings
from webhook_actions.bots.command import CommandAdapter
from webhook_actions.bots.docker import DockerAdapter
from webhook_actions.bots.freqtrade import FreqtradeAdapter
from webhook_actions.bots.http import HttpAdapter
from webhook_actions.bots.nothing import NoAdapter, Seen
from webhook_actions.bots.protocol import (
    Adapter,
    Order,
    Position,
    Restarter,
    Scope,
    Standing,
    Trade,
    Verb,
)
from webhook_actions.outcome import Outcome, Result
from webhook_actions.report import Report
from webhook_actions.report.compute import Reporter

_ASK_EVERY = 0.5  # seconds between two looks at whether a bot answers
_INSIST = 3  # times that a bot is asked for what protects money; under one key, so that it is done once


def _none(_senses: Observer, _period: str, _bot: str) -> tuple[Report, ...]:
    return ()


@dataclass(frozen=True)
class BotControl:
    """A bot as one try of an action sees it: `key` names the try, `restart_wait` and `boot` are seconds.

    `keep` is the share of each position that is left by a reduction. `reporter` computes the reports of a
    day, week or month, of a bot or, without a name, of each; it raises Unanswered.
    """

    name: str
    key: str
    restarter: Restarter
    adapter: Adapter
    observer: Observer
    restart_wait: float
    boot: float
    keep: float
    reporter: Callable[[Observer, str, str], tuple[Report, ...]] = _none
    sleep: Callable[[float], None] = time.sleep

    def restart(self) -> Outcome:
        """Restart the bot."""
        return self.restarter.restart(self.restart_wait, self.key)

    def wait_until_it_answers(self) -> Outcome:
        """Return done once the bot answers, retry when it did not within its boot time."""
        deadline = time.monotonic() + self.boot
        while not (answer := self.adapter.answers()).done:
            if time.monotonic() > deadline:
                return Outcome.retry(f"silent for {self.boot:g}s since: {answer.detail}")
            self.sleep(_ASK_EVERY)
        return Outcome.ok("it answers")

    def pause(self) -> Outcome:
        """Stop entries; exits go on."""
        return self._do(Order(Verb.PAUSE))

    def resume(self) -> Outcome:
        """Allow entries again."""
        return self._do(Order(Verb.RESUME))

    def flatten(self) -> Outcome:
        """Pause, then close everything at the market, and leave it paused.

        In that order: a bot that is only closed buys again. One that knows no pause is closed all the same,
        and shows at the proof that it may enter.
        """
        paused = self._insist(Order(Verb.PAUSE))
        if not paused.done and paused.result is not Result.CANNOT:
            return Outcome(
                paused.result, f"nothing was closed, since it could not be paused: {paused.detail}"
            )
        closed = self.close_positions("all")
        return Outcome(closed.result, f"{paused.detail}; {closed.detail}")

    def close_positions(self, scope: Scope) -> Outcome:
        """Close positions at the market."""
        return self._insist(Order(Verb.CLOSE_POSITIONS, scope=scope))

    def reduce_positions(self, factor: float) -> Outcome:
        """Reduce each position to `factor` of its size."""
        return self._insist(Order(Verb.REDUCE_POSITIONS, factor=factor))

    def retrain_model(self) -> Outcome:
        """Train the bot's models anew."""
        return self._do(Order(Verb.RETRAIN_MODEL))

    def switch_endpoint(self, endpoint: str | None = None) -> Outcome:
        """Use another endpoint of the exchange: the one at this URL, else the bot's next."""
        return self._do(Order(Verb.SWITCH_ENDPOINT, endpoint=endpoint))

    def retry_connection(self) -> Outcome:
        """Connect to the exchange anew, and leave a bot paused that was."""
        return self._reconnect(Verb.RETRY_CONNECTION)

    def reload(self) -> Outcome:
        """Read the bot's configuration again, and leave a bot paused that was."""
        return self._reconnect(Verb.RELOAD)

    def optimize_connections(self) -> Outcome:
        """Let the bot keep connections open and choose the fastest."""
        return self._do(Order(Verb.OPTIMIZE_CONNECTIONS))

    def clear_cache(self) -> Outcome:
        """Give memory back."""
        return self._do(Order(Verb.CLEAR_CACHE))

    def reduce_processing(self) -> Outcome:
        """Do less per second."""
        return self._do(Order(Verb.REDUCE_PROCESSING))

    def adjust_strategy(self) -> Outcome:
        """Trade more cautiously."""
        return self._do(Order(Verb.ADJUST_STRATEGY))

    def adjust_parameters(self) -> Outcome:
        """Use only the predictions that the models are sure of."""
        return self._do(Order(Verb.ADJUST_PARAMETERS))

    def standing(self) -> Standing | Outcome:
        """Return where the bot stands, as it says itself."""
        return self.adapter.standing()

    def as_it_stands(self) -> "BotControl | Outcome":
        """Return this control with all that it tells taken from one look, insisted on, so that it agrees."""
        for _ in range(_INSIST - 1):
            standing = self.standing()
            if isinstance(standing, Standing):
                break
            self.sleep(_ASK_EVERY)
        else:
            standing = self.standing()
        return standing if isinstance(standing, Outcome) else replace(self, adapter=Seen(standing))

    def positions(self) -> tuple[Position, ...] | Outcome:
        """Return the open positions, as the bot says itself."""
        standing = self.standing()
        if isinstance(standing, Outcome):
            return standing
        if standing.positions is None:
            return Outcome.cannot(f"it is {standing.state} and does not say its positions")
        return standing.positions

    def trades(self, limit: int) -> tuple[Trade, ...] | Outcome:
        """Return the bot's last closed trades, oldest first."""
        return self.adapter.trades(limit)

    def is_flat(self) -> Outcome:
        """Return done when the bot holds nothing and no order waits."""
        standing = self.standing()
        if isinstance(standing, Outcome):
            return standing
        if standing.positions is None:
            return Outcome.retry(f"it is {standing.state} and does not say its positions")
        if standing.positions or standing.pending:
            held = ", ".join(position.symbol for position in standing.positions) or "no position"
            return Outcome.retry(f"it still holds {held}; {standing.pending or 0} orders wait")
        return Outcome.ok("it is flat")

    def is_paused(self) -> Outcome:
        """Return done when the bot enters nothing."""
        standing = self.standing()
        if isinstance(standing, Outcome):
            return standing
        if standing.enters:
            return Outcome.retry(f"it is {standing.state} and may enter positions")
        return Outcome.ok("it is locked against entries" if standing.locked else f"it is {standing.state}")

    def ask(self, expression: str) -> tuple[Sample, ...]:
        """Return what PromQL with `$bot` for the bot's name is now. Raises Unanswered."""
        return self.observer.ask(for_bot(expression, self.name))

    def number(self, expression: str) -> float | None:
        """Return the highest value that PromQL with `$bot` has now, None without one. Raises Unanswered."""
        return max((sample.value for sample in self.ask(expression)), default=None)

    def _do(self, order: Order) -> Outcome:
        return self.adapter.carry_out(order, self.key)

    def _insist(self, order: Order) -> Outcome:
        """Carry out an order, and again while that may help: one lost answer must not cost the account."""
        for _ in range(_INSIST - 1):
            outcome = self._do(order)
            if outcome.result is not Result.RETRY:
                return outcome
            self.sleep(_ASK_EVERY)
        return self._do(order)

    def _reconnect(self, verb: Verb) -> Outcome:
        """Carry out what may un-pause a bot, and pause it again."""
        if verb not in self.adapter.verbs:
            return self._do(Order(verb))
        before = self.standing()
        outcome = self._do(Order(verb))
        if not outcome.done or isinstance(before, Outcome) or before.state != "paused":
            return outcome
        answered = self.wait_until_it_answers()
        paused = self.pause() if answered.done else answered
        if not paused.done:
            return Outcome.retry(f"{outcome.detail}; it was paused, and could not be again: {paused.detail}")
        return Outcome.ok(f"{outcome.detail}; it was paused, and is again")


def control(settings: Settings, name: str, key: str) -> BotControl:
    """Return the control of a bot. Of one that settings do not have, only what it said can be looked at."""
    bot = settings.bots.get(name)
    timeout = float(settings.collection.timeout)
    boot = float((bot and bot.boot) or settings.actions.restart.boot)
    return BotControl(
        name,
        key,
        restarter=_restarter(settings, name, bot, timeout + boot),  # it may answer only once booted
        adapter=_adapter(bot.control if bot else None, timeout),
        observer=Observer.of(settings),
        restart_wait=float(settings.actions.restart.wait),
        boot=boot,
        keep=settings.actions.reduce_position_sizes.factor,
        reporter=Reporter(settings),
    )


def _adapter(access: HttpBot | FreqtradeBot | None, timeout: float) -> Adapter:
    match access:
        case None:
            return NoAdapter()
        case HttpBot():
            return HttpAdapter(access, timeout)
        case FreqtradeBot():
            return FreqtradeAdapter(access, timeout)


def _restarter(settings: Settings, name: str, bot: Bot | None, timeout: float) -> Restarter:
    match bot.restart if bot else None:
        case DockerRestart() as access:
            return DockerAdapter(access, timeout)
        case CommandRestart() as access:
            return CommandAdapter(settings.actions.programs[access.program], name, timeout)
        case access:
            return _adapter(access, timeout)
