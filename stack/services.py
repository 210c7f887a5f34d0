"""Names the parts of the stack as local processes: the command and the health address of each."""

import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stack.binaries import alertmanager_command, find
from stack.flags import GOSSIP
from stack.settings import Replicated, Service, Settings
from stack.web import WEB


@dataclass(frozen=True)
class LocalService:
    """One process of the stack: its listening address, the link for a person, and the address that answers
    200 when it is well. `health` is empty for a process without such an address. `reloads`: SIGHUP makes it
    read its files again. `number` distinguishes the processes of one part.
    """

    name: str
    command: Sequence[str]
    bind: str
    port: int
    link: str
    health: str
    reloads: bool = True
    number: int = 1

    def procfile_line(self) -> str:
        """Return `name: command`; the command gives the process a signal to end when its parent dies."""
        # Without this, kill -9 of `nightdesk up` would leave services that nobody watches (Linux has it).
        bound = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        return f"{self.name}: exec {shlex.join([*bound, *self.command])}"


def local_services(settings: Settings, build: Path, data: Path, options: Sequence[str]) -> list[LocalService]:
    """Return the processes of the stack; `options` give our own services their settings.

    The processes of one part are `part`, `part-2` and so on. Grafana is included if it is on PATH. Raises
    MissingBinary.
    """
    parts = settings.services
    found = [
        *_replicas("exporter", parts.exporter, "/healthz", _ours(data, options, build / WEB)),
        *_replicas("webhook_actions", parts.webhook_actions, "/healthz", _ours(data, options, build / WEB)),
        *_replicas("prometheus", parts.prometheus, "/-/ready", _prometheus(settings, build, data)),
        *_replicas("alertmanager", parts.alertmanager, "/-/ready", _alertmanager(settings, build, data)),
    ]
    if settings.demo.enabled:
        demo = _single("demo_bot", parts.demo_bot, "/healthz", _ours(data, options)("demo_bot", 0))
        found.insert(0, replace(demo, reloads=False))
    found.append(
        _single("blackbox_exporter", parts.blackbox_exporter, "/-/healthy", _blackbox(settings, build))
    )
    if settings.drill.schedule is not None:
        command = [sys.executable, "-m", "stack.cli", "drill", "--scheduled", *options, "--data", str(data)]
        found.append(LocalService("drill", command, "127.0.0.1", 0, "", "", reloads=False))
    if program := shutil.which("grafana"):
        grafana = _single("grafana", parts.grafana, "/api/health", _grafana(Path(program), build, data))
        found.append(replace(grafana, reloads=False))  # it finds new dashboards by itself
    return [replace(one, link=_link(settings, one)) for one in found]


def shared_database(data: Path) -> tuple[LocalService, Path]:
    """Return the PostgreSQL process that several webhook_actions share, and the file for its address."""
    file = data / "database_url"
    command = [sys.executable, "-m", "webhook_actions.store.shared_database", "--data", str(data)]
    command += ["--url-file", str(file)]
    return LocalService("postgres", command, "127.0.0.1", 0, str(file), "", reloads=False), file


Command = Callable[[str, int], list[str]]
"""The command of a process, by its name and number; the number is 0 for a part with one process."""


def _replicas(part: str, service: Replicated, health: str, command: Command) -> list[LocalService]:
    found = []
    for number, each in enumerate(service.all, start=1):
        name = part if number == 1 else f"{part}-{number}"
        found.append(
            LocalService(
                name,
                command(name, number),
                service.bind,
                each.port,
                each.url,
                each.url + health,
                number=number,
            )
        )
    return found


def _single(name: str, service: Service, health: str, command: Sequence[str]) -> LocalService:
    return LocalService(name, command, service.bind, service.port, service.url, service.url + health)


def _link(settings: Settings, one: LocalService) -> str:
    return settings.link(one.name) if getattr(settings.links, one.name, None) else one.link


def _ours(data: Path, options: Sequence[str], web: Path | None = None) -> Command:
    def command(name: str, number: int) -> list[str]:
        which = ["--replica", str(number)] if number else []
        which += [f"--web.config.file={web}"] if web else []
        module = name.partition("-")[0]
        return [sys.executable, "-m", module, *options, "--data", str(data), *which]

    return command


def _prometheus(settings: Settings, build: Path, data: Path) -> Command:
    service = settings.services.prometheus

    def command(name: str, number: int) -> list[str]:
        return [
            "env",
            f"NIGHTDESK_REPLICA={number}",
            str(find("prometheus")),
            f"--config.file={build / 'prometheus/prometheus.yml'}",
            f"--storage.tsdb.path={data / name}",
            f"--web.listen-address={service.bind}:{service.all[number - 1].port}",
            f"--web.config.file={build / WEB}",
            f"@{build / 'prometheus/flags'}",
        ]

    return command


def _alertmanager(settings: Settings, build: Path, data: Path) -> Command:
    service = settings.services.alertmanager

    def command(name: str, number: int) -> list[str]:
        port = service.all[number - 1].port
        gossip = [f"--cluster.listen-address={service.bind}:{port + GOSSIP}"] if service.replicas else []
        return alertmanager_command(
            f"--config.file={build / 'alertmanager/alertmanager.yml'}",
            f"--storage.path={data / name}",
            f"--web.listen-address={service.bind}:{port}",
            f"--web.config.file={build / WEB}",
            f"@{build / 'alertmanager/flags'}",
            *gossip,
        )

    return command


def _blackbox(settings: Settings, build: Path) -> list[str]:
    service = settings.services.blackbox_exporter
    return [
        str(find("blackbox_exporter")),
        f"--config.file={build / 'blackbox/blackbox.yml'}",
        f"--web.listen-address={service.bind}:{service.port}",
        f"--web.config.file={build / WEB}",
    ]


def _grafana(program: Path, build: Path, data: Path) -> list[str]:
    paths = {
        "GF_PATHS_DATA": data / "grafana",
        "GF_PATHS_LOGS": data / "grafana/logs",
        "GF_PATHS_PROVISIONING": build / "grafana/provisioning",
    }
    # A package keeps Grafana's files in /usr/share, its tarball beside bin/.
    packaged = Path("/usr/share/grafana")
    home = packaged if packaged.is_dir() else program.resolve().parent.parent
    assignments = [f"{name}={path}" for name, path in paths.items()]
    config = build / "grafana/grafana.ini"
    return ["env", *assignments, str(program), "server", f"--homepath={home}", f"--config={config}"]
