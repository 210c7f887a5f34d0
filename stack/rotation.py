"""Rotates bots' logs: with logrotate if it is installed, else in the same way by itself."""

import gzip
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from stack.instance import Instance, on_instance
from stack.logrotate import logrotate, rotated_logs
from stack.settings import Settings
from stack.settings.observability import Logs

# seconds: until then a log that grows by 1 MB a second exceeds its size by at most a half
EVERY: Final = 60.0
_WITHIN: Final = 600.0  # seconds for logrotate, which compresses
_DIGITS: Final = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}


class Rotation:
    """Rotates logs by the settings in force; stores in `directory` when it last did."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        directory: Path,
        program: str | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._directory, self._program, self._now = settings, directory, program, now
        self._said: set[str] = set()

    def turn(self) -> list[str]:
        """Rotate the due logs; return the errors, each only once until it ends."""
        settings = self._settings()
        paths = rotated_logs(settings)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            failed = list(
                self._by_logrotate(settings) if self._program else self._by_hand(settings.logs, paths)
            )
        except (OSError, subprocess.SubprocessError) as error:
            failed = [f"bots' logs are not rotated: {error}"]
        new = [line for line in failed if line not in self._said]
        self._said = set(failed)
        return new

    def _by_logrotate(self, settings: Settings) -> Iterator[str]:
        if not rotated_logs(settings):
            return
        config = self._directory / "bots.conf"
        config.write_text(logrotate(settings), encoding="utf-8")
        config.chmod(0o644)  # logrotate refuses a file that others may write
        command = [str(self._program), "--state", str(self._directory / "logrotate.state"), str(config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN, check=False)
        if done.returncode:
            yield from (line for line in done.stderr.splitlines() if line.strip())

    def _by_hand(self, logs: Logs, paths: Iterable[Path]) -> Iterator[str]:
        state = self._directory / "rotated.json"
        last: dict[str, float] = {}
        try:
            last = json.loads(state.read_text(encoding="utf-8")) if state.exists() else {}
        except ValueError as error:
            yield f"{state} is unreadable ({error}); each log's day begins now"
        for path in paths:
            try:
                if due(path, logs, last.setdefault(str(path), self._now()), self._now()):
                    rotate(path, logs, self._now())
                    last[str(path)] = self._now()
            except FileNotFoundError:
                continue  # the bot has not written it yet
            except OSError as error:
                yield f"{path} is not rotated: {error}"
        new = state.with_suffix(".new")
        new.write_text(json.dumps(last), encoding="utf-8")
        new.replace(state)


def find_logrotate() -> str | None:
    """Return the path of logrotate, which Debian has only in root's PATH; None without one."""
    return shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def due(path: Path, logs: Logs, last: float, now: float) -> bool:
    """Return whether a log is full, or was last rotated on another day. Raises OSError."""
    size = path.stat().st_size
    if not logs.rotate_daily:
        return size >= max(1, logs.rotate_size)
    return size > 0 and (size > logs.rotate_size or _day(last) != _day(now))


def rotate(path: Path, logs: Logs, now: float) -> None:
    """Rename a log, and delete rotated ones that are too old or too many. Raises OSError."""
    aside = path.with_name(path.name + datetime.fromtimestamp(now).astimezone().strftime(logs.suffix))
    if aside.exists() or aside.with_name(f"{aside.name}.gz").exists():
        raise FileExistsError(f"{aside} exists")
    about = path.stat()
    if logs.copy_truncate:
        shutil.copy2(path, aside)
        os.truncate(path, 0)
    else:
        path.rename(aside)
        with path.open("ab") as new:
            os.fchmod(new.fileno(), about.st_mode & 0o777)
            if os.geteuid() == 0:
                os.fchown(new.fileno(), about.st_uid, about.st_gid)
    if logs.compress:
        packed = aside.with_name(f"{aside.name}.gz")
        with aside.open("rb") as plain, gzip.open(packed, "wb") as file:
            shutil.copyfileobj(plain, file)
        shutil.copystat(aside, packed)
        aside.unlink()
    _remove_old(path, logs, now)


def _remove_old(path: Path, logs: Logs, now: float) -> None:
    def digits(found: re.Match[str]) -> str:
        return rf"\d{{{_DIGITS[found[1]]}}}" if found[1] in _DIGITS else ".+"

    suffix = re.sub(r"%(\w)", digits, re.escape(logs.suffix))
    ours = re.compile(rf"{re.escape(path.name)}{suffix}(?:\.gz)?")
    aside = sorted((one for one in path.parent.iterdir() if ours.fullmatch(one.name)), reverse=True)
    for place, one in enumerate(aside):
        if place >= logs.keep_files or one.stat().st_mtime < now - logs.keep_for:
            one.unlink()


def _day(moment: float) -> tuple[int, int]:
    local = time.localtime(moment)
    return local.tm_year, local.tm_yday


@click.command("rotate")
@click.option("--once", is_flag=True, help="Look once, instead of every minute")
@on_instance
def run(instance: Instance, once: bool) -> int:
    """Rotate bots' logs for ever, or once; `nightdesk up` does so by itself."""
    settings = instance.settings()
    rotation = Rotation(lambda: settings, instance.data / "rotation", find_logrotate())
    while True:
        failed = rotation.turn()
        print(*failed, sep="\n", end="\n" if failed else "", flush=True)
        if once:
            return 1 if failed else 0
        time.sleep(EVERY)
