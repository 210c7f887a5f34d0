"""Calls to a bot's HTTP API, and what a bad answer means for the order."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from clients.http import Answer, Ask, Lost, Request, Unsent
from webhook_actions.bots.protocol import Guard
from webhook_actions.outcome import Outcome, Result

WAY_BROKEN = "the connection to the bot is broken, not the bot"
LONGEST_DETAIL = 300  # characters of a bot's answer

_T = TypeVar("_T")


@dataclass(frozen=True)
class Calls:
    """Calls one API. `timeout` is the seconds of a call; `login` makes an Authorization from the secret."""

    url: str
    secret: Path
    login: Callable[[str], str]
    timeout: float
    guard: Guard
    ask: Ask
    hint: str  # where to look if an answer is unreadable

    def get(self, kind: type[_T], path: str) -> _T | Outcome:
        """Return the content, or why it is missing."""
        answer = self._ask("GET", path, None, None, self.timeout)
        if isinstance(answer, Outcome):
            return answer
        if not answer.ok:
            return refused(f"GET {path}", answer)
        try:
            return TypeAdapter(kind).validate_json(answer.body)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "the body"
            return Outcome.failed(f"GET {path}: {where} cannot be read; {self.hint}")

    def order(
        self,
        path: str,
        body: object = None,
        *,
        method: str = "POST",
        key: str | None = None,
        timeout: float | None = None,
    ) -> Answer | Outcome:
        """Send an order and return the good answer, or the Outcome of a bad one. Raises OrderRefused.

        An order that certainly had no effect has `orders` 0 in its Outcome, any other 1.
        """
        answer = self.send(path, body, method=method, key=key, timeout=timeout)
        if isinstance(answer, Outcome) or answer.ok:
            return answer
        return refused(f"{method} {path}", answer)

    def send(
        self,
        path: str,
        body: object = None,
        *,
        method: str = "POST",
        key: str | None = None,
        timeout: float | None = None,
    ) -> Answer | Outcome:
        """Send an order and return the answer, or why there is none. Raises OrderRefused."""
        self.guard()
        return self._ask(method, path, body, key, timeout or self.timeout)

    def _ask(self, method: str, path: str, body: object, key: str | None, timeout: float) -> Answer | Outcome:
        call = f"{method} {path}"
        try:
            login = self.login(self.secret.read_text(encoding="utf-8").strip())
        except OSError as error:
            return Outcome.failed(f"{self.secret} cannot be read: {type(error).__name__}")
        headers = {"Authorization": login} | ({"Idempotency-Key": key} if key else {})
        request = Request(method, f"{self.url}/api/v1/{path}", timeout, headers, body)
        try:
            return self.ask(request)
        except Unsent as error:
            if error.cause == "way":
                return _no_way(Result.FAILED, f"{call}: {error}")
            return Outcome.retry(f"{call}: {error}")
        except Lost as error:
            orders = 0 if method == "GET" else 1
            unknown = "; it is unknown whether the bot did it" if orders else ""
            return Outcome.retry(f"{call}: {error}{unknown}", orders)


def said(call: str, answer: Answer) -> str:
    """Return the answer to a call."""
    return f"{call}: {answer.status} {answer.text[:LONGEST_DETAIL]}"


def refused(call: str, answer: Answer) -> Outcome:
    """Return the Outcome of a bad answer."""
    told, status = said(call, answer), answer.status
    reads = call.startswith("GET ")
    if status in (404, 405, 422, 501) and answer.is_own and not reads:
        return Outcome.cannot(told)
    if status < 400 or status in (404, 405, 407):
        return _no_way(Result.FAILED, told)
    if status == 429:
        return _no_way(Result.RETRY, told)
    if status >= 500:
        return Outcome.retry(told, 0 if reads else 1)
    return Outcome.failed(told, 1 if status == 409 and not reads else 0)


def _no_way(result: Result, why: str) -> Outcome:
    return Outcome(result, f"{why}; {WAY_BROKEN}", way_broken=True)
