"""Finds the programs of Prometheus and its family, and fetches missing ones."""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stack import debian
from stack.failure import Failure
from stack.files import INSTALLED, SETUP, TOOLS

# The project's name, and Debian's where it differs.
PROGRAMS = {
    "prometheus": "prometheus",
    "promtool": "promtool",
    "alertmanager": "prometheus-alertmanager",
    "amtool": "amtool",
    "blackbox_exporter": "prometheus-blackbox-exporter",
    "jsonnetfmt": "jsonnetfmt",
}
OPTIONAL = ("jsonnetfmt",)
PACKAGES = ("prometheus", "promtool", "prometheus-alertmanager", "prometheus-blackbox-exporter")
OLDEST = {"prometheus": (2, 53), "promtool": (2, 53), "alertmanager": (0, 28), "amtool": (0, 28)}

# Debian's Alertmanager and amtool always read their default templates from below /usr/share. A mount
# namespace of their own shows them the unpacked package there, with the machine's time zones.
_DEFAULT_TEMPLATE = "prometheus/alertmanager/default.tmpl"
_LAID_OVER = (
    '{ [ ! -d /usr/share/zoneinfo ] || mount --rbind /usr/share/zoneinfo "$0/zoneinfo"; } && '
    'mount --rbind "$0" /usr/share && exec "$@"'
)


class MissingBinary(Failure):
    """A program that is missing or too old. The message says how to get it."""


@functools.cache
def find(name: str) -> Path:
    """Return the program called `name` in PROGRAMS: from PATH, else from `.tools/`. Raises MissingBinary."""
    too_old = []
    for candidate in _candidates(name):
        version = _version(candidate) if name in OLDEST else None
        if version is None or version >= OLDEST[name]:
            return candidate
        too_old.append(f"{candidate} is {_dotted(version)}")
    if too_old:
        raise MissingBinary(
            f"{name}: {', '.join(too_old)}, and {_dotted(OLDEST[name])} is the oldest that works; "
            f"upgrade it, or take it off PATH and run {SETUP}"
        )
    raise MissingBinary(
        f"{name}: not on PATH and not in {TOOLS}; run {SETUP}, or `docker compose up`, which needs none"
    )


def alertmanager_command(*arguments: str, program: str = "alertmanager") -> list[str]:
    """Return the command that starts Alertmanager, or `program="amtool"`. Raises MissingBinary."""
    found = str(find(program))
    if not Path(found).is_relative_to(TOOLS) or Path("/usr/share", _DEFAULT_TEMPLATE).exists():
        return [found, *arguments]
    return [*_namespace(), "sh", "-c", _LAID_OVER, str(TOOLS / "usr/share"), found, *arguments]


def install(tell: Callable[[str], None] = print) -> None:
    """Fetch the programs that are not on PATH into `.tools/`, and print each. Raises MissingBinary."""
    wanted = [name for name in PROGRAMS if not (INSTALLED and name in OPTIONAL)]  # a wheel formats no source
    if not (missing := [name for name in wanted if not _is_there(name)]):
        return
    required = [name for name in missing if name not in OPTIONAL]
    tell(f"not on PATH, fetched from Debian into {TOOLS}, once: {', '.join(missing)}")
    try:
        debian.unpack(TOOLS, PACKAGES, suite="trixie", optional=() if INSTALLED else ("jsonnet",), tell=tell)
    except debian.Unavailable as error:
        if not required:
            print(f"{', '.join(missing)} not installed: {error}", file=sys.stderr)
            return
        raise MissingBinary(
            f"{', '.join(required)}: not on PATH, and Debian's packages cannot be fetched: {error}\n"
            "Install Prometheus 2.53, Alertmanager 0.28 and blackbox_exporter or newer, "
            "or run the stack in containers: docker compose up --build --wait"
        ) from None
    (TOOLS / "usr/share/zoneinfo").mkdir(exist_ok=True)  # the machine's own time zones will be mounted there
    find.cache_clear()
    for name in required:
        find(name)


def _candidates(name: str) -> list[Path]:
    names = dict.fromkeys((name, PROGRAMS[name]))
    on_path = [Path(found) for one in names if (found := shutil.which(one))]
    return [*on_path, *(file for one in names if (file := TOOLS / "usr/bin" / one).is_file())]


def _version(program: Path) -> tuple[int, ...]:
    """Return the version that `--version` prints; (0,) if it is unreadable."""
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"version (\d+)\.(\d+)", told.stdout + told.stderr)
    return (int(found[1]), int(found[2])) if found else (0,)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) if version != (0,) else "an unknown version"


@functools.cache
def _namespace() -> list[str]:
    """Return the prefix that gives a program its own mounts; root needs no user namespace."""
    ways = [["unshare", "-rm"]] if os.geteuid() else [["unshare", "-m"], ["unshare", "-rm"]]
    for way in ways:
        if shutil.which(way[0]) and subprocess.run([*way, "true"], capture_output=True).returncode == 0:
            return way
    raise MissingBinary(
        "alertmanager: Debian's package needs a mount namespace for its templates, and this machine refuses "
        "`unshare -rm`; put Alertmanager's own release on PATH, or run `docker compose up`"
    )


def _is_there(name: str) -> bool:
    try:
        find(name)
    except MissingBinary:
        return False
    return True


def main(words: Sequence[str]) -> int:
    """Print the path of the named program, or install the missing ones; return the exit code."""
    try:
        if words:
            print(find(words[0]))
        else:
            install()
    except MissingBinary as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
