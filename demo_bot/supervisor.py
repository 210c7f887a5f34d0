"""Starts, stops and queries the trading process, but never revives a dead one: Nightdesk does."""

import asyncio
import json
import logging
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from demo_bot.arguments import FAULTS, VERBS, NoArguments, Restart
from demo_bot.child import Child, DiedError, NotRunningError, UnansweredError
from demo_bot.idempotency import Answers
from demo_bot.journal import Journal
from demo_bot.lock import HeldError, hold
from demo_bot.messages import Done, FaultDone, Faults, FaultState, State
from demo_bot.pipes import Answer, Ask, AskControl, AskFault, AskTrades
from demo_bot.trader import STARTING_CAPITAL, Files

START_SECONDS = 10.0
GLANCE_SECONDS = 1.0  # how long the list of faults waits for a trading process that may hang

log = logging.getLogger("demo_bot.supervisor")


@dataclass(frozen=True)
class Options:
    """The start arguments of a trading process; `pace` is the mean time between entries in seconds."""

    data: Path
    seed: int
    pace: float
    currency: str
    log_bytes: int
    log_files: int

    def command_line(self) -> list[str]:
        """Return the arguments of `demo_bot.trader`."""
        return [
            f"--data={self.data}",
            f"--seed={self.seed}",
            f"--pace={self.pace}",
            f"--currency={self.currency}",
            f"--log-bytes={self.log_bytes}",
            f"--log-files={self.log_files}",
        ]


class RefusedError(Exception):
    """A request that is impossible in the present state."""


class MisusedKeyError(Exception):
    """An idempotency key that an earlier, different request used."""


class StartFailedError(Exception):
    """The trading process ended at once."""


