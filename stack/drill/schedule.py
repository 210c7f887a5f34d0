"""The time of a scheduled drill, and the messages before and after it."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from stack.announce import NotDelivered, send_notice
from stack.drill.rules import MARK
from stack.drill.run import Result
from stack.settings import Settings
from stack.settings.drill import Schedule

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHOWN = 10  # faults that a message lists


def next_due(planned: Schedule, zone: str, now: datetime) -> datetime:
    """Return the next planned time after `now`, in UTC; if clocks go back, the first of the two."""
    where, clock = ZoneInfo(zone), time.fromisoformat(planned.at)
    today = now.astimezone(where).date()
    days = (_DAYS.index(planned.weekday) - today.weekday()) % 7
    found = (
        datetime.combine(today + timedelta(days=more), clock, where).astimezone(UTC)
        for more in (days, days + 7)
    )
    return next(due for due in found if due > now)


def announce(settings: Settings, due: datetime) -> None:
    """Announce a drill on every channel."""
    at = due.astimezone(ZoneInfo(settings.timezone))
    _tell(
        settings,
        f"{MARK}all alerts are drilled at {at:%H:%M %Z}",
        "Messages marked DRILL will come for some ten minutes. No bot is touched. Acknowledge one of them.",
    )


def tell_faults(settings: Settings, result: Result) -> None:
    """Send a drill's result to every channel: some of them may work."""
    found = [text for _, text in result.faults]
    more = f"\nand {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    _tell(
        settings,
        f"The drill found {len(found)} faults",
        "\n".join(found[:_SHOWN]) + more + "\n`nightdesk drill --last` shows the whole table.",
    )


def tell_failure(settings: Settings) -> None:
    """Report on every channel that a defect ended a drill."""
    _tell(
        settings, "The drill was ended by a defect", "The log of `drill` says which; drill by hand meanwhile."
    )


def _tell(settings: Settings, summary: str, description: str) -> None:
    try:
        send_notice(settings, "drill", summary, description)
    except NotDelivered as error:
        print(error, flush=True)
