"""Checks this machine: ports and parts, the disk, the clock, the database."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from clients.http import NoAnswer, Request, ask
from stack.doctor.finding import Finding, green, red, yellow
from stack.settings import Settings
from stack.state import Part, parts

_LITTLE, _TOO_LITTLE = 0.15, 0.05  # free share of a disk
_GIGABYTE = 1e9
_LATE, _TOO_LATE = (
    2.0,
    30.0,
)  # seconds between two clocks; an exchange refuses orders that are a few seconds off
_WITHIN = 5.0  # seconds for an exchange's answer


def ports(settings: Settings) -> Iterator[Finding]:
    """Check that each part answers at its address; if not, say whether another program has its port."""
    for one in parts(settings):
        if one.problem is None:
            yield green(f"part {one.name}", f"answers at {one.url}")
        else:
            yield _not_answering(one)


def _not_answering(one: Part) -> Finding:
    host, _, port = one.url.rpartition("/")[2].rpartition(":")
    about, says = f"part {one.name}", f"it {one.problem}"
    if one.answers:
        return red(about, says, f"its log says why (.data/logs/{one.name}.log)")
    if _listens(host, int(port)):
        way_out = "stop the program on that port, or move every port: --port-offset 100"
        return red(about, f"another program listens on port {port}", way_out)
    return red(about, says, "`nightdesk up` starts it")


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def disk(data: Path) -> Iterator[Finding]:
    """Check that Prometheus and the database have disk space."""
    place = next(each for each in (data.absolute(), *data.absolute().parents) if each.is_dir())
    usage = shutil.disk_usage(place)
    ratio, left = (
        usage.free / usage.total,
        f"{usage.free / _GIGABYTE:.1f} GB free ({usage.free / usage.total:.0%})",
    )
    way_out = "free some, or keep less: storage.retention, logs.keep_for"
    if ratio < _TOO_LITTLE and usage.free < 10 * _GIGABYTE:
        yield red(f"disk of {place}", f"only {left}", way_out)
    elif ratio < _LITTLE and usage.free < 20 * _GIGABYTE:
        yield yellow(f"disk of {place}", f"only {left}", way_out)
    else:
        yield green(f"disk of {place}", left)


def clock(settings: Settings) -> Iterator[Finding]:
    """Check our clock against the first exchange that answers: exchanges and rules depend on it."""
    for probe in settings.collection.probes:
        try:
            answer = ask(Request("GET", str(probe.url), _WITHIN))
        except NoAnswer:
            continue
        if answer.date is not None:
            yield off("clock", time.time() - answer.date, f"that of {probe.name}")
            return
    if _is_synchronised():
        yield green("clock", "the system says that NTP keeps it")
        return
    way_out = "turn on NTP, or name an exchange in collection.probes that this machine reaches"
    yield yellow("clock", "neither an exchange in collection.probes nor NTP confirms it", way_out)


def _is_synchronised() -> bool:
    """Return whether systemd says that NTP keeps the clock."""
    if shutil.which("timedatectl") is None:
        return False
    command = ["timedatectl", "show", "-p", "NTPSynchronized", "--value"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN, check=False)
    return said.stdout.strip() == "yes"


def off(about: str, seconds: float, whose: str) -> Finding:
    """Return the finding for a difference of clocks."""
    says = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} {whose}"
    way_out = "turn on NTP: `timedatectl set-ntp true`"
    if abs(seconds) > _TOO_LATE:
        return red(about, says, way_out)
    if abs(seconds) > _LATE:
        return yellow(about, says, way_out)
    return green(about, f"agrees with {whose}")


def database(settings: Settings) -> Iterator[Finding]:
    """Ask webhook_actions whether its database is writable and has the code's schema."""
    for one in parts(settings):
        if one.name.startswith("webhook_actions"):
            if one.problem is None:
                yield green("database", f"{one.name} writes to it, and its schema is the code's")
            elif one.answers:
                yield red(
                    "database", f"{one.name} says: {one.said}", "see webhook_actions' log; docs/stores.md"
                )
            else:
                yield yellow(
                    "database", f"unknown, since {one.name} does not answer", "`nightdesk up` starts it"
                )
