"""Reads the fields of a form, and the page to return to."""

from datetime import datetime
from typing import TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import TypeAdapter, ValidationError

from stack.settings.response import DayTime
from webhook_actions.web.api import Line, Snooze
from webhook_actions.web.commands import Refused
from webhook_actions.web.schedule_api import Length

_MOST_FIELDS = 20
_LINE, _SNOOZE = TypeAdapter[str](Line), TypeAdapter[float](Snooze)
_DAY_TIME, _LENGTH = TypeAdapter[datetime](DayTime), TypeAdapter[float](Length)

Form = dict[str, str]
T = TypeVar("T")


async def read(request: Request) -> Form:
    """Return the fields of a form. Raises Refused for an invalid one."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise Refused(422, f"a form of ours has at most {_MOST_FIELDS} fields") from None


def line(form: Form, name: str) -> str:
    """Return a field as one line of text, '' if it is missing. Raises Refused if it is too long."""
    return _field(_LINE, form, name)


def snooze(form: Form, name: str) -> float:
    """Return a field as seconds of a snooze. Raises Refused for an invalid length."""
    return _field(_SNOOZE, form, name)


def day_time(form: Form, name: str) -> datetime | None:
    """Return a field as a time, None if it is empty. Raises Refused for an invalid time."""
    return _field(_DAY_TIME, form, name) if form.get(name) else None


def length(form: Form, name: str) -> float | None:
    """Return a field as seconds of a shift, None if it is empty. Raises Refused for an invalid length."""
    return _field(_LENGTH, form, name) if form.get(name) else None


def _field(kind: TypeAdapter[T], form: Form, name: str) -> T:
    try:
        return kind.validate_python(form.get(name, ""))
    except ValidationError as error:
        raise Refused(422, f"{name}: {error.errors()[0]['msg']}") from None


def inside(path: str) -> str:
    """Return the path if it is on this site, else the page's root: no form redirects elsewhere."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"


def same_site(request: Request) -> bool:
    """Return whether a form came from our own page, as far as the browser says so."""
    return request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
