"""The adapter that restarts a bot by a program of the settings; never through a shell."""

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO

import psutil

from stack.settings.bots import STARTED_BOT
from webhook_actions.bots.protocol import Guard
from webhook_actions.outcome import Outcome

_SAID = 300  # bytes at the end of a program's output
_STOPPING = 10.0  # seconds for a program to end at SIGTERM, before it is killed


class CommandAdapter:
    """Starts one allow-listed program; `{bot}` in its arguments is the bot's name, as one argument."""

    def __init__(self, program: Sequence[str], bot: str, timeout: float, guard: Guard) -> None:
        self._arguments = [program[0], *(argument.replace("{bot}", bot) for argument in program[1:])]
        self._mark = shlex.join([bot, *self._arguments])  # tells its processes from those of other bots
        self._timeout = timeout
        self._guard = guard

    def longest_restart(self, wait: float) -> float:
        """Return the longest seconds of the program."""
        return self._timeout + wait + 2 * _STOPPING

    def restart(self, wait: float, key: str) -> Outcome:
        """Run the program; exit code 0 is success.

        A program that does not end is the bot itself: to kill it would stop the bot. It ends before the next
        start, so that two never trade.
        """
        limit = self._timeout + wait
        self._guard()
        self._end_the_last()
        # Into a file, not a pipe: a bot that the program leaves in the background holds a pipe open for ever.
        with TemporaryFile() as output:
            ended = self._run(limit, output)
            if isinstance(ended, Outcome):
                return ended
            output.seek(max(0, output.tell() - _SAID))
            said = output.read().decode(errors="replace").strip()
        if ended:
            return Outcome.retry(f"{self._arguments[0]} ended with {ended}: {said}", 1)
        return Outcome.ok(f"{self._arguments[0]} ended with 0: {said}", 1)

    def _run(self, limit: float, output: IO[bytes]) -> int | Outcome:
        """Return the program's exit code, or the outcome if it did not start or does not end."""
        try:
            started = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a bot outlives us
                env=os.environ | {STARTED_BOT: self._mark},
            )
        except OSError as error:
            return Outcome.failed(f"{self._arguments[0]} cannot be started: {error.strerror}")
        try:
            return started.wait(limit)
        except subprocess.TimeoutExpired:
            return Outcome.ok(f"{self._arguments[0]} still runs after {limit:g}s, as a bot does", 1)

    def _end_the_last(self) -> None:
        """End each earlier program that still runs as the bot, also one that another engine started."""
        for process in list(psutil.process_iter()):
            with suppress(psutil.Error, ProcessLookupError):
                leads = os.getsid(process.pid) == process.pid
                if leads and process.environ().get(STARTED_BOT) == self._mark:
                    self._end(process)

    @staticmethod
    def _end(program: psutil.Process) -> None:
        """End a program with all that it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.killpg(program.pid, number)
            with suppress(psutil.TimeoutExpired):
                program.wait(_STOPPING)
                return
