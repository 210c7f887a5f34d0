"""The control of a bot: one class for all bots, over an adapter for each kind of access."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from clients.http import Ask, ask
from clients.observer import Observer, Sample, Unanswered, for_bot
from clients.trading import Trade
from stack.settings import Bot, CommandRestart, DockerRestart, FreqtradeBot, HttpBot, Settings
from stack.settings.web import Way
from webhook_actions.bots.command import CommandAdapter
from webhook_actions.bots.docker import DockerAdapter
from webhook_actions.bots.freqtrade import FreqtradeAdapter
from webhook_actions.bots.http import HttpAdapter
from webhook_actions.bots.nothing import NoAdapter
from webhook_actions.bots.protocol import Adapter, BotStatus, Guard, Mode, Order, Restarter, Target, Verb
from webhook_actions.outcome import Outcome, Result
from webhook_actions.report import Report
from webhook_actions.report.compute import Reporter

_ASK_EVERY = 0.5  # seconds between two checks whether a bot answers
_QUESTIONS = 40  # questions that an observing action may ask Prometheus or the bot
_LOCKED = (Mode.PAUSED, Mode.RUNNING)  # the wanted mode, and the trading loop's
_MEASURING = 5  # steps of time-outs for endpoints, which are measured at the same time


def _none(_observer: Observer, _period: str, _bot: str, _due_at: datetime | None) -> tuple[Report, ...]:
    return ()


@dataclass(frozen=True)
class BotControl:
    """A bot as one attempt of an action sees it: `key` identifies the attempt, `restart_wait` and `boot` are
    seconds.

    `keep` is the share of each position that a reduction leaves. `reporter` computes the reports of a day,
    week or month, of one bot or, without a name, of each: up to the summary that was due at a time, or up to
    now; it raises Unanswered.
    """

    name: str
    key: str
    restarter: Restarter
    adapter: Adapter
    observer: Observer
    restart_wait: float
    boot: float
    keep: float
    reporter: Callable[[Observer, str, str, datetime | None], tuple[Report, ...]] = _none
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic  # seconds

    @property
    def longest(self) -> float:
        """The longest seconds of an action that orders something, with all its waits."""
        booting = self.boot + self.adapter.timeout + _ASK_EVERY
        restart = self.restarter.longest_restart(self.restart_wait)
        reconnect = self.adapter.longest_reload
        measure = _MEASURING * self.observer.longest + 2 * self.adapter.timeout
        # its mode before, and that it is the same again
        return (
            max(restart, reconnect, measure) + booting + self.adapter.longest_back + 4 * self.adapter.timeout
        )

    @property
    def longest_to_look(self) -> float:
        """The longest seconds of an observing action."""
        return _QUESTIONS * self.observer.longest

    @property
    def longest_to_target(self) -> float:
        """The longest seconds of one attempt to bring the bot to a target, with the checks around it."""
        return self.adapter.longest + 8 * self.adapter.timeout

    def restart(self) -> Outcome:
        """Restart the bot, unless its owner stopped it, or only the connection to it is broken."""
        mode = self.adapter.mode()
        if mode is Mode.STOPPED:
            return Outcome.cannot("its owner stopped it; a restart would make it trade again")
        if isinstance(mode, Outcome) and mode.way_broken:
            return Outcome.failed(f"not restarted: {mode.detail}")
        return self.restarter.restart(self.restart_wait, self.key)

    def wait_until_it_answers(self) -> Outcome:
        """Return done once the bot answers, retry if it did not within its boot time."""
        deadline = self.clock() + self.boot
        while isinstance(mode := self.adapter.mode(), Outcome) and mode.result is not Result.CANNOT:
            if self.clock() > deadline:
                return Outcome.retry(f"silent for {self.boot:g}s since: {mode.detail}")
            self.sleep(_ASK_EVERY)
        return Outcome.ok(mode.detail if isinstance(mode, Outcome) else f"it answers, and is {mode}")

    def mode(self) -> Mode | Outcome:
        """Return the trading loop's mode."""
        return self.adapter.mode()

    def last_mode(self) -> Mode:
        """Return the last known mode of a bot that does not answer; running if none is known."""
        try:
            seen = self.ask('max by (state) (last_over_time(trading_bot_state{bot="$bot"}[1d])) == 1')
        except Unanswered:
            return Mode.RUNNING
        known = [Mode(s.labels["state"]) for s in seen if s.labels.get("state") in set(Mode)]
        return known[0] if len(known) == 1 else Mode.RUNNING

    def undo(self, before: Mode, *, begun: bool = False) -> Outcome:
        """Bring a bot whose entries were stopped back to its mode before.

        If the undoing had `begun` when it was not stopped, and it is stopped now, our own reload stopped it.
        """
        if before is Mode.RUNNING:
            seen = self.standing()
            enters = isinstance(seen, BotStatus) and seen.state == Mode.RUNNING and seen.enters
            outcome = Outcome.ok("it enters already") if enters else self.resume()
            return self._started(outcome) if begun else outcome
        if self.adapter.mode() is before:
            return Outcome.ok(f"it is {before}, as it was")
        return self.adapter.bring_back(before)

    def come_back(self, mode: Mode) -> Outcome:
        """Wait until the bot answers, and bring its trading loop back to its mode; done if it is."""
        answered = self.wait_until_it_answers()
        if not answered.done:
            return answered
        now = self.adapter.mode()
        if now is mode or _never_says(now):
            return Outcome.ok(answered.detail)
        if isinstance(now, Outcome):
            return Outcome.retry(f"it is unknown whether it is {mode}: {now.detail}")
        back = self.adapter.bring_back(mode)
        seen = self.adapter.mode()
        # A running bot that is locked against entries counts as paused.
        if back.done and (seen is mode or _never_says(seen) or (mode, seen) == _LOCKED):
            return Outcome.ok(f"it was {now}, and is {mode} again", back.orders)
        return Outcome.retry(
            f"it is {now} instead of {mode}; {back.detail}{self._unmanaged(now)}", back.orders
        )

    def pause(self) -> Outcome:
        """Stop entries; exits continue."""
        return self._do(Order(Verb.PAUSE))

    def resume(self) -> Outcome:
        """Allow entries again."""
        return self._do(Order(Verb.RESUME))

    def bring_to(self, target: Target) -> Outcome:
        """Order what is missing to a target; repeated calls never go beyond it."""
        return self.adapter.bring_to(target, self.key)

    def retrain_model(self) -> Outcome:
        """Train the bot's models again."""
        return self._do(Order(Verb.RETRAIN_MODEL))

    def switch_endpoint(self, endpoint: str | None = None) -> Outcome:
        """Use another endpoint of the exchange: the one at this URL, else the bot's next."""
        return self._do(Order(Verb.SWITCH_ENDPOINT, endpoint=endpoint))

    def retry_connection(self) -> Outcome:
        """Reconnect to the exchange, and leave the bot running or paused, as before."""
        return self._reconnect(Verb.RETRY_CONNECTION)

    def reload(self) -> Outcome:
        """Reload the bot's configuration, and leave the bot running or paused, as before."""
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

    def standing(self) -> BotStatus | Outcome:
        """Return the bot's own report of its state."""
        return self.adapter.standing()

    def trades(self, limit: int) -> tuple[Trade, ...] | Outcome:
        """Return the bot's last closed trades, oldest first."""
        return self.adapter.trades(limit)

    def ask(self, expression: str) -> tuple[Sample, ...]:
        """Return the answer to PromQL with `$bot` for the bot's name. Raises Unanswered."""
        return self.observer.ask(for_bot(expression, self.name))

    def number(self, expression: str) -> float | None:
        """Return the highest value of PromQL with `$bot`, None without one. Raises Unanswered."""
        return max((sample.value for sample in self.ask(expression)), default=None)

    def _do(self, order: Order) -> Outcome:
        return self.adapter.carry_out(order, self.key)

    def _started(self, outcome: Outcome) -> Outcome:
        """Return the result of an undoing; start the bot if the undoing stopped it."""
        now = self.adapter.mode()
        if isinstance(now, Outcome):
            known = not outcome.done or _never_says(now)
            return outcome if known else Outcome.retry(f"{outcome.detail}; {now.detail}", outcome.orders)
        if now is not Mode.STOPPED:
            return outcome
        back = self.adapter.bring_back(Mode.RUNNING)
        detail, orders = f"{outcome.detail}; {back.detail}", outcome.orders + back.orders
        if back.done:
            return Outcome.ok(detail, orders)
        return Outcome.retry(f"{detail}{self._unmanaged(now)}", orders)

    def _unmanaged(self, mode: Mode) -> str:
        """Return, in words, what nobody manages while a bot is stopped."""
        if mode is not Mode.STOPPED:
            return ""
        standing = self.standing()
        held = None if isinstance(standing, Outcome) else standing.positions
        if held is None:
            return "; nobody manages its positions, if it has any"
        return f"; nobody manages its {len(held)} open positions" if held else "; it holds no position"

    def _reconnect(self, verb: Verb) -> Outcome:
        """Carry out an order that may change the trading loop's mode, and restore the mode."""
        if missing := self.adapter.lacks((verb,)):
            return missing
        before = self.adapter.mode()
        if isinstance(before, Outcome) and before.result is not Result.CANNOT:
            said = f"{verb} was not ordered: the bot's state is unknown: {before.detail}"
            return Outcome(before.result, said)
        if before is Mode.STOPPED:
            return Outcome.cannot("its owner stopped it, so it stays stopped")
        outcome = self._do(Order(verb))
        if isinstance(before, Outcome) or not (outcome.done or outcome.orders):
            return outcome
        back = self.come_back(before)  # also if its answer was lost
        result = outcome.result if back.done else Result.RETRY
        return Outcome(result, f"{outcome.detail}; {back.detail}", orders=outcome.orders + back.orders)


