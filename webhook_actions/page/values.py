"""Puts values into a runbook: at night a person wants to read 5m, not the name of a setting."""

import re
from collections.abc import Mapping

from pydantic import BaseModel

from stack.settings import Duration, Settings

# Settings of Nightdesk's behaviour become values; names of places and people stay names.
_SECTIONS = "thresholds|alerts|actions|escalation|collection|sla|milestones|storage|summaries|routing"
_NAMED = re.compile(rf"<code>((?:{_SECTIONS})(?:\.\w+)+)</code>")
_TUNING = "<strong>Tuning.</strong>"


def with_values(settings: Settings, html: str) -> str:
    """Return a runbook with values for names; below `Tuning`, which is about the names, with both."""
    reads, tuning, tells = html.partition(_TUNING)

    def read(found: re.Match[str]) -> str:
        value = _value(settings, found[1])
        return found[0] if value is None else f'<code title="{found[1]}">{value}</code>'

    def tell(found: re.Match[str]) -> str:
        value = _value(settings, found[1])
        return found[0] if value is None else f"{found[0]} (<code>{value}</code>)"

    return _NAMED.sub(read, reads) + tuning + _NAMED.sub(tell, tells)


def _value(settings: Settings, path: str) -> str | None:
    """Return a number, a duration or a few words in the settings' form, None for anything else."""
    found: object = settings
    for name in path.split("."):
        if isinstance(found, BaseModel):
            fields = type(found).model_fields
            known = next((each for each, field in fields.items() if name in (each, field.alias)), None)
            found = None if known is None else getattr(found, known)
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, list | tuple) and found and all(isinstance(each, str) for each in found):
        return ", ".join(found)
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, Duration):
        return str(found)
    return f"{found:g}" if isinstance(found, int | float) else None
