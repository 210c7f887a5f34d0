"""Keeps the trading process's faults, and events for the log."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from demo_bot.arguments import ApiErrors, Drift, LogErrors, MemoryGrowth, NoArguments, SlowApi, WorseFills


@dataclass
class Conditions:
    """The lasting faults; None means off. The fields' names are the faults' names."""

    loop_hang: NoArguments | None = None
    api_errors: ApiErrors | None = None
    slow_api: SlowApi | None = None
    drift: Drift | None = None
    stale_data: NoArguments | None = None
    stuck_orders: NoArguments | None = None
    memory_growth: MemoryGrowth | None = None
    log_errors: LogErrors | None = None
    worse_fills: WorseFills | None = None

    def active(self) -> Iterator[tuple[str, NoArguments]]:
        """Yield the name and arguments of each active fault."""
        for at in fields(self):
            if (arguments := getattr(self, at.name)) is not None:
                yield at.name, arguments


@dataclass(frozen=True)
class Event:
    """One line for the log: a logger's name below `demo_bot`, a level, a text, perhaps a traceback."""

    source: str
    level: int
    text: str
    error: Exception | None = None


@dataclass
class Diary:
    """Events since the last `take`."""

    events: list[Event] = field(default_factory=list)

    def note(self, source: str, level: int, text: str, error: Exception | None = None) -> None:
        """Add an event."""
        self.events.append(Event(source, level, text, error))

    def take(self) -> list[Event]:
        """Return the events and empty the list."""
        taken, self.events = self.events, []
        return taken
