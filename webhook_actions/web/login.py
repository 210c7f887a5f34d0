"""Logs a person in to the on-call page: by the act token, or as a user of the standard web config."""

import base64
import binascii
import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Lock

from fastapi import Request, Response
from pydantic import TypeAdapter

from stack.settings import Settings
from stack.settings.web_config import WebConfigError
from webhook_actions.store.audit import Caller
from webhook_actions.web.auth import Scope, Tokens, address
from webhook_actions.web.limit import RateLimit, TooManyFailures
from webhook_actions.web.users import Users

log = logging.getLogger(__name__)

COOKIE = "nightdesk"
_PURPOSE = "nightdesk session"


@dataclass(frozen=True)
class Session:
    """A person's login and its end. `user` is one of the web config, or '' for the act token."""

    id: str
    user: str
    name: str
    expires: float

    def caller(self, request: Request) -> Caller:
        """Return the caller by the timeline's name."""
        known = Caller(self.user, address(request)) if self.user else Caller("act token", address(request))
        return known if self.user else known.named(self.name)


_SESSION = TypeAdapter(Session)


class Login:
    """Opens sessions and recognises them. A session is a signed cookie: every replica can check it, none
    stores it. It ends after its time, with a new act token, and with a new password of its user.
    """

    def __init__(
        self, settings: Settings, tokens: Tokens, failures: RateLimit, now: Callable[[], float] = time.time
    ) -> None:
        page = settings.webhook_actions.page
        self._length = float(page.session)
        self._users = Users(page.web_config_file)
        self._secure = settings.link("webhook_actions").startswith("https:")
        self._tokens = tokens
        self._failures = failures
        self._turn = (
            Lock()
        )  # one password at a time: otherwise a burst of attempts is checked before the first failure counts
        self._key = tokens.key(_PURPOSE)
        self._now = now
        self.by_user = page.web_config_file is not None

    def open(self, where: str, name: str, secret: str) -> Session | None:
        """Return a session for an act token, or for a user and the password; None if they are wrong.

        Raises TooManyFailures of the address `where`, and WebConfigError. May take tens of milliseconds.
        """

        def fits() -> Session | None:
            if Scope.ACT in self._tokens.scopes(secret):
                return self._session("", name)
            if self.by_user and name and self._users.verify(name, secret):
                return self._session(name, name)
            return None

        return self._tried(where, fits)

    def remember(self, request: Request, response: Response, session: Session) -> None:
        """Give the browser its session; over TLS the cookie never travels without it."""
        response.set_cookie(
            COOKIE,
            self.seal(session),
            max_age=int(self._length),
            httponly=True,
            samesite="strict",
            secure=self._secure or request.url.scheme == "https",
        )

    def session(self, request: Request) -> Session | None:
        """Return a request's session, from its cookie or its basic authentication; None without one.

        Raises TooManyFailures of its address. May take tens of milliseconds.
        """
        cookie = request.cookies.get(COOKIE)
        try:
            return (self.unseal(cookie) if cookie else None) or self._basic(request)
        except WebConfigError as error:
            log.error("nobody can log in by name", extra={"reason": str(error)})
            return None

    def seal(self, session: Session) -> str:
        """Return the session as a cookie's value, signed."""
        body = base64.urlsafe_b64encode(json.dumps(asdict(session)).encode()).decode()
        return f"{body}.{self._signature(body, session.user)}"

    def unseal(self, sealed: str) -> Session | None:
        """Return the session of a cookie; None if it is not ours or has ended. Raises WebConfigError."""
        body, _, signature = sealed.partition(".")
        try:
            session = _SESSION.validate_json(base64.urlsafe_b64decode(body))
        except ValueError:  # also what base64 and pydantic raise
            return None
        expected = self._signature(body, session.user)
        if not hmac.compare_digest(signature.encode(), expected.encode()) or session.expires < self._now():
            return None
        return session

    def csrf(self, session: Session) -> str:
        """Return the token of this session's forms; without it another site could send a form."""
        return hmac.new(self._key, f"csrf {session.id}".encode(), "sha256").hexdigest()

    def _basic(self, request: Request) -> Session | None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if not self.by_user or scheme.lower() != "basic":
            return None
        user, password = _pair(given)

        def fits() -> Session | None:
            if not self._users.verify(user, password):
                return None
            # Not random: the form that comes back must fit the page that was sent.
            return Session(f"basic {user}", user, user, self._now() + self._length)

        return self._tried(address(request), fits)

    def _tried(self, where: str, fits: Callable[[], Session | None]) -> Session | None:
        with self._turn:
            if wait := self._failures.wait(where):
                raise TooManyFailures(wait)
            session = fits()
            if session is None:
                self._failures.take(where)
                log.warning("a login failed", extra={"address": where})
            return session

    def _session(self, user: str, name: str) -> Session:
        return Session(secrets.token_hex(16), user, name, self._now() + self._length)

    def _signature(self, body: str, user: str) -> str:
        password = self._users.hash_of(user) if user else "token"
        if password is None:  # the user is gone: sign so that no cookie fits
            return secrets.token_hex()
        return hmac.new(self._key, f"{body} {password}".encode(), "sha256").hexdigest()


def _pair(given: str) -> tuple[str, str]:
    """Return the user and the password of a basic authorization; empty for anything else."""
    try:
        user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
