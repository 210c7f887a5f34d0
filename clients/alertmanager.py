"""The parts of Alertmanager's HTTP API that the engine needs: suppressed alerts and silences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from clients.http import NoAnswer, ask_once
from clients.stack_requests import stack_request
from stack.settings.web import Web

_TIMEOUT = 10.0  # seconds for a whole answer


class SilenceError(Exception):
    """Alertmanager made or lifted no silence; the message says why."""


class NotReached(SilenceError):
    """No Alertmanager answers, or its answer differs from the documented API."""


@dataclass(frozen=True)
class Suppression:
    """The reasons why Alertmanager does not send an alert; both are empty if it sends it."""

    labels: Mapping[str, str]
    inhibited_by: frozenset[str]
    silenced_by: frozenset[str]


class _Status(BaseModel):
    inhibitedBy: list[str] = []  # noqa: N815 - Alertmanager's
    silencedBy: list[str] = []  # noqa: N815


class _Alert(BaseModel):
    fingerprint: str
    labels: dict[str, str]
    status: _Status


class _Silence(BaseModel):
    silenceID: str  # noqa: N815 - Alertmanager's


_ALERTS = TypeAdapter(list[_Alert])


class Alertmanager:
    """One Alertmanager, or the members of a cluster."""

    def __init__(self, urls: Sequence[str], web: Web) -> None:
        """`web` has the TLS and login for its requests."""
        self._urls = tuple(urls)
        self._web = web

    async def suppressions(self) -> dict[str, Suppression]:
        """Return the suppression of every known alert, by fingerprint. Raises NotReached."""
        body = await self._ask("GET", "alerts?active=true&silenced=true&inhibited=true", None)
        try:
            alerts = _ALERTS.validate_json(body)
        except ValidationError:
            raise NotReached("Alertmanager's answer is no list of alerts") from None
        return {
            one.fingerprint: Suppression(
                one.labels, frozenset(one.status.inhibitedBy), frozenset(one.status.silencedBy)
            )
            for one in alerts
        }

    async def silence(self, body: Mapping[str, Any]) -> str:
        """Make a silence and return its id. Raises SilenceError."""
        answer = await self._ask("POST", "silences", body)
        try:
            return _Silence.model_validate_json(answer).silenceID
        except ValidationError:
            raise SilenceError("Alertmanager did not name the silence that it made") from None

    async def lift(self, silence: str) -> None:
        """End a silence; it may already have ended. Raises SilenceError."""
        await self._ask("DELETE", f"silence/{silence}", None)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
        """Return the answer of the first Alertmanager that can be reached; it informs the others."""
        unreached = []
        for url in self._urls:
            try:
                return await self._ask_one(url, method, path, body)
            except NotReached as error:
                unreached.append(str(error))
        raise NotReached("; ".join(unreached))

    async def _ask_one(self, url: str, method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
        asked = f"{url}/api/v2/{path}"
        try:
            answer = await ask_once(stack_request(self._web, method, asked, _TIMEOUT, body=body))
        except (NoAnswer, OSError) as error:
            raise NotReached(f"Alertmanager at {url} cannot be reached: {error}") from None
        if answer.status == 200 or (answer.status == 404 and method == "DELETE"):
            return answer.body
        raise SilenceError(f"Alertmanager at {url} answered {answer.status}: {answer.text[:300]}")
