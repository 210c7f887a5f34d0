"""One POST to someone else's service, and what its answer means for trying again."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests

from webhook_actions.outcome import Outcome

_AGAIN = (408, 425, 429)  # of the refusals, those that say "later"
_LONGEST = 300  # characters of an answer that an outcome keeps
_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)


def for_now(status: int) -> bool:
    """Return whether a refusal with this status may be none later."""
    return status in _AGAIN or status >= 500


def post(
    service: str,
    url: str,
    *,
    timeout: float,
    secrets: tuple[str, ...] = (),
    reason: Callable[[requests.Response], str] = lambda answer: answer.text,
    again: Callable[[int], bool] = for_now,
    **request: Any,  # noqa: ANN401 - as requests.post takes them
) -> Outcome:
    """POST and return done, retry or failed; the outcome holds no secret, nor the URL, which may be one."""
    try:
        answer = requests.post(url, timeout=timeout, allow_redirects=False, **request)
    except _UNUSABLE as error:
        return Outcome.failed(f"{service}: its address cannot be used ({type(error).__name__})")
    except requests.RequestException as error:
        host = urlsplit(url).hostname
        return Outcome.retry(f"{service} at {host} is not reached ({type(error).__name__})")
    if answer.status_code < 300:
        return Outcome.ok(f"{service} took it")
    said = redacted(reason(answer).strip(), secrets)[:_LONGEST]
    detail = f"{service} answered {answer.status_code}: {said}"
    return Outcome.retry(detail) if again(answer.status_code) else Outcome.failed(detail)


def json_field(name: str) -> Callable[[requests.Response], str]:
    """Return a reader of the field of a JSON answer that holds the reason, else of the answer's text."""

    def read(answer: requests.Response) -> str:
        try:
            return str(answer.json()[name])
        except (requests.JSONDecodeError, KeyError, TypeError):
            return answer.text

    return read


def redacted(text: str, secrets: tuple[str, ...]) -> str:
    """Return the text with each secret struck out."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return text
