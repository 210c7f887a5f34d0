"""The table of log events, and the rule by which one row wins if a line matches several."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["critical", "error", "warning", "info"]
ERROR: Final = "error"
PERFORMANCE: Final = "performance"
TRADING: Final = "trading"
SYSTEM: Final = "system"
WARNINGS: Final = "warning"


@dataclass(frozen=True)
class Pattern:
    """A row: `expression` may match anywhere in a line, ignoring case unless `exact`.

    `value` is an expression whose groups `value` and `unit` read a figure in the line.
    """

    event: str
    category: str
    severity: Severity
    expression: str
    value: str = ""
    exact: bool = False


def level(*words: str) -> str:
    """Return the expression of a line whose level is one of the words, in the common loggers' shapes.

    `ERROR: m`, `2026-11-23 01:12:17,041 - name - ERROR - m`, `… ERROR name: m`, `[ERROR] m`, `| ERROR | m`,
    `(ERROR): m`, `level=error msg=m`, `{"level": "error", "message": "m"}`. The normaliser turns
    other spellings of a level into these words first (normaliser.py).
    """
    upper = "|".join(words)
    any_case = "|".join(f"{word}|{word.lower()}|{word.capitalize()}" for word in words)
    after_time = rf"^[^\n]{{0,120}}[0-9Z)\]][ \t]+(?:{upper})[: \t\]]"
    delimited = (
        rf"^[^\n]{{0,160}}(?:\b(?:{upper}):|\[(?:{upper})\]|\((?:{upper})\):|[-|] ?(?:{upper}) *[-|:])"
    )
    bare = rf"^ ?(?:{upper})[ \t]"
    names = r"\b(?:level|levelname|level_name|log_level|loglevel|severity|lvl)"
    key = rf'(?:{names}|@l|"(?:Level|LogLevel|Severity))'
    keyed = rf'{key}"?[ \t]?[:=][ \t]?"?(?:{any_case})\b'
    return f"{after_time}|{delimited}|{bare}|{keyed}"


_NUMBER = r"(?P<value>\d+(?:\.\d+)?)"
# The first row that a line matches names the event: causes before general words, levels last.
PATTERNS: tuple[Pattern, ...] = (
    Pattern("slow_operation", PERFORMANCE, "warning", r"\bslow operation\b", rf"{_NUMBER} ?(?P<unit>ms|s)\b"),
    Pattern(
        "high_memory",
        PERFORMANCE,
        "warning",
        r"\bhigh memory\b|\bmemory usage (?:is )?high\b",
        rf"{_NUMBER} ?(?P<unit>[kMG]i?B|%)",
    ),
    Pattern("cpu_spike", PERFORMANCE, "warning", r"\bcpu (?:usage )?spike\b", rf"{_NUMBER} ?(?P<unit>%)"),
    Pattern(
        "network_timeout",
        PERFORMANCE,
        "warning",
        r"\bnetwork time(?:d )?-?out\b|\b(?:request|read|connect) timed out\b|\brequesttimeout\b",
    ),
    Pattern(
        "slow_query",
        PERFORMANCE,
        "warning",
        r"\bslow (?:database )?query\b|\bquery (?:is |was )?slow\b",
        rf"{_NUMBER} ?(?P<unit>ms|s)\b",
    ),
    Pattern(
        "stop_loss", TRADING, "info", r"\bstop[ -]?loss (?:triggered|hit|reached)\b|\breason: stop_?loss\b"
    ),
    Pattern("take_profit", TRADING, "info", r"\btake[ -]?profit (?:triggered|hit|reached)\b|\breason: roi\b"),
    Pattern("position_closed", TRADING, "info", r"\bposition closed\b|\bmarking trade\("),
    Pattern("position_opened", TRADING, "info", r"\bposition opened\b"),
    Pattern(
        "trade_executed",
        TRADING,
        "info",
        r"\b(?:trade|order) executed\b|_(?:buy|sell) has been fulfilled for trade\b",
    ),
    Pattern("order_placed", TRADING, "info", r"\border placed\b|\border \S{1,80} was created for\b"),
    Pattern("disk_full", SYSTEM, "critical", r"\bno space left on device\b|\bdisk (?:is )?full\b"),
    Pattern(
        "out_of_memory", SYSTEM, "critical", r"\bout of memory\b|\bmemoryerror\b|\bcannot allocate memory\b"
    ),
    Pattern("too_many_open_files", SYSTEM, "error", r"\btoo many open files\b"),
    Pattern("database_locked", SYSTEM, "error", r"\bdatabase (?:file )?is locked\b"),
    Pattern(
        "connection_error",
        ERROR,
        "error",
        r"\bconnection ?error\b|\bconnection (?:refused|reset|aborted|lost)\b|\bnetworkerror\b"
        rf"|(?-i:{level('NETWORK')})",  # Hummingbot's level of network failures
    ),
    Pattern("api_error", ERROR, "error", r"\bapi error\b|\b(?:exchange|temporary)error\b"),
    Pattern("failed_to", ERROR, "error", r"\bfailed to\b"),
    Pattern(
        "exception", ERROR, "error", level("EXCEPTION") + r"|\bexception was never retrieved\b", exact=True
    ),
    Pattern("critical", ERROR, "critical", level("CRITICAL", "FATAL", "PANIC"), exact=True),
    Pattern("error", ERROR, "error", level("ERROR"), exact=True),
)
TRACEBACK = Pattern("exception", ERROR, "error", r"\bTraceback \(most recent call last\):", exact=True)
WARNING = Pattern("warning", WARNINGS, "warning", level("WARNING", "WARN"), exact=True)


@dataclass(frozen=True)
class Kind:
    """The name under which an event is counted."""

    category: str
    event: str
    severity: Severity

    @property
    def failed(self) -> bool:
        """Whether it is a failure, to which the traceback below belongs."""
        return self.category == ERROR or self.severity in ("error", "critical")


class Table:
    """Patterns in order of precedence, users' first; a line's matches are bits of an integer."""

    def __init__(self, users: Iterable[Pattern] = (), patterns: Iterable[Pattern] = PATTERNS) -> None:
        self.users = tuple(users)
        self.rows = (*self.users, *patterns, TRACEBACK, WARNING)
        self._kinds: dict[int, Kind | None] = {}
        self._failed: dict[int, bool] = {}
        self.traceback = 1 << self.rows.index(TRACEBACK)
        self.warning = 1 << self.rows.index(WARNING)
        # Rows that also count on a line within a failure, because they are no failures themselves.
        self.apart = (1 << len(self.users)) - 1 | self.bits(categories=(TRADING,))
        self._levels = {
            row.severity: 1 << place for place, row in enumerate(self.rows) if row.event == row.severity
        }

    def bits(self, *, events: Iterable[str] = (), categories: Iterable[str] = ()) -> int:
        """Return the bits of the rows with one of the events or categories."""
        names, wanted = set(events), set(categories)
        return sum(
            1 << place for place, row in enumerate(self.rows) if row.event in names or row.category in wanted
        )

    def row(self, bits: int) -> Pattern:
        """Return the winning row of a line with these bits."""
        return self.rows[(bits & -bits).bit_length() - 1]

    def kind(self, bits: int) -> Kind | None:
        """Return the kind of a line with these bits, None if it is no event.

        The severity is the line's own level if that is a warning or worse, else the row's.
        """
        if bits not in self._kinds:
            row = self.row(bits)
            own = next(
                (word for word in ("critical", "error", "warning") if bits & self._levels.get(word, 0)), None
            )
            severity: Severity = own or row.severity  # type: ignore[assignment]
            self._kinds[bits] = Kind(row.category, row.event, severity) if bits else None
        return self._kinds[bits]

    def failed(self, bits: int) -> bool:
        """Return whether a line with these bits is a failure."""
        if bits not in self._failed:
            kind = self.kind(bits)
            self._failed[bits] = kind is not None and kind.failed
        return self._failed[bits]
