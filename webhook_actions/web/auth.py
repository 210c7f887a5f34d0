"""Access rights: bearer tokens, each for one scope, read from their files with the settings."""

import hmac
from collections.abc import Callable
from enum import StrEnum

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from stack.settings import Settings
from webhook_actions.store.audit import Caller
from webhook_actions.web.limit import RateLimit, TooManyFailures

_BEARER = HTTPBearer(auto_error=False)


class Scope(StrEnum):
    """What a token allows: deliver alerts, read, act, or reload settings.

    The act token may also read and reload.
    """

    RECEIVE = "receive"
    READ = "read"
    ACT = "act"
    RELOAD = "reload"


_SUFFICES = {
    Scope.RECEIVE: (Scope.RECEIVE,),
    Scope.READ: (Scope.READ, Scope.ACT),
    Scope.ACT: (Scope.ACT,),
    Scope.RELOAD: (Scope.RELOAD, Scope.ACT),
}


def address(request: Request) -> str:
    """Return the address that a request came from."""
    return request.client.host if request.client else ""


class Tokens:
    """The tokens of the settings, compared in constant time."""

    def __init__(self, settings: Settings, refused: Callable[[], None], failures: RateLimit) -> None:
        """`refused` is called for each request without its token; wrong tokens count as `failures`."""
        files = settings.webhook_actions.tokens
        named = {
            Scope.RECEIVE: files.receive_file,
            Scope.READ: files.read_file,
            Scope.ACT: files.act_file,
        }
        if files.reload_file.exists():  # otherwise only the act token may reload
            named[Scope.RELOAD] = files.reload_file
        self._names = {scope: file.name for scope, file in named.items()}
        self._tokens = {scope: file.read_text(encoding="utf-8").strip() for scope, file in named.items()}
        self._refused = refused
        self._failures = failures

    def key(self, purpose: str) -> bytes:
        """Return the signing key, which all replicas share; a new act token changes it."""
        return hmac.digest(self._tokens[Scope.ACT].encode(), purpose.encode(), "sha256")

    def scopes(self, given: str) -> set[Scope]:
        """Return a token's scopes; compare with every token, so that the time reveals nothing."""
        return {
            scope
            for scope, token in self._tokens.items()
            if hmac.compare_digest(given.encode(), token.encode())
        }

    def wants(self, scope: Scope) -> Callable[..., Caller]:
        """Return a dependency that requires a token for the scope, and returns the caller.

        A right token passes after any number of wrong ones. So other callers behind the same proxy can block
        neither alerts nor the kill switch.
        """

        def check(
            request: Request,
            given: HTTPAuthorizationCredentials | None = Depends(_BEARER),  # noqa: B008 - FastAPI's way
        ) -> Caller:
            has = self.scopes(given.credentials) if given else set()
            for one in _SUFFICES[scope]:
                if one in has:
                    return Caller(f"{one} token", address(request))
            self._refused()
            if given and not has and (wait := self._failures.take(address(request))):
                raise TooManyFailures(wait)
            wanted = self._names.get(scope, self._names[Scope.ACT])
            raise HTTPException(
                401, f"this needs the bearer token of {wanted}", headers={"WWW-Authenticate": "Bearer"}
            )

        return check
