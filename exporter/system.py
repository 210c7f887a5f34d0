"""The usage of the exporter's host, by psutil."""

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil

from exporter.catalogue import Sample, sample

# Read-only images and memory are no disks: they are always full or never.
_NO_DISK = frozenset({"squashfs", "iso9660", "erofs", "tmpfs", "devtmpfs"})


class ThisHost:
    """The usage of the machine that the exporter runs on."""

    def __init__(self, name: str = "") -> None:
        self.name = name or socket.gethostname()
        psutil.cpu_percent(interval=None)  # this call begins the first measurement

    def samples(self) -> list[Sample]:
        """Return usage as ratios; the CPU's is since the previous call."""
        memory = psutil.virtual_memory()
        return [
            sample("host_cpu_usage_ratio", psutil.cpu_percent(interval=None) / 100, host=self.name),
            sample("host_memory_usage_ratio", 1 - memory.available / memory.total, host=self.name),
            *(
                sample("host_disk_usage_ratio", ratio, host=self.name, mountpoint=mountpoint)
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
            usage = psutil.disk_usage(place)
        except OSError:
            continue  # unmounted meanwhile, or not readable: unknown
        # Like `df`: the share of the space for users, without root's reserve.
        if usage.used + usage.free > 0:
            yield place, usage.used / (usage.used + usage.free)


def is_here(host: str) -> bool:
    """Return whether a host's name or address is one of this machine's."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == socket.gethostname()
    own = {each.address for addresses in psutil.net_if_addrs().values() for each in addresses}
    return address.is_loopback or host in own


def busy_share(before: tuple[float, float] | None, now: tuple[float, float]) -> float | None:
    """Return the busy share of one core between two looks (clock, CPU time), 1 at most; None without two.

    A bot's loop runs on one core: with one core busy it is stuck, however many its host has.
    """
    if before is None or now[0] <= before[0]:
        return None
    return min(1.0, max(0.0, (now[1] - before[1]) / (now[0] - before[0])))
