"""Unpacks Debian packages into a directory through an apt state of our own; it installs nothing."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TARGETS = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages")


class Unavailable(Exception):
    """Packages that cannot be fetched. The message says why."""


def unpack(
    target: Path,
    packages: Sequence[str],
    suite: str,
    optional: Sequence[str] = (),
    tell: Callable[[str], None] = print,
) -> None:
    """Replace `target` by the contents of `packages` of a suite and `optional` of the machine's own suite.

    Optional packages that cannot be fetched are named on stderr. Any user may call this: apt keeps its lists
    and cache in a temporary directory. Raises Unavailable, and then leaves `target` as it was.
    """
    mirror, own_suite = _mirror()
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is one rename, and an interrupted run leaves no half-unpacked
    # program.
    with tempfile.TemporaryDirectory(prefix=f"{target.name}.", dir=target.parent) as scratch:
        unpacked = Path(scratch, "unpacked")
        _fetch(Path(scratch, suite), mirror, suite, packages, unpacked, tell)
        try:
            if optional:
                _fetch(Path(scratch, "own"), mirror, own_suite, optional, unpacked, tell)
        except Unavailable as error:
            print(f"going on without {', '.join(optional)}: {error}", file=sys.stderr)
        if target.exists():
            shutil.rmtree(target)
        unpacked.rename(target)


def _mirror() -> tuple[str, str]:
    """Return the address of the machine's own Debian mirror and its suite."""
    for program in ("apt-get", "dpkg-deb"):
        if not shutil.which(program):
            raise Unavailable(f"{program} is not here; this works on Debian and its relatives")
    if not _KEYRING.exists():
        raise Unavailable(f"{_KEYRING} is not here; the package debian-archive-keyring has it")
    for line in _run(_TARGETS).splitlines():
        address, _, suite = line.partition(" ")
        if "-" not in suite:  # bookworm-updates and bookworm-security are beside the archive itself
            return address, suite
    raise Unavailable("apt knows no mirror; /etc/apt/sources.list and sources.list.d name none")


def _fetch(
    state: Path,
    mirror: str,
    suite: str,
    packages: Sequence[str],
    target: Path,
    tell: Callable[[str], None],
) -> None:
    (state / "lists/partial").mkdir(parents=True)
    (state / "archives/partial").mkdir(parents=True)
    sources = state / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYRING}] {mirror} {suite} main\n", encoding="utf-8")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": state / "lists",
        "Dir::State::Status": "/dev/null",
        "Dir::Cache": state,
        "APT::Sandbox::User": "root",  # apt's own user could not write here
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    apt = ["apt-get", "-q", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    tell(f"  reading Debian's list of packages ({suite}) …")
    _run([*apt, "-o", "APT::Update::Error-Mode=any", "update"])
    for name in packages:
        tell(f"  fetching {name} …")
        _run([*apt, "download", name], directory=state)
    for package in sorted(state.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(target)])


def _run(command: Sequence[str], directory: Path | None = None) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    if done.returncode:
        complaints = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
        reason = complaints[0] if complaints else done.stderr.strip() or f"exit code {done.returncode}"
        raise Unavailable(f"{command[0]}: {reason}")
    return done.stdout
