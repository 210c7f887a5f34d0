"""What psutil knows of this host and of a bot's own process, where that process can be told for certain."""

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from exporter.catalogue import Sample, sample

# Read-only images and memory: always full or never, and nobody's disk.
_NO_DISK = frozenset({"squashfs", "iso9660", "erofs", "tmpfs", "devtmpfs"})


class ThisHost:
    """Usage of the machine that the exporter runs on."""

    def __init__(self, name: str = "") -> None:
        self._name = name or socket.gethostname()
        psutil.cpu_percent(interval=None)  # begins the first measurement

    def samples(self) -> list[Sample]:
        """Return usage as ratios; the CPU's is since the call before."""
        return [
            sample("host_cpu_usage_ratio", psutil.cpu_percent(interval=None) / 100, host=self._name),
            sample("host_memory_usage_ratio", psutil.virtual_memory().percent / 100, host=self._name),
            *(
                sample("host_disk_usage_ratio", ratio, host=self._name, mountpoint=mountpoint)
                for mountpoint, ratio in _disks()
            ),
        ]


def _disks() -> Iterator[tuple[str, float]]:
    """Yield the mount point and used share of the root and of each local device, each device once."""
    devices: set[str] = set()
    places = ["/"]
    for partition in psutil.disk_partitions(all=False):
        # A container has single files mounted from its host's disk.
        ours = partition.fstype not in _NO_DISK and Path(partition.mountpoint).is_dir()
        if ours and partition.device not in devices:
            devices.add(partition.device)
            places.append(partition.mountpoint)
    for place in dict.fromkeys(places):
        try:
            yield place, psutil.disk_usage(place).percent / 100
        except OSError:
            continue  # unmounted meanwhile, or not ours to look at: unknown


class BotProcess:
    """The process that a bot names, followed while it lives."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._host = parts.hostname or ""
        self._process: psutil.Process | None = None

    def samples(self, pid: int) -> list[Sample]:
        """Return what the process uses; nothing where the pid cannot be proven to be the bot's.

        A bot in a container or on another host names a pid of its own numbering, which here is some other
        process. So the bot's address must be this host's, and the process or one of its parents must be
        what listens there.
        """
        try:
            process = self._find(pid)
            if process is None or process.status() == psutil.STATUS_ZOMBIE:
                return []
            return _usage(process)
        except (psutil.Error, OSError):
            self._process = None
            return []  # it ended, or is not ours to look at: unknown

    def _find(self, pid: int) -> psutil.Process | None:
        if self._process is not None and self._process.pid == pid and self._process.is_running():
            return self._process
        process = psutil.Process(pid)
        served = _is_here(self._host) and any(
            _listens(each, self._port) for each in (process, *process.parents())
        )
        self._process = process if served else None
        if self._process is not None:
            self._process.cpu_percent(interval=None)  # begins the first measurement
        return self._process


def _is_here(host: str) -> bool:
    """Return whether a host's name or address is one of this machine's."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == socket.gethostname()
    own = {each.address for addresses in psutil.net_if_addrs().values() for each in addresses}
    return address.is_loopback or host in own


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)


def _usage(process: psutil.Process) -> list[Sample]:
    with process.oneshot():
        memory = process.memory_info().rss
        times = process.cpu_times()
        return [
            sample("cpu_usage_ratio", min(1.0, process.cpu_percent(interval=None) / 100)),
            sample("memory_usage_ratio", memory / psutil.virtual_memory().total),
            sample("process_cpu_seconds_total", times.user + times.system),
            sample("process_resident_memory_bytes", memory),
            sample("process_threads", process.num_threads()),
            sample("process_open_fds", process.num_fds()),
        ]
