"""The command `nightdesk service`: systemd units that run `nightdesk up` after reboot and logout."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from stack.instance import Instance, on_instance
from stack.oncall import NotDone
from stack.settings import Settings, own_secrets

_SYSTEM = Path("/etc/systemd/system")
# Hardening without file namespaces, which a user's own manager cannot always create (Ubuntu 24.04).
_HARDENED = (
    "NoNewPrivileges=yes", "RestrictSUIDSGID=yes", "RestrictRealtime=yes", "RestrictNamespaces=yes",
    "LockPersonality=yes", "SystemCallArchitectures=native",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK", "UMask=0077",
)  # fmt: skip
_HARDENED_SYSTEM = (
    "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=read-only", "PrivateTmp=yes",
    "PrivateDevices=yes", "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes", "ProtectClock=yes", "ProtectHostname=yes",
)  # fmt: skip
_RAISING = ("sudo", "doas", "su", "pkexec", "runuser")


@dataclass(frozen=True)
class Unit:
    """A unit and its manager: the system's, which runs it as `user`, or the user's own (`user` is None)."""

    name: str
    user: str | None

    @property
    def file(self) -> Path:
        """The path of the unit."""
        own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd/user"
        return (_SYSTEM if self.user else own) / f"{self.name}.service"

    def systemctl(self, *words: str) -> None:
        """Run systemctl. Raises NotDone."""
        _run(["systemctl", *([] if self.user else ["--user"]), *words])


def unit_text(settings: Settings, instance: Instance, user: str | None) -> str:
    """Return the unit that runs `nightdesk up` with the same options, from the same directory."""
    files = [file.absolute() for file in instance.config]
    data = instance.data.absolute()
    command = [str(Path(sys.prefix) / "bin/nightdesk"), "up", "--data", str(data)]
    command += [word for file in files for word in ("--config", str(file))]
    command += ["--port-offset", str(instance.port_offset)] if instance.port_offset else []
    hardened = [] if raising(settings) else [*_HARDENED]
    if user and hardened:
        # Absent secrets are generated, so the unit may write their directories too.
        written = dict.fromkeys([data, *(file.parent for file in own_secrets(settings))])
        hardened += [*_HARDENED_SYSTEM, *(f"ReadWritePaths={_quoted(f'-{path}')}" for path in written)]
    lines = [
        "# Written by `nightdesk service install`; `nightdesk service remove` removes it.",
        "[Unit]",
        "Description=Nightdesk watches trading bots",
        *(["Wants=network-online.target", "After=network-online.target"] if user else []),
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        *([f"User={user}"] if user else []),
        f"WorkingDirectory={str(files[0].parent).replace('%', '%%')}",
        f"ExecStart={' '.join(_quoted(word).replace('$', '$$') for word in command)}",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "Restart=always",
        "RestartSec=5",
        "KillMode=mixed",
        "TimeoutStopSec=60",
        f"Environment={_quoted('PATH=' + os.environ.get('PATH', os.defpath))}",
        *hardened,
        "",
        "[Install]",
        f"WantedBy={'multi-user.target' if user else 'default.target'}",
    ]
    return "\n".join(lines) + "\n"


def raising(settings: Settings) -> list[str]:
    """Return the programs in the settings that become another user, which a hardened unit does not allow."""
    programs = settings.actions.programs.items()
    return [name for name, command in programs if Path(command[0]).name in _RAISING]


@click.command()
@click.argument("act", type=click.Choice(["install", "remove"]))
@click.option("--system", is_flag=True, help="Install it for the whole system (as root) instead of for you")
@click.option("--as", "run_as", metavar="USER", help="The user that a system service runs as")
@click.option("--name", default="nightdesk", metavar="NAME", help="The unit's name; default: nightdesk")
@on_instance
def service(instance: Instance, act: str, system: bool, run_as: str | None, name: str) -> None:
    """Install a systemd service that runs `nightdesk up` after reboot and logout, or remove it."""
    for program in ("systemctl", "loginctl"):
        if shutil.which(program) is None:
            raise NotDone(
                f"{program} is not on PATH: without systemd, let your service manager run `nightdesk up`"
            )
    unit = Unit(name, _owner(run_as) if system else None)
    if act == "remove":
        remove(unit)
    else:
        _install(unit, instance)


def _install(unit: Unit, instance: Instance) -> None:
    settings = instance.settings()
    if unit.user is None:
        instance.data.mkdir(parents=True, exist_ok=True)
    elif not instance.data.is_dir():
        raise NotDone(
            f"{instance.data.absolute()}: make it, and give it to {unit.user}: "
            "it is what the service may write"
        )
    unit.file.parent.mkdir(parents=True, exist_ok=True)
    unit.file.write_text(unit_text(settings, instance, unit.user), encoding="utf-8")
    print(f"wrote {unit.file}")
    if names := raising(settings):
        print(
            f"warning: it is not hardened: actions.programs.{', '.join(names)} could not become another user"
        )
    if unit.user is None:  # else it ends with a logout, and does not start after a reboot
        _run(["loginctl", "enable-linger", pwd.getpwuid(os.getuid()).pw_name])
    unit.systemctl("daemon-reload")
    unit.systemctl("enable", unit.file.name)
    unit.systemctl("restart", unit.file.name)
    scope = "" if unit.user else "--user "
    print(
        f"it runs; `journalctl {scope}-u {unit.name}` shows its output, `nightdesk doctor` checks everything"
    )


def remove(unit: Unit) -> None:
    """Stop a service and remove its unit. Raises NotDone."""
    if not unit.file.is_file():
        raise NotDone(f"{unit.file}: no such file, so there is nothing to remove")
    unit.systemctl("disable", "--now", unit.file.name)
    unit.file.unlink()
    unit.systemctl("daemon-reload")
    print(f"stopped it and removed {unit.file}; settings, secrets and data stay")


def _owner(run_as: str | None) -> str:
    """Return the user that a system service runs as. Raises NotDone."""
    user = run_as or os.environ.get("SUDO_USER") or "root"
    if user == "root":
        raise NotDone("--as: name the user that Nightdesk runs as; it does not need root")
    return user


def _run(command: Sequence[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        raise NotDone(f"`{' '.join(command)}` failed: {ended.stderr.strip() or ended.returncode}")


def _quoted(word: str) -> str:
    """Return a word quoted for a unit's line; `$` matters in ExecStart only."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
