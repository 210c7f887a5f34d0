"""Certificates as docs/tls.md makes them, word by word."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

_PAGE = Path(__file__).parent.parent / "docs/tls.md"


def documented(language: str) -> list[str]:
    """Return the commands of the page."""
    return re.findall(rf"```{language}\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)


def certify(directory: Path, hosts: Iterable[str] = ()) -> None:
    """Make an authority in a directory, and a certificate for `hosts` and the hosts of the page."""
    authority, _ = documented("sh")
    _run(directory, authority)
    renew(directory, hosts)


def renew(directory: Path, hosts: Iterable[str] = ()) -> None:
    """Make another certificate of the authority in a directory."""
    _, certificate = documented("sh")
    more = "".join(f",DNS:{host}" for host in sorted(set(hosts)))
    _run(directory, certificate.replace("IP:127.0.0.1", f"IP:127.0.0.1{more}", 1))


def _run(directory: Path, commands: str) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not on PATH")
    made = subprocess.run(["sh", "-e"], cwd=directory, input=commands, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
