"""The adapter that restarts a bot by a program of the settings; never through a shell."""

import subprocess
from collections.abc import Sequence

from webhook_actions.bots.protocol import Guard
from webhook_actions.outcome import Outcome


class CommandAdapter:
    """Starts one allow-listed program; `{bot}` in its arguments is the bot's name, as one argument."""

    def __init__(self, program: Sequence[str], bot: str, timeout: float, guard: Guard) -> None:
        self._arguments = [program[0], *(argument.replace("{bot}", bot) for argument in program[1:])]
        self._timeout = timeout
        self._guard = guard

    def longest_restart(self, wait: float) -> float:
        """Return the seconds that the program may take."""
        return self._timeout + wait

    def restart(self, wait: float, key: str) -> Outcome:
        """Run the program; it has done its work when it ends with 0."""
        limit = self.longest_restart(wait)
        self._guard()
        try:
            ended = subprocess.run(
                self._arguments, capture_output=True, text=True, errors="replace", timeout=limit, check=False
            )
        except subprocess.TimeoutExpired:
            return Outcome.retry(f"{self._arguments[0]} did not end within {limit:g}s", 1)
        except OSError as error:
            return Outcome.failed(f"{self._arguments[0]} cannot be started: {error.strerror}")
        said = (ended.stdout + ended.stderr).strip()[-300:]
        if ended.returncode:
            return Outcome.retry(f"{self._arguments[0]} ended with {ended.returncode}: {said}", 1)
        return Outcome.ok(f"{self._arguments[0]} ended with 0: {said}", 1)
