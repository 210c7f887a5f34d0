"""The command `nightdesk reload`, and the watch over the settings files for `nightdesk up --watch`."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from stack.instance import Instance, is_held, on_instance, running
from stack.oncall import NotDone
from stack.printing import say
from stack.settings import Settings, SettingsError, missing_secrets
from stack.watch import RELOADED, UNCHANGED

_WITHIN = 60.0  # seconds, for the rendering on a busy machine
_LOOK_EVERY = 0.2  # seconds


@click.command()
@on_instance
def reload(instance: Instance) -> int:
    """Have a running `nightdesk up` read the settings again, and say whether it did."""
    found = running(instance.data)
    if found is None:
        raise NotDone(f"nothing runs with {instance.data}; `nightdesk up` reads the settings when it starts")
    if missing := missing_secrets(instance.settings()):
        raise SettingsError(missing, instance.config)
    log = instance.data / "logs/nightdesk.log"
    begun = log.stat().st_size if log.is_file() else 0
    os.kill(found[0], signal.SIGHUP)
    for line in _new_lines(instance.data, log, begun):
        if RELOADED in line or UNCHANGED in line:
            say(line.partition(" ")[2])
            return 0 if RELOADED in line else 1
    raise NotDone(f"it has not answered within {_WITHIN:.0f} s; read {log}")


def _new_lines(data: Path, log: Path, begun: int) -> Iterator[str]:
    """Yield the lines written into a log from now on, for as long as an answer may take.

    Raises NotDone if the stack ends.
    """
    deadline = time.monotonic() + _WITHIN
    while time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
        if not is_held(data):
            raise NotDone(f"`nightdesk up` ended before it read the settings; read {log}")
        if not log.is_file():
            continue
        with log.open("rb") as opened:
            opened.seek(begun if log.stat().st_size >= begun else 0)  # the log was rotated
            *whole, rest = opened.read().split(b"\n")
            begun = opened.tell() - len(rest)
        yield from (line.decode(errors="replace") for line in whole)


class Edits:
    """The settings files, and whether somebody has edited one."""

    def __init__(self, config: Sequence[Path], settings: Callable[[], Settings]) -> None:
        """`settings` are those in force, which name the directory of bots."""
        self._config, self._settings = config, settings
        self._seen = self._last = self._look()

    def settled(self) -> bool:
        """Return whether an edit is complete: files have changed, but not since the last look."""
        now = self._look()
        last, self._last = self._last, now
        if now == self._seen or now != last:
            return False
        self._seen = now
        return True

    def _look(self) -> dict[Path, tuple[int, int]]:
        directory = self._settings().bots_directory
        found = {}
        for file in [*self._config, *(sorted(directory.glob("*.yaml")) if directory else ())]:
            try:
                told = file.stat()
            except OSError:  # an editor is replacing it
                continue
            found[file] = (told.st_mtime_ns, told.st_ino)
        return found
