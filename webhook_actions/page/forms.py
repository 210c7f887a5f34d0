"""Reads what a browser sends back: the fields of a form, and where to go after it."""

from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import TypeAdapter, ValidationError

from webhook_actions.web.api import Line, Snooze
from webhook_actions.web.commands import Refused

_MOST_FIELDS = 20
_LINE, _SNOOZE = TypeAdapter[str](Line), TypeAdapter[float](Snooze)

Form = dict[str, str]


async def read(request: Request) -> Form:
    """Return the fields of a form. Raises Refused where it is none of ours."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise Refused(422, f"a form of ours has at most {_MOST_FIELDS} fields") from None


def line(form: Form, name: str) -> str:
    """Return a field as one line of text, '' where it is not there. Raises Refused where it is too long."""
    try:
        return _LINE.validate_python(form.get(name, ""))
    except ValidationError as error:
        raise Refused(422, f"{name}: {error.errors()[0]['msg']}") from None


def snooze(form: Form, name: str) -> float:
    """Return a field as seconds to snooze for. Raises Refused where it is no length of time."""
    try:
        return _SNOOZE.validate_python(form.get(name, ""))
    except ValidationError as error:
        raise Refused(422, f"{name}: {error.errors()[0]['msg']}") from None


def inside(path: str) -> str:
    """Return the path where it is one of this page, else the page itself: no form leads elsewhere."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"


def same_site(request: Request) -> bool:
    """Return whether a form came from our own page, as far as the browser says so."""
    return request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
