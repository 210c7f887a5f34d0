"""Stops and allows Freqtrade's entries, by the means that its version has."""

from collections.abc import Callable
from dataclasses import replace

from clients.freqtrade import EVERY_PAIR, Config, Health, Lock, Locks, Logs, own_time
from webhook_actions.bots.calls import Calls, said
from webhook_actions.bots.freqtrade_versions import capabilities
from webhook_actions.bots.protocol import Mode, mode_of
from webhook_actions.outcome import Outcome, Result

LOCK_REASON = "nightdesk"
_FOREVER = "2099-01-01T00:00:00Z"  # a lock needs an end
_STARTS = 3  # requests to start a bot
_START_AGAIN = 1.0  # seconds between them
_LOG = 1000  # log records that are searched for failed calls
_FAILING = 90.0  # seconds for which failed calls mean that the exchange is down
_LOOKS, _LOOK_EVERY = 60, 0.5  # checks whether a reload has ended, and seconds between them


class Entries:
    """The state of one bot, as far as it concerns entries and exits."""

    def __init__(
        self,
        calls: Calls,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        """`clock` measures seconds."""
        self._calls = calls
        self._sleep = sleep
        self._clock = clock
        # Checks, then a start, or a call for each means.
        self.longest_stop = (_STARTS + 4) * calls.timeout + _STARTS * _START_AGAIN
        self.longest_reload = 4 * calls.timeout + _LOOKS * _LOOK_EVERY
        self.longest_allow = 5 * calls.timeout + self.longest_reload + self.longest_stop

    def config(self) -> Config | Outcome:
        """Return the bot's report of its configuration."""
        return self._calls.get(Config, "show_config")

    def mode(self) -> Mode | Outcome:
        """Return whether it runs, is paused or stopped; locks, which outlast a restart, do not count."""
        config = self.config()
        if isinstance(config, Outcome):
            return config
        return mode_of(config.state, enters=not config.enters_nothing)

    def locked(self, config: Config) -> bool:
        """Return whether it runs but enters nothing until somebody allows it.

        A protection's lock ends by itself, so it does not count.
        """
        return config.state == "running" and (config.enters_nothing or bool(self._locks()))

    def stop(self, *, to_exit: bool) -> Outcome:
        """Stop entries. A stopped bot enters nothing; it is started, without entries, only to exit."""
        config = self.config()
        if isinstance(config, Outcome):
            return config
        if config.state == "reload_config":  # it starts as its configuration says, whatever the call says
            return Outcome.retry(
                "it is reloading its configuration and would forget that its entries were stopped"
            )
        if config.state == "paused" or (config.state == "stopped" and not to_exit):
            return Outcome.ok(f"it is {config.state} and opens no positions")
        if self.locked(config):
            return Outcome.ok("it is locked against entries")
        done = Outcome.cannot("its API has no call for that")
        for call in capabilities(config).stops_entries:
            done = self._stop_by(call, stopped=config.state == "stopped")
            if done.result is not Result.CANNOT:
                break
        return done

    def _stop_by(self, call: str, *, stopped: bool) -> Outcome:
        match call:
            case "pause":  # this starts a stopped bot without entries
                return self._post("pause")
            case "locks":
                lock = [{"pair": EVERY_PAIR, "until": _FOREVER, "reason": LOCK_REASON}]
                locked = self._post("locks", lock)
                return _then(locked, self.start) if stopped else locked
        # These two change nothing while it is stopped.
        return _then(self.start(), lambda: self._post(call)) if stopped else self._post(call)

    def allow(self) -> Outcome:
        """Remove what stops entries, but not others' locks; a stopped bot stays stopped."""
        config = self.config()
        if isinstance(config, Outcome):
            return config
        done = Outcome.ok(f"it is {config.state}")
        for lock in self._locks():
            unlocked = self._post(f"locks/{lock.id}", method="DELETE")
            if not unlocked.done:
                return unlocked
            done = unlocked
        stopped = config.state == "stopped"
        if config.max_open_trades == 0 and not capabilities(config).pauses:
            if stopped:
                return Outcome.retry(
                    "it is stopped; only a reload allows entries again, and that would start it"
                )
            done = _then(done, self.reload)  # nothing else undoes /stopentry
        return done if stopped else _then(done, self.start)

    def reload(self) -> Outcome:
        """Reload configuration and markets, and wait for that; never while the exchange is down."""
        logs = self._calls.get(Logs, f"logs?limit={_LOG}")
        if isinstance(logs, Outcome):
            said = f"not reloaded: it is unknown whether its exchange is down: {logs.detail}"
            return replace(logs, detail=said)
        health = self._calls.get(Health, "health")  # the oldest version has none
        now = own_time(logs, None if isinstance(health, Outcome) else health)
        if now is not None and logs.exchange_is_out(now - _FAILING):
            return Outcome.retry(
                f"its exchange is down: calls to it failed in the last {_FAILING:g}s, and a reload "
                "that cannot load the markets ends the bot"
            )
        done = self._post("reload_config")
        return _then(done, self._settle) if done.done else done

    def start(self) -> Outcome:
        """Start it, and retry: a bot must not stay stopped because of a lost answer."""
        orders = 0
        for _ in range(_STARTS):
            started = self._post("start")
            orders += started.orders
            if started.result is not Result.RETRY:
                break
            self._sleep(_START_AGAIN)
        return Outcome(started.result, started.detail, orders=orders)

    def halt(self) -> Outcome:
        """Stop its trading loop."""
        return self._post("stop")

    def run_again(self, mode: Mode) -> Outcome:
        """Start a bot that a restart stopped, as before: with entries or without."""
        return self.start() if mode is Mode.RUNNING else self.stop(to_exit=True)

    def _settle(self) -> Outcome:
        ends = self._clock() + _LOOKS * _LOOK_EVERY
        mode = self.mode()
        for _ in range(_LOOKS):
            if not isinstance(mode, Outcome) or self._clock() > ends:
                break
            self._sleep(_LOOK_EVERY)
            mode = self.mode()
        if isinstance(mode, Outcome):
            return Outcome.retry(f"it did not come back after its reload: {mode.detail}")
        return Outcome.ok(f"it is {mode} after its reload")

    def _locks(self) -> list[Lock]:
        """Return our locks, which forbid every entry; none if they are unreadable: then it may enter."""
        locks = self._calls.get(Locks, "locks")
        found = [] if isinstance(locks, Outcome) else locks.locks
        return [lock for lock in found if lock.forbids_all and lock.reason == LOCK_REASON]

    def _post(self, path: str, body: object = None, method: str = "POST") -> Outcome:
        answer = self._calls.order(path, body, method=method)
        return answer if isinstance(answer, Outcome) else Outcome.ok(said(f"{method} {path}", answer), 1)


def _then(first: Outcome, after: Callable[[], Outcome]) -> Outcome:
    """Return the result of two steps; the second runs only if the first was done."""
    if not first.done:
        return first
    second = after()
    return Outcome(second.result, f"{first.detail}; {second.detail}", orders=first.orders + second.orders)
