"""How the parts of the stack are spoken to: by TLS or not, and as which user. Nothing else decides that."""

import ssl
from typing import Annotated

from pydantic import StrictBool, StringConstraints

from stack.settings.types import SecretFile, Section

CLUSTER_NAME = "nightdesk"  # in every certificate: Alertmanagers reach each other by address, not by name


class Tls(Section):
    """The certificate of this machine's listeners, and the authority that the parts trust each other by."""

    enabled: StrictBool
    cert_file: SecretFile
    key_file: SecretFile
    ca_file: SecretFile


class User(Section):
    """As whom the parts ask each other, and a person all of them that have no tokens of their own."""

    enabled: StrictBool
    username: Annotated[str, StringConstraints(min_length=1, pattern="^[^:]*$")]
    password_file: SecretFile


class Web(Section):
    """What every listener wants, and every part that asks one."""

    tls: Tls
    auth: User

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self.tls.enabled else "http"

    @property
    def verify(self) -> str | bool:
        """What requests takes as `verify`."""
        return str(self.tls.ca_file) if self.tls.enabled else True

    def context(self) -> ssl.SSLContext | bool:
        """Return what aiohttp takes as `ssl`. Raises OSError for an authority that cannot be read."""
        return ssl.create_default_context(cafile=str(self.tls.ca_file)) if self.tls.enabled else True

    def user(self) -> tuple[str, str] | None:
        """Return user and password, None where nobody is asked. Raises OSError."""
        if not self.auth.enabled:
            return None
        return self.auth.username, self.auth.password_file.read_text(encoding="utf-8").strip()

    def problems(self) -> list[str]:
        """Return a line for what of TLS cannot be used; a file that is missing is told with the secrets."""
        tls = self.tls
        if not tls.enabled or not all(file.is_file() for file in (tls.cert_file, tls.key_file, tls.ca_file)):
            return []
        found = []
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert_file, tls.key_file)
        except OSError as error:
            found.append(f"web.tls: {tls.cert_file} with {tls.key_file} cannot be used: {_said(error)}")
        try:
            ssl.create_default_context(cafile=str(tls.ca_file))
        except OSError as error:
            found.append(f"web.tls.ca_file: {tls.ca_file} cannot be used: {_said(error)}")
        return [f"{line}; docs/tls.md says how they are made" for line in found]


def _said(error: OSError) -> str:
    return error.strerror or str(error)
