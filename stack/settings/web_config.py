"""TLS and users of a listener, from the file that all exporters take as `--web.config.file`.

Format: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. The file and its
certificates are read again when they change.
"""

import argparse
import logging
import re
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

_log = logging.getLogger(__name__)
_HASH = re.compile(r"^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$")
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class WebConfigError(Exception):
    """An unusable web configuration. The message names the file, the key and the way out."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tls(_Section):
    cert_file: Path
    key_file: Path
    client_auth_type: Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] = (
        "NoClientCert"
    )
    client_ca_file: Path | None = None
    min_version: Literal["TLS12", "TLS13"] = "TLS12"
    max_version: Literal["TLS12", "TLS13"] = "TLS13"


class _Server(_Section):
    http2: bool = True  # exporters may offer it, but this listener does not have it
    headers: dict[str, str] = {}


def _hashed(value: object) -> object:
    if not isinstance(value, str) or not _HASH.match(value):
        raise ValueError("not a bcrypt hash; make one with `htpasswd -nBC 10 ''`")
    return value


_User = Annotated[str, StringConstraints(min_length=1, pattern="^[^:]*$")]


class _File(_Section):
    tls_server_config: _Tls | None = None
    http_server_config: _Server = _Server()
    basic_auth_users: dict[_User, Annotated[str, BeforeValidator(_hashed)]] = Field({}, repr=False)


def add_web(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the file."""
    parser.add_argument(
        "--web.config.file",
        dest="web",
        metavar="FILE",
        type=Path,
        help="TLS and users, in the exporters' usual file",
    )


class WebConfig:
    """The current web configuration; after an unusable change the last usable one stays in force."""

    def __init__(self, file: Path) -> None:
        """Raises WebConfigError."""
        self._file = file
        self._refused: object = None
        self._config = _read(file)
        self._context = _context(file, self._config.tls_server_config)
        self._seen = self._signature()

    @property
    def headers(self) -> dict[str, str]:
        """The headers for every answer."""
        return self._config.http_server_config.headers

    @property
    def users(self) -> dict[str, str]:
        """The password hash of each user; empty if no login is required."""
        return self._config.basic_auth_users

    def context(self) -> ssl.SSLContext | None:
        """Return a listener's TLS context, None without TLS; new connections get the newest certificate."""

        def newest(connection: ssl.SSLObject | ssl.SSLSocket, _: str, __: ssl.SSLContext) -> None:
            self.refresh()
            if self._context is not None:
                connection.context = self._context

        listener = _context(self._file, self._config.tls_server_config)
        if listener is not None:
            listener.sni_callback = newest
        return listener

    def refresh(self) -> None:
        """Read changed files; log and ignore unusable ones."""
        signature = self._signature()
        if signature in (self._seen, self._refused):
            return
        try:
            config = _read(self._file)
            context = _context(self._file, config.tls_server_config)
            if (context is None) != (self._context is None):
                raise WebConfigError(f"{self._file}: turning TLS on or off needs a restart")
        except WebConfigError as error:
            _log.error("the web configuration is unchanged: %s", error)
            self._refused = signature
            return
        self._config, self._context, self._seen = config, context, signature
        _log.info("the web configuration was read again")

    def _signature(self) -> tuple[tuple[int, int], ...]:
        """Return a value that changes with the file; a missing file has one too."""
        tls = self._config.tls_server_config
        files = (self._file,) if tls is None else (self._file, *_files(self._file, tls))
        return tuple(_state(each) for each in files)


def users_of(file: Path) -> dict[str, str]:
    """Return the password hash of each user in a file. Raises WebConfigError."""
    return _read(file).basic_auth_users


def _read(file: Path) -> _File:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        return _File.model_validate({} if data is None else data)
    except OSError as error:
        raise WebConfigError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WebConfigError(f"{file}: is not YAML: {error}") from None
    except ValidationError as error:
        # The value may be a secret, so it is left out.
        found = error.errors(include_url=False, include_context=False, include_input=False)
        told = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in found)
        raise WebConfigError(f"{file}: {told}") from None


def _context(file: Path, tls: _Tls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    if (tls.client_ca_file is None) != (tls.client_auth_type == "NoClientCert"):
        raise WebConfigError(f"{file}: tls_server_config: client_auth_type and client_ca_file go together")
    cert, key, *client_ca = _files(file, tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.minimum_version = _VERSIONS[tls.min_version]
        context.maximum_version = _VERSIONS[tls.max_version]
        context.load_cert_chain(cert, key)
        for each in client_ca:
            context.load_verify_locations(each)
    except (OSError, ValueError) as error:
        names = ", ".join(map(str, (cert, key, *client_ca)))
        raise WebConfigError(f"{file}: tls_server_config: {names}: {error}") from None
    context.verify_mode = _CLIENTS[tls.client_auth_type]
    return context


def _files(file: Path, tls: _Tls) -> Iterable[Path]:
    """Return the certificate, the key and the clients' authority, if any; paths are relative to the file."""
    named = (tls.cert_file, tls.key_file, tls.client_ca_file)
    return tuple(file.parent / each for each in named if each is not None)


def _state(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)