class Supervisor:
    """The bot behind the API. Only one at a time may use a data directory."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._files = Files(options.data)
        self._child: Child | None = None
        self._stopped_by_owner: Journal | None = None
        self._switching = asyncio.Lock()
        self._keys: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def open(self) -> None:
        """Start trading. The data directory must exist, and no other process may use it."""
        self._end_leftover()
        self._answers = Answers(self._files.answers)
        try:
            await self._start()
        except StartFailedError as error:
            log.error("%s", error)  # The API stays up and reports the failure too.

    async def close(self) -> None:
        """Stop trading."""
        if self._child is not None:
            await self._child.stop()
        self._answers.close()

    async def state(self) -> State:
        """Return the state; raises NotRunningError, DiedError or UnansweredError."""
        if (journal := self._stopped_by_owner) is not None:
            return State(
                time=time.time(),
                state="stopped",
                currency=self._options.currency,
                starting_capital=STARTING_CAPITAL,
                profit_realised=journal.realised,
                trades_closed=journal.last_id,
                last_trade_id=journal.last_id,
            )
        return State.model_validate((await self._running().ask(Ask(do="state"))).body)

    async def trades(self, since_id: int, limit: int) -> dict[str, Any]:
        """Return a page of closed trades; raises the errors of `state`."""
        if (journal := self._stopped_by_owner) is not None:
            trades, more = journal.page(since_id, limit)
            return {"trades": trades, "more": more}
        return (await self._running().ask(AskTrades(since_id=since_id, limit=limit))).body

    async def control(self, verb: str, arguments: NoArguments, key: str | None) -> Answer:
        """Carry out a verb, once for a key. Raises NotRunningError, MisusedKeyError and others."""
        if key is None or arguments.repeatable:
            return await self._control(verb, arguments, None)
        request = f"{verb} {json.dumps(arguments.model_dump(), sort_keys=True)}"
        lock = self._keys.setdefault(key, asyncio.Lock())
        async with lock:
            if (before := self._answered(key, request, verb)) is not None:
                return before
            self._answers.begin(key, request, self._child.pid if self._child else None)
            try:
                answer = await self._control(verb, arguments, key)
            except (NotRunningError, StartFailedError):
                self._answers.forget(key)
                raise
            self._answers.finish(key, answer.status, answer.body)
            return answer

    async def faults(self) -> Faults:
        """Return all faults; those of a trading process that does not answer are unknown."""
        active = await self._active_faults()
        return Faults(
            faults={
                name: FaultState(
                    does=fault.does,
                    ends=fault.ends,
                    momentary=fault.momentary,
                    active=None if active is None and not fault.by_supervisor else self._is_on(name, active),
                    arguments=(active or {}).get(name),
                )
                for name, fault in FAULTS.items()
            }
        )

    async def switch_on(self, name: str, arguments: NoArguments) -> FaultDone:
        """Switch a fault on, or give it new arguments."""
        log.warning("Fault %s is switched on: %s", name, arguments.model_dump())
        match name:
            case "crash":
                await self._running().kill()
            case "hang":
                self._running().freeze(frozen=True)
            case "stay_down":
                self._files.stay_down.touch()
            case _:
                await self._running().ask(AskFault(name=name, arguments=arguments.model_dump()))
        return FaultDone(fault=name, active=not FAULTS[name].momentary)

    async def switch_off(self, name: str) -> FaultDone:
        """Switch a fault off, if it is on. Raises RefusedError for a momentary one."""
        if FAULTS[name].momentary:
            raise RefusedError(f"{name} happens once and cannot be switched off; it ends {FAULTS[name].ends}")
        log.info("Fault %s is switched off", name)
        match name:
            case "hang":
                self._running().freeze(frozen=False)
            case "stay_down":
                self._files.stay_down.unlink(missing_ok=True)
            case _:
                await self._running().ask(AskFault(name=name, arguments=None))
        return FaultDone(fault=name, active=False)

    def _running(self) -> Child:
        if self._child is None or self._child.exit_status is not None:
            raise NotRunningError
        return self._child

    async def _control(self, verb: str, arguments: NoArguments, key: str | None) -> Answer:
        if VERBS[verb].by_supervisor:
            async with self._switching:
                detail = await self._switch_process(verb, arguments)
            return Answer(status=200, body=Done(verb=verb, detail=detail).model_dump())
        if self._stopped_by_owner is not None:
            return Answer(
                status=409, body={"error": f"the bot is stopped, so it cannot {verb}; start it first"}
            )
        return await self._running().ask(AskControl(verb=verb, arguments=arguments.model_dump(), key=key))

    async def _switch_process(self, verb: str, arguments: NoArguments) -> str:
        child = self._child
        alive = child is not None and not await child.has_ended()
        if verb == "start":
            return "already running" if alive else await self._start()
        if child is not None:
            await child.stop()
        if verb == "stop":
            self._stopped_by_owner = self._stopped_by_owner or Journal(self._files.journal)
            return "stopped" if alive else "already stopped"
        await asyncio.sleep(arguments.wait if isinstance(arguments, Restart) else 0)
        return await self._start()

    async def _start(self) -> str:
        """Start a trading process and wait until it answers; raises StartFailedError."""
        if self._stopped_by_owner is not None:
            self._stopped_by_owner.close()
            self._stopped_by_owner = None
        child = self._child = await Child.spawn(self._options.command_line())
        try:
            await child.ask(Ask(do="state"), START_SECONDS)
        except (NotRunningError, DiedError):
            status = child.exit_status
            raise StartFailedError(
                f"the trading process ended at its start with status {status}; see {self._files.log.name}"
            ) from None
        except UnansweredError:
            await child.kill()
            raise StartFailedError(f"the trading process did not answer within {START_SECONDS:g} s") from None
        log.info("The trading process %d is running", child.pid)
        return f"running as process {child.pid}"

    def _answered(self, key: str, request: str, verb: str) -> Answer | None:
        """Return the stored answer of a key, or None if the request may be carried out."""
        record = self._answers.find(key)
        if record is None:
            return None
        if record.request != request:
            raise MisusedKeyError(f"the idempotency key {key!r} belongs to {record.request!r}; use a new one")
        if record.status is not None and record.body is not None:
            return Answer(status=record.status, body=record.body)
        # The same trading process remembers the key itself, and a second start or stop does no harm.
        if VERBS[verb].by_supervisor or (self._child is not None and self._child.pid == record.pid):
            return None
        raise RefusedError(
            f"{verb} with this key went to a trading process that died before it answered: "
            "read the state, then send it with a new key"
        )

    async def _active_faults(self) -> dict[str, dict[str, Any]] | None:
        try:
            return (await self._running().ask(Ask(do="faults"), GLANCE_SECONDS)).body
        except NotRunningError:
            return {}
        except (DiedError, UnansweredError):
            return None

    def _is_on(self, name: str, active: dict[str, dict[str, Any]] | None) -> bool:
        match name:
            case "hang":
                child = self._child
                return child is not None and child.exit_status is None and child.frozen
            case "stay_down":
                return self._files.stay_down.exists()
            case _:
                return name in (active or {})

    def _end_leftover(self) -> None:
        """End a trading process that hung when its supervisor was killed: it did not see its pipe close."""
        with suppress(FileNotFoundError):
            try:
                hold(self._files.trader_lock).close()
            except HeldError as held:
                log.warning("Ending the trading process %d of an earlier supervisor", held.pid)
                os.kill(held.pid, signal.SIGKILL)