@dataclass(frozen=True)
class Environment:
    """How adapters reach the world; a simulation gives its own."""

    ask: Ask = ask
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


_REAL = Environment()


def _never_says(mode: Mode | Outcome) -> bool:
    """Return whether a bot cannot report its trading loop's mode."""
    return isinstance(mode, Outcome) and mode.result is Result.CANNOT


def control(settings: Settings, name: str, key: str, guard: Guard, world: Environment = _REAL) -> BotControl:
    """Return the control of a bot; for a bot that is not in the settings it can only ask Prometheus.

    `guard` is called before each request that may change something; its exceptions pass through.
    """
    bot = settings.bots.get(name)
    timeout = float(settings.collection.timeout)
    boot = float((bot and bot.boot) or settings.actions.restart.boot)
    return BotControl(
        name,
        key,
        restarter=_restarter(settings, name, bot, timeout + boot, guard, world),  # it answers once booted
        adapter=_adapter(bot.control if bot else None, timeout, guard, world),
        observer=Observer.of(settings),
        restart_wait=float(settings.actions.restart.wait),
        boot=boot,
        keep=settings.actions.reduce_position_sizes.factor,
        reporter=Reporter(settings),
        sleep=world.sleep,
        clock=world.clock,
    )


def _adapter(
    access: HttpBot | FreqtradeBot | None, timeout: float, guard: Guard, world: Environment
) -> Adapter:
    match access:
        case None:
            return NoAdapter()
        case HttpBot():
            return HttpAdapter(access, timeout, guard, _over(access.way, world.ask))
        case FreqtradeBot():
            ask = _over(access.way, world.ask)
            return FreqtradeAdapter(access, timeout, guard, ask, world.sleep, world.clock)


def _over(way: Way, ask: Ask) -> Ask:
    """Return the HTTP client for the bot's connection settings."""
    return lambda request: ask(replace(request, way=way))


def _restarter(
    settings: Settings, name: str, bot: Bot | None, timeout: float, guard: Guard, world: Environment
) -> Restarter:
    match bot.restart if bot else None:
        case DockerRestart() as access:
            return DockerAdapter(access, timeout, guard)
        case CommandRestart() as access:
            return CommandAdapter(settings.actions.programs[access.program], name, timeout, guard)
        case access:
            return _adapter(access, timeout, guard, world)
