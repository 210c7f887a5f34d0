"""The adapter that restarts a bot by a program of the settings; never through a shell."""

import subprocess
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import IO

from webhook_actions.bots.protocol import Guard
from webhook_actions.outcome import Outcome

_SAID = 300  # bytes at the end of a program's output


class CommandAdapter:
    """Starts one allow-listed program; `{bot}` in its arguments is the bot's name, as one argument."""

    def __init__(self, program: Sequence[str], bot: str, timeout: float, guard: Guard) -> None:
        self._arguments = [program[0], *(argument.replace("{bot}", bot) for argument in program[1:])]
        self._timeout = timeout
        self._guard = guard

    def longest_restart(self, wait: float) -> float:
        """Return the longest seconds of the program."""
        return self._timeout + wait

    def restart(self, wait: float, key: str) -> Outcome:
        """Run the program; exit code 0 is success."""
        limit = self.longest_restart(wait)
        self._guard()
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
        """Return the program's exit code and output, or why it did not run."""
        try:
            return subprocess.run(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=limit,
                check=False,
                start_new_session=True,  # a bot in the background outlives us
            ).returncode
        except subprocess.TimeoutExpired:
            return Outcome.retry(f"{self._arguments[0]} did not end within {limit:g}s", 1)
        except OSError as error:
            return Outcome.failed(f"{self._arguments[0]} cannot be started: {error.strerror}")
