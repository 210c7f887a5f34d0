"""The options that all commands share: they choose the stack."""

import fcntl
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from stack.settings import DEFAULT_CONFIG, Duration, Settings, SettingsError, load

LOCK = "up.lock"  # in the data directory; the running `nightdesk up` holds and writes it
VARIABLE = "NIGHTDESK_INSTANCE"
_DATA = Path(".data")
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Instance:
    """A stack: its data directory, and the options that name its settings."""

    data: Path
    config: tuple[Path, ...] = (DEFAULT_CONFIG,)
    port_offset: int = 0
    speed: float = 1.0

    def settings(self) -> Settings:
        """Return its settings as the files are now. Raises SettingsError."""
        return load(self.config, port_offset=self.port_offset, speed=self.speed)

    def words(self) -> list[str]:
        """Return the options that give a program the same settings."""
        files = [word for file in self.config for word in ("--config", str(file.absolute()))]
        return [*files, "--port-offset", str(self.port_offset), "--speed", str(self.speed)]

    def record(self) -> str:
        """Return the content of a running stack's lock file, which `running` reads."""
        files = [str(file.absolute()) for file in self.config]
        told = {"config": files, "port_offset": self.port_offset, "speed": self.speed}
        return json.dumps({"pid": os.getpid(), **told})


def is_held(data: Path) -> bool:
    """Return whether a `nightdesk up` holds a data directory: its lock ends with its process.

    Raises OSError if the lock file is unreadable.
    """
    try:
        with (data / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def running(data: Path) -> tuple[int, Instance] | None:
    """Return the process that runs with a data directory, and its options; None without one."""
    try:
        if not is_held(data):
            return None
        told = json.loads((data / LOCK).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no process, or another user's
        return None
    pid = told.pop("pid")
    files = tuple(map(Path, told.pop("config")))
    return pid, Instance(data, files, **told)


_OPTIONS = (
    click.option(
        "--instance",
        "--data",
        "data",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help=f"Where the stack keeps its data; if it runs, you need none of the options below. "
        f"Default: ${VARIABLE}, else .data",
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help="Settings file; with several, later ones override earlier ones. Default: monitoring.yaml",
    ),
    click.option("--port-offset", type=int, metavar="N", help="Added to every port"),
    click.option("--speed", type=float, metavar="X", help="Divides every wait, for drills and tests"),
)


def instance_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options to a command or group; its subcommands have them too."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def on_instance(command: Callable[Concatenate[Instance, P], R]) -> Callable[P, R]:
    """Pass a command the stack that its options name, as its first argument."""

    @wraps(command)
    def call(*arguments: P.args, **rest: P.kwargs) -> R:
        for name in ("data", "config", "port_offset", "speed"):
            rest.pop(name, None)
        return command(chosen(click.get_current_context()), *arguments, **rest)

    return instance_options(call)


def chosen(context: click.Context) -> Instance:
    """Return the stack that the options before or after the command name; else the running one."""
    given: dict[str, Any] = {}
    place: click.Context | None = context
    while place is not None:  # the option nearer to the command counts
        given = {name: value for name, value in place.params.items() if value not in (None, ())} | given
        place = place.parent
    data = given.get("data") or Path(os.environ.get(VARIABLE) or _DATA)
    own = {name: given[name] for name in ("config", "port_offset", "speed") if name in given}
    found = None if own or context.command.name == "up" else running(data)
    return found[1] if found else Instance(data, **own)


class _Time(click.ParamType[Duration]):
    """A duration, in the syntax of the settings."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Duration:  # noqa: ANN401 - as click has it
        try:
            return value if isinstance(value, Duration) else Duration.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


TIME = _Time()
as_json = click.option("--json", "as_json", is_flag=True, help="For programs")


def names_of(
    known: Callable[[Settings], Iterable[str]],
) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return the completion of a word by names from the settings."""

    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
        try:
            return [name for name in known(chosen(context).settings()) if name.startswith(begun)]
        except SettingsError:  # the command reports the error itself
            return []

    return complete


BOTS = names_of(lambda settings: settings.bots)
