"""Signed links in the engine's messages: their recipient may see one incident and acknowledge it."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

from stack.settings import Settings

_PURPOSE = b"nightdesk links 1"  # so that no other signature by the same key is one of a link
_MAC_BYTES = 16


class LinkError(ValueError):
    """A forged or expired link. The message says which, and what to do."""


@dataclass(frozen=True)
class Invitation:
    """What a link allows: its recipient, its incident, its expiry."""

    incident: int
    contact: str
    until: datetime


class Links:
    """Makes and reads links; their key comes from the act token, so that a new token ends the old links."""

    def __init__(self, settings: Settings) -> None:
        token = settings.webhook_actions.tokens.act_file.read_text(encoding="utf-8").strip()
        self._key = hmac.digest(token.encode(), _PURPOSE, "sha256")
        self._page = settings.link("webhook_actions")
        self._valid = settings.escalation.link_valid_for

    def url(self, incident: int, contact: str, now: datetime) -> str:
        """Return the URL on which a contact may see an incident, and by a POST acknowledge it."""
        until = int(now.timestamp() + self._valid)
        payload = _encoded(f"{incident} {until} {contact}".encode())
        return f"{self._page}/i/{payload}.{self.mac(payload)}"

    def read(self, token: str, now: datetime) -> Invitation:
        """Return the content of a link's last part. Raises LinkError."""
        payload, _, mac = token.partition(".")
        if not hmac.compare_digest(mac.encode(), self.mac(payload).encode()):
            raise LinkError("another Nightdesk made this link, or the act token has changed since")
        try:
            incident, until, contact = _decoded(payload).split(" ", 2)
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise LinkError("this link is damaged") from None
        invitation = Invitation(int(incident), contact, datetime.fromtimestamp(int(until), UTC))
        if invitation.until <= now:
            raise LinkError(
                f"this link was valid until {invitation.until:%Y-%m-%d %H:%M} UTC; log in to the on-call page"
            )
        return invitation

    @property
    def page(self) -> str:
        """The address of the on-call page."""
        return self._page

    def mac(self, payload: str) -> str:
        """Return the signature of a text, of 22 letters that a URL takes."""
        return _encoded(hmac.digest(self._key, payload.encode(), hashlib.sha256)[:_MAC_BYTES])


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
