"""Settings of the connections between the parts of the stack: TLS, and the user."""

import ssl
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import StrictBool, StringConstraints

from stack.settings.types import SecretFile, Section

CLUSTER_NAME = "nightdesk"  # in every certificate: Alertmanagers reach each other by address, not by name


@dataclass(frozen=True)
class Way:
    """The way to reach an address over HTTP; the environment does not count.

    `ca_file` replaces the authorities that this machine trusts, `proxy` is a URL.
    """

    ca_file: Path | None = None
    proxy: str | None = None
    tls_verify: bool = True

    def context(self) -> ssl.SSLContext | bool:
        """Return the value of `ssl` for aiohttp. Raises OSError for an unreadable authority."""
        if self.ca_file is None:
            return self.tls_verify
        return _trusting(self.ca_file, self.ca_file.stat().st_mtime_ns)


def basic(username: str, password: str) -> str:
    """Return the user of an Authorization header."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


@lru_cache(maxsize=64)
def _trusting(ca_file: Path, _changed: int) -> ssl.SSLContext:
    """Return a context that trusts only the file's authority; cached until the file changes, since it is
    slow.
    """
    return ssl.create_default_context(cafile=str(ca_file))


class Tls(Section):
    """The certificate of this machine's listeners, and the authority that all parts trust."""

    enabled: StrictBool
    cert_file: SecretFile
    key_file: SecretFile
    ca_file: SecretFile


class User(Section):
    """The user for requests between the parts, and for people at parts that have no tokens."""

    enabled: StrictBool
    username: Annotated[str, StringConstraints(min_length=1, pattern="^[^:]*$")]
    password_file: SecretFile


class Web(Section):
    """The TLS and login that every listener requires and every caller uses."""

    tls: Tls
    auth: User

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self.tls.enabled else "http"

    @property
    def verify(self) -> str | bool:
        """The value of `verify` for requests."""
        return str(self.tls.ca_file) if self.tls.enabled else True

    @property
    def way(self) -> Way:
        """The way to reach each part."""
        return Way(self.tls.ca_file if self.tls.enabled else None)

    def user(self) -> tuple[str, str] | None:
        """Return user and password, None if none is required. Raises OSError."""
        if not self.auth.enabled:
            return None
        return self.auth.username, self.auth.password_file.read_text(encoding="utf-8").strip()

    def login(self) -> dict[str, str]:
        """Return the Authorization header; none if none is required. Raises OSError."""
        user = self.user()
        return {"Authorization": basic(*user)} if user else {}

    def problems(self) -> list[str]:
        """Return a line for each unusable TLS file; missing files are reported with the secrets."""
        tls = self.tls
        if not tls.enabled or not all(file.is_file() for file in (tls.cert_file, tls.key_file, tls.ca_file)):
            return []
        found = []
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert_file, tls.key_file)
        except OSError as error:
            found.append(f"web.tls: {tls.cert_file} with {tls.key_file} cannot be used: {_said(error)}")
        if problem := unusable(tls.ca_file):
            found.append(f"web.tls.ca_file: {problem}")
        return [f"{line}; docs/tls.md says how to make them" for line in found]


def unusable(ca_file: Path) -> str:
    """Return why a file is not a usable authority, '' if it is one."""
    try:
        ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        return f"{ca_file} cannot be used: {_said(error)}"
    return ""


def _said(error: OSError) -> str:
    return error.strerror or str(error)
