"""Settings of the user's own events in bots' logs."""

import keyword
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, StrictBool, StringConstraints
from pydantic_core import PydanticCustomError

from stack.settings.types import Section, Url

_RESERVED = ("bot", "event", "le", "job", "instance")


def _runnable(expression: str) -> str:
    """Refuse expressions that need backtracking, and expressions that match everything."""
    import hyperscan  # imported here: few settings have patterns, and the import takes tens of milliseconds
    import re2

    quiet = re2.Options()
    quiet.log_errors = False
    try:
        compiled = re2.compile(expression, options=quiet)
        if compiled.search(""):
            raise _refused(expression, "it matches an empty line, hence every line")
        # As exporter.logs.scanner compiles it.
        hyperscan.Database().compile(expressions=[f"(?:{expression.removesuffix('$')})[^\\n]*$".encode()])
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise _refused(expression, f"RE2, which has no backtracking, refuses it: {reason}") from None
    except hyperscan.error as error:
        raise _refused(expression, f"Hyperscan says: {error}") from None
    for name in compiled.groupindex:
        if name in _RESERVED or name.startswith("_") or keyword.iskeyword(name):
            raise _refused(expression, f"a group cannot be called {name}; choose another name")
    return expression


def _refused(expression: str, reason: str) -> PydanticCustomError:
    return PydanticCustomError(
        "expression",
        "{value} cannot be used: {reason}",
        {"value": re.sub(r"[\r\n]", " ", expression), "reason": reason},
    )


class Loki(Section):
    """Loki, which keeps the lines of bots' logs for search."""

    enabled: StrictBool
    url: Url


class LogPattern(Section):
    """A user's own event: a line in which `expression` (RE2) matches.

    Its named groups become labels; the group `value` is a number.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    category: Literal["error", "performance", "trading", "system", "custom"] = "custom"
    severity: Literal["critical", "error", "warning", "info"] = "info"
    expression: Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_runnable)]
