"""Names the parts of the stack as local processes: how each is started, and where it says that it is well."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stack.binaries import alertmanager_command, find
from stack.settings import Settings


@dataclass(frozen=True)
class LocalService:
    """One process of the stack: where it listens, what a person opens, and where it answers 200 once well."""

    name: str
    command: Sequence[str]
    bind: str
    port: int
    link: str
    health: str

    def procfile_line(self) -> str:
        """Return `name: command`, such that the process is told to end when whoever started it dies."""
        # Without this, kill -9 of `nightdesk up` would leave services that nobody watches (Linux has it).
        bound = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        return f"{self.name}: exec {shlex.join([*bound, *self.command])}"


def local_services(settings: Settings, build: Path, data: Path, options: Sequence[str]) -> list[LocalService]:
    """Return the processes of the stack; `options` give our own services their settings.

    Grafana is among them where it is on PATH. Raises MissingBinary.
    """
    commands = {
        name: ([sys.executable, "-m", name, *options, "--data", str(data)], "/healthz")
        for name in ("demo_bot", "exporter", "webhook_actions")
        if name != "demo_bot" or settings.demo.enabled
    }
    commands["prometheus"] = (_prometheus(settings, build, data), "/-/ready")
    commands["alertmanager"] = (_alertmanager(settings, build, data), "/-/ready")
    commands["blackbox_exporter"] = (_blackbox(settings, build), "/-/healthy")
    if program := shutil.which("grafana"):
        commands["grafana"] = (_grafana(Path(program), build, data), "/api/health")
    return [_part(settings, name, command, health) for name, (command, health) in commands.items()]


def _part(settings: Settings, name: str, command: Sequence[str], health: str) -> LocalService:
    service = getattr(settings.services, name)
    link = str(getattr(settings.links, name, None) or service.url).rstrip("/")
    return LocalService(name, command, service.bind, service.port, link, service.url + health)


def _prometheus(settings: Settings, build: Path, data: Path) -> list[str]:
    service = settings.services.prometheus
    return [
        str(find("prometheus")),
        f"--config.file={build / 'prometheus/prometheus.yml'}",
        f"--storage.tsdb.path={data / 'prometheus'}",
        f"--web.listen-address={service.bind}:{service.port}",
        f"@{build / 'prometheus/flags'}",
    ]


def _alertmanager(settings: Settings, build: Path, data: Path) -> list[str]:
    service = settings.services.alertmanager
    return alertmanager_command(
        f"--config.file={build / 'alertmanager/alertmanager.yml'}",
        f"--storage.path={data / 'alertmanager'}",
        f"--web.listen-address={service.bind}:{service.port}",
        f"@{build / 'alertmanager/flags'}",
    )


def _blackbox(settings: Settings, build: Path) -> list[str]:
    service = settings.services.blackbox_exporter
    return [
        str(find("blackbox_exporter")),
        f"--config.file={build / 'blackbox/blackbox.yml'}",
        f"--web.listen-address={service.bind}:{service.port}",
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
