"""`nightdesk up`: the whole stack as local processes, started together, watched, and stopped together."""

import argparse
import fcntl
import json
import os
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from honcho.environ import parse_procfile

from stack import dead_man, drawdown, keys, limits, reach
from stack.logfiles import ServiceLogs
from stack.render import RenderError, render
from stack.rotation import Rotation, find_logrotate
from stack.services import LocalService, local_services, shared_database
from stack.settings import DEFAULT_CONFIG, Settings, SettingsError, from_arguments, missing_secrets
from stack.status import Status, read_status
from stack.tell import tell
from stack.watch import NotReloaded, Screen, Watch, answers

_PROMETHEUS = "prometheus"
HA = Path(__file__).parent / "ha.yaml"
_SHARED = (
    "webhook_actions.database_url_file: is not set; machines share one PostgreSQL, which is yours: docs/ha.md"
)


class CannotStart(Exception):
    """Why the stack cannot run here, with the way out; nothing of it is running."""


def up(arguments: argparse.Namespace) -> int:
    """Run the stack until a signal or the end of `--for`; SIGHUP has it read the settings anew.

    What ends is started again. Raises SettingsError, RenderError, MissingBinary and CannotStart before
    anything is started.
    """
    if arguments.ha:
        arguments.config = [*(arguments.config or [DEFAULT_CONFIG]), HA]
    settings = from_arguments(arguments)
    data: Path = arguments.data.absolute()
    with only_one(data):
        build = data / "build"
        keys.generate(settings)
        _refuse_without_secrets(settings, arguments)
        found = reach.look(settings)
        warnings = [
            *drawdown.unarmed(settings),
            *limits.unarmed(settings),
            *found.errors,
            *found.warnings,
            dead_man.missing(settings),
        ]
        for line in filter(None, warnings):
            print(f"warning: {line}")
        options, extra = _options(arguments), list[LocalService]()
        if settings.services.webhook_actions.replicas and not settings.webhook_actions.database_url_file:
            if arguments.replica is not None:
                raise CannotStart(_SHARED)
            database, file = shared_database(data)
            overlay = data / "database.yaml"
            overlay.write_text(json.dumps({"webhook_actions": {"database_url_file": str(file)}}), "utf-8")
            options, extra = [*options, "--config", str(overlay)], [database]
        services = extra + local_services(settings, build, data, options)
        if arguments.replica is not None:
            services = [one for one in services if one.number == arguments.replica]
        if not services:
            raise CannotStart(f"--replica: no part has a number {arguments.replica}; see services.*.replicas")
        check_ports(services)
        render(settings, build)
        procfile = data / "Procfile"
        procfile.write_text("".join(f"{one.procfile_line()}\n" for one in services), encoding="utf-8")
        commands = parse_procfile(procfile.read_text(encoding="utf-8")).processes
        logs = ServiceLogs(data / "logs", settings.logs)
        health = {one.name: partial(answers, one.health, settings.web) for one in services if one.health}
        now = _Now(settings, arguments, build, [one.name for one in services if one.reloads])
        rotation = Rotation(now.settings, data / "rotation", find_logrotate())
        watch = Watch(
            commands,
            health,
            logs,
            Screen(sys.stdout),
            reload=now.reload,
            tell=now.tell,
            upkeep=rotation.turn,
        )
        return watch.run(addresses(services, logs), now.status, arguments.duration)


class _Now:
    """The settings in force, which SIGHUP replaces."""

    def __init__(
        self, settings: Settings, arguments: argparse.Namespace, build: Path, readers: Iterable[str]
    ) -> None:
        self._settings, self._arguments = settings, arguments
        self._build, self._readers = build, readers

    def settings(self) -> Settings:
        """Return them."""
        return self._settings

    def status(self) -> Status:
        """Return the state of the stack. Raises Unreachable."""
        return read_status(self._settings)

    def tell(self, summary: str, description: str) -> None:
        """Tell every channel of Alertmanager. Raises NobodyTold."""
        tell(self._settings, "meta", summary, description)

    def reload(self) -> Iterable[str]:
        """Render what the files say now, and return who reads it. Raises NotReloaded."""
        try:
            settings = from_arguments(self._arguments)
            keys.generate(settings)
            _refuse_without_secrets(settings, self._arguments)
            before = _files(self._build / _PROMETHEUS)
            render(settings, self._build)
            same = _files(self._build / _PROMETHEUS) == before
        except (SettingsError, RenderError, OSError) as error:
            raise NotReloaded(str(error)) from error
        self._settings = settings
        # Prometheus drops alerts for seconds after each reload, until it knows its Alertmanagers again.
        return [name for name in self._readers if not (same and name.partition("-")[0] == _PROMETHEUS)]


def _files(directory: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def _refuse_without_secrets(settings: Settings, arguments: argparse.Namespace) -> None:
    if missing := missing_secrets(settings):
        raise SettingsError(missing, arguments.config or [DEFAULT_CONFIG])


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data directory for one stack. Raises CannotStart where another has it."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = (data / "up.lock").open("a+")
    except OSError as error:
        raise CannotStart(
            f"{error.filename}: {error.strerror}; give it a directory that you may write: --data DIR"
        ) from None
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"{data} is in use by another `nightdesk up`; stop that, or give this one its own: "
                "--data DIR --port-offset N"
            ) from None
        yield


def check_ports(services: Sequence[LocalService]) -> None:
    """Raise CannotStart that names each port which something else listens on."""
    taken = []
    for service in services:
        family = socket.AF_INET6 if ":" in service.bind else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((service.bind, service.port))
            except OSError as error:
                taken.append(
                    f"services.{service.name}.port: {service.port} on {service.bind} cannot be had "
                    f"({os.strerror(error.errno or 0)})"
                )
    if taken:
        taken.append("Stop what listens there, or move every port of this stack: --port-offset 100")
        raise CannotStart("\n".join(taken))


def addresses(services: Sequence[LocalService], logs: ServiceLogs) -> str:
    """Return the table of what to open, and where the logs are."""
    width = max(len(service.name) for service in services)
    lines = [f"  {service.name:<{width}}  {service.link}" for service in services]
    return "\n".join(["", *lines, "", f"  logs in {logs.directory}; Ctrl-C stops everything", ""])


def _options(arguments: argparse.Namespace) -> list[str]:
    """Return the options that give a service the settings that we have."""
    files = [str(file.absolute()) for file in arguments.config or [DEFAULT_CONFIG]]
    offset, speed = str(arguments.port_offset), str(arguments.speed)
    return [
        *(word for file in files for word in ("--config", file)),
        "--port-offset",
        offset,
        "--speed",
        speed,
    ]
