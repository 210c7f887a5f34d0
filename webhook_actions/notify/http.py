"""One request to another service, and what its answer means for retries."""

from collections.abc import Callable
from urllib.parse import urlsplit

from clients.http import Answer, NoAnswer, Request, ask
from webhook_actions.outcome import Outcome, Result

REFUSED, TIMEOUT, UNREACHABLE, SETTINGS = "refused", "timeout", "unreachable", "settings"

_AGAIN = (408, 425, 429)  # the refusals after which a retry makes sense
_LONGEST = 300  # characters of an answer that an outcome stores
LONGEST_WAIT = 900.0  # seconds: a longer requested pause is not obeyed
_NO_ADDRESS = "its address is not one"


def for_now(status: int) -> bool:
    """Return whether a later request may succeed after a refusal with this status."""
    return status in _AGAIN or status >= 500


def send_to(
    service: str,
    request: Request,
    *,
    secrets: tuple[str, ...] = (),
    reason: Callable[[Answer], str] = lambda answer: answer.text,
    again: Callable[[int], bool] = for_now,
    receipt: Callable[[Answer], str] = lambda answer: "",
) -> Outcome:
    """Send a request and return done, retry or failed; the outcome contains no secret, nor the URL, which may
    be one.
    """
    try:
        answer = ask(request)
    except NoAnswer as error:
        said = redacted(str(error), (request.url, *secrets))
        if said == _NO_ADDRESS:
            return Outcome.failed(f"{service}: {said}", cause=SETTINGS)
        host = urlsplit(request.url).hostname
        cause = TIMEOUT if error.cause == "timeout" else UNREACHABLE
        return Outcome.retry(f"{service} at {host} cannot be reached: {said}", cause=cause)
    if answer.ok:
        return Outcome(Result.DONE, f"{service} took it", receipt=receipt(answer))
    said = redacted(reason(answer).strip(), secrets)[:_LONGEST]
    detail = f"{service} answered {answer.status}: {said}"
    if not again(answer.status):
        return Outcome.failed(detail, cause=REFUSED)
    return Outcome(Result.RETRY, detail, cause=REFUSED, retry_after=retry_after(answer) or 0.0)


def retry_after(answer: Answer) -> float | None:
    """Return the pause in seconds that a refusal requests: by its header, or in Telegram's way."""
    if answer.retry_after is not None:
        return min(answer.retry_after, LONGEST_WAIT)
    return seconds(field("parameters", "retry_after")(answer))


def seconds(told: str) -> float | None:
    """Return a service's number of seconds, at most LONGEST_WAIT; None if it is no number."""
    return min(float(told), LONGEST_WAIT) if told.isascii() and told.isdigit() else None


def field(*names: str) -> Callable[[Answer], str]:
    """Return a reader of a field in a JSON answer; it returns '' without one."""

    def read(answer: Answer) -> str:
        try:
            found = answer.json()
            for name in names:
                found = found[name]
        except (ValueError, KeyError, TypeError):
            return ""
        return str(found)

    return read


def field_or_text(name: str) -> Callable[[Answer], str]:
    """Return a reader of the reason in a JSON answer, or of the answer's text."""
    return lambda answer: field(name)(answer) or answer.text


def redacted(text: str, secrets: tuple[str, ...]) -> str:
    """Return the text with each secret struck out."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return text
