"""Settings of drills: their schedule, and how long a drill waits for an answer."""

import re
from typing import Annotated

from stack.settings.observability import LocalTime, Weekday
from stack.settings.types import Between, Duration, Section

_TWIN = re.compile(r"drill-\d+-of-")


def real_bot(name: str) -> str:
    """Return the bot behind a synthetic bot's name; any other name unchanged."""
    return _TWIN.sub("", name, count=1) if _TWIN.match(name) else name


class Schedule(Section):
    """When every alert is drilled, in the time zone of the settings."""

    weekday: Weekday
    at: LocalTime


class DrillPace(Section):
    """The timing of a drill: `announce` before a scheduled one, `gap` between two alerts, time to answer."""

    schedule: Schedule | None
    announce: Annotated[Duration, Between("0s", "1d")]
    gap: Annotated[Duration, Between("1s", "5m")]
    answer_within: Annotated[Duration, Between("10s", "2h")]
