"""`nightdesk up`: the whole stack as local processes, started together, watched, and stopped together."""

import fcntl
import json
import os
import signal
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import click
from honcho.environ import parse_procfile

from stack import binaries, dead_man, drawdown, keys, limits, reachability
from stack.announce import send_notice
from stack.demo import make_history
from stack.failure import Failure
from stack.instance import LOCK, TIME, Instance, on_instance
from stack.logfiles import ServiceLogs
from stack.printing import say
from stack.reload import Edits
from stack.render import RenderError, render
from stack.room import Room
from stack.rotation import Rotation, find_logrotate
from stack.schema import write_schema
from stack.services import LocalService, local_services, shared_database
from stack.settings import Duration, Settings, SettingsError, missing_secrets
from stack.status import Status, read_status
from stack.watch import NotReloaded, Screen, Watch, answers

_PROMETHEUS = "prometheus"
HA = Path(__file__).parent / "ha.yaml"
_SHARED = (
    "webhook_actions.database_url_file: is not set; machines share one PostgreSQL of your own: docs/ha.md"
)


class CannotStart(Failure):
    """The stack cannot run here, and nothing of it runs. The message says how to fix it."""


@click.command()
@click.option("--ha", is_flag=True, help="Run several of each part")
@click.option("--replica", type=int, metavar="N", help="Run only the parts of machine N")
@click.option("--for", "duration", type=TIME, metavar="TIME", help="Stop by itself after 30s, 5m, …")
@click.option("--watch", "watched", is_flag=True, help="Reload the settings after each edit")
@on_instance
def up(instance: Instance, ha: bool, replica: int | None, duration: Duration | None, watched: bool) -> int:
    """Run the stack until a signal or the end of `--for`; SIGHUP reloads the settings.

    A process that ends is restarted.
    """
    data = instance.data.absolute()
    instance = replace(instance, data=data, config=(*instance.config, HA) if ha else instance.config)
    settings = instance.settings()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # it waits until `Watch` takes it
    with only_one(instance):
        build = data / "build"
        keys.generate(settings)
        _refuse_without_secrets(settings, instance)
        binaries.install(say)
        write_schema(data)
        _warn(settings)
        services = _services(settings, instance, build, replica)
        check_ports(services)
        render(settings, build)
        stores = [one.name for one in services if one.name.partition("-")[0] == _PROMETHEUS]
        for line in make_history(settings, data, stores, instance.words()):
            say(line)
        procfile = data / "Procfile"
        procfile.write_text("".join(f"{one.procfile_line()}\n" for one in services), encoding="utf-8")
        commands = parse_procfile(procfile.read_text(encoding="utf-8")).processes
        logs = ServiceLogs(data / "logs", settings.logs)
        health = {one.name: partial(answers, one.health, settings.web) for one in services if one.health}
        now = _Now(settings, instance, build, [one.name for one in services if one.reloads])
        rotation = Rotation(now.settings, data / "rotation", find_logrotate())
        asked = {"edited": Edits(instance.config, now.settings).settled} if watched else {}
        room = Room(data, now.tell)

        def upkeep() -> Iterable[str]:
            return chain(room.turn(), rotation.turn())

        watch = Watch(
            commands, health, logs, Screen(), reload=now.reload, tell=now.tell, upkeep=upkeep, **asked
        )
        return watch.run(addresses(services, logs), now.status, duration)


def _warn(settings: Settings) -> None:
    """Print warnings about losses that Nightdesk would not see, and alerts that would reach nobody."""
    found = reachability.findings(settings)
    unarmed = [*drawdown.unarmed(settings), *limits.unarmed(settings)]
    for line in filter(None, [*unarmed, *found.errors, *found.warnings, dead_man.missing(settings)]):
        say(f"warning: {line}")


def _services(settings: Settings, instance: Instance, build: Path, replica: int | None) -> list[LocalService]:
    """Return the processes that run here. Raises CannotStart and MissingBinary."""
    data, options, extra = instance.data, instance.words(), list[LocalService]()
    if settings.services.webhook_actions.replicas and not settings.webhook_actions.database_url_file:
        if replica is not None:
            raise CannotStart(_SHARED)
        database, file = shared_database(data)
        overlay = data / "database.yaml"
        overlay.write_text(json.dumps({"webhook_actions": {"database_url_file": str(file)}}), "utf-8")
        options, extra = [*options, "--config", str(overlay)], [database]
    services = extra + local_services(settings, build, data, options)
    if replica is not None:
        services = [one for one in services if one.number == replica]
    if not services:
        raise CannotStart(f"--replica: no part has a number {replica}; see services.*.replicas")
    return services


class _Now:
    """The settings in force, which SIGHUP replaces."""

    def __init__(self, settings: Settings, instance: Instance, build: Path, readers: Iterable[str]) -> None:
        self._settings, self._instance = settings, instance
        self._build, self._readers = build, readers

    def settings(self) -> Settings:
        """Return the settings."""
        return self._settings

    def status(self) -> Status:
        """Return the state of the stack. Raises Unreachable."""
        return read_status(self._settings)

    def tell(self, summary: str, description: str) -> None:
        """Notify every channel of Alertmanager. Raises NotDelivered."""
        send_notice(self._settings, "meta", summary, description)

    def reload(self) -> Iterable[str]:
        """Render the files' settings, and return which parts read them. Raises NotReloaded."""
        try:
            settings = self._instance.settings()
            keys.generate(settings)
            _refuse_without_secrets(settings, self._instance)
            before = _files(self._build / _PROMETHEUS)
            render(settings, self._build)
            same = _files(self._build / _PROMETHEUS) == before
        except (SettingsError, RenderError, OSError) as error:
            raise NotReloaded(str(error)) from error
        self._settings = settings
        # After each reload Prometheus drops alerts for seconds, until it knows its Alertmanagers again.
        return [name for name in self._readers if not (same and name.partition("-")[0] == _PROMETHEUS)]


def _files(directory: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def _refuse_without_secrets(settings: Settings, instance: Instance) -> None:
    if missing := missing_secrets(settings):
        raise SettingsError(missing, instance.config)


@contextmanager
def only_one(instance: Instance) -> Iterator[None]:
    """Lock the data directory for this stack. Raises CannotStart if another stack has it."""
    data = instance.data
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = (data / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        raise CannotStart(
            f"{error.filename}: {error.strerror}; give it a directory that you may write: --data DIR"
        ) from None
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"another `nightdesk up` uses {data}; stop it, or give this one its own: "
                "--data DIR --port-offset N"
            ) from None
        lock.truncate(0)
        lock.write(instance.record())
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def check_ports(services: Sequence[LocalService]) -> None:
    """Raise CannotStart, which names each port that another program uses."""
    taken = []
    for service in services:
        family = socket.AF_INET6 if ":" in service.bind else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((service.bind, service.port))
            except OSError as error:
                taken.append(
                    f"services.{service.name}.port: {service.port} on {service.bind} is not available "
                    f"({os.strerror(error.errno or 0)})"
                )
    if taken:
        taken.append("Stop that program, or move every port of this stack: --port-offset 100")
        raise CannotStart("\n".join(taken))


def addresses(services: Sequence[LocalService], logs: ServiceLogs) -> str:
    """Return the table of addresses to open, and where the logs are."""
    width = max(len(service.name) for service in services)
    lines = [f"  {service.name:<{width}}  {service.link}" for service in services]
    return "\n".join(["", *lines, "", f"  logs in {logs.directory}; Ctrl-C stops everything", ""])
