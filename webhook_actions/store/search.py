"""Finds incidents, open or in the history, with their action runs and timelines."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from psycopg import sql
from psycopg.rows import class_row

from webhook_actions.store import runs
from webhook_actions.store.database import Connection
from webhook_actions.store.incidents import COLUMNS, Incident
from webhook_actions.store.runs import Run

State = Literal["open", "closed", "all"]


@dataclass(frozen=True)
class Entry:
    """A line of a timeline."""

    incident: int
    at: datetime
    kind: str
    text: str


@dataclass(frozen=True)
class Case(Incident):
    """An incident with its action runs, its timeline, and whether somebody acknowledged it."""

    runs: tuple[Run, ...] = field(kw_only=True)
    timeline: tuple[Entry, ...] = field(kw_only=True)
    answered: bool = field(kw_only=True)  # acknowledged, or snoozed for a time that is not over


@dataclass(frozen=True)
class Filter:
    """A filter for incidents; empty means any. `before` is the id of the last known one; older follow."""

    state: State = "open"
    bot: str = ""
    alert: str = ""
    text: str = ""  # anywhere in its names, its texts, or its timeline
    before: int | None = None
    limit: int = 100
    worst_first: bool = False  # else newest first


@dataclass(frozen=True)
class IncidentPage:
    """Incidents, and the `before` for the next page; None at the end."""

    incidents: tuple[Case, ...]
    next: int | None


_STATES = {"open": "closed_at IS NULL", "closed": "closed_at IS NOT NULL"}
_TEXT = """(concat_ws(' ', alert, bot, close_reason, annotations->>'summary', annotations->>'description')
    ILIKE %(like)s OR EXISTS (SELECT FROM timeline e WHERE e.incident = i.id AND e.text ILIKE %(like)s))"""
# Acknowledged incidents come after others: their last answer has no end, or a future one.
_WORST_FIRST = """severity = 'info', (SELECT coalesce(until > clock_timestamp(), true) FROM acknowledgements a
    WHERE a.incident = i.id ORDER BY a.id DESC LIMIT 1) IS TRUE,
    array_position(ARRAY['critical', 'warning', 'info'], severity) NULLS LAST, id DESC"""


async def find(connection: Connection, wanted: Filter) -> IncidentPage:
    """Return the incidents that match a filter."""
    conditions = [_STATES[wanted.state]] if wanted.state in _STATES else []
    conditions += ["bot = %(bot)s"] if wanted.bot else []
    conditions += ["alert IN (%(alert)s, 'TradingBot' || %(alert)s)"] if wanted.alert else []
    conditions += ["id < %(before)s"] if wanted.before is not None else []
    conditions += [_TEXT] if wanted.text else []
    query = sql.SQL("SELECT {} FROM incidents i WHERE {} ORDER BY {} LIMIT %(more)s").format(
        sql.SQL(COLUMNS),
        sql.SQL(" AND ").join([sql.SQL("true"), *map(sql.SQL, conditions)]),
        sql.SQL(_WORST_FIRST if wanted.worst_first else "id DESC"),
    )
    given = {**vars(wanted), "like": f"%{_escaped(wanted.text)}%", "more": wanted.limit + 1}
    cursor = connection.cursor(row_factory=class_row(Incident))
    rows = await (await cursor.execute(query, given)).fetchall()
    shown = rows[: wanted.limit]
    return IncidentPage(await _cases(connection, shown), shown[-1].id if len(rows) > len(shown) else None)


async def one(connection: Connection, incident_id: int) -> Case | None:
    """Return an incident by its id, or None."""
    return await _first(connection, "id = %s", incident_id)


async def of_fingerprint(connection: Connection, fingerprint: str) -> Case | None:
    """Return the open incident of an alert, else its last one, None if there was none."""
    return await _first(connection, "fingerprint = %s", fingerprint)


async def count_open(connection: Connection) -> dict[str, int]:
    """Return the number of open incidents by severity."""
    counted = await connection.execute(
        "SELECT severity, count(*) FROM incidents WHERE closed_at IS NULL GROUP BY severity"
    )
    return dict(await counted.fetchall())


async def count_open_by_bot(connection: Connection) -> dict[str, int]:
    """Return the number of open incidents of each bot, without news."""
    counted = await connection.execute(
        "SELECT bot, count(*) FROM incidents WHERE closed_at IS NULL AND severity <> 'info' GROUP BY bot"
    )
    return dict(await counted.fetchall())


async def _first(connection: Connection, condition: str, value: object) -> Case | None:
    query = sql.SQL("SELECT {} FROM incidents WHERE {} ORDER BY closed_at DESC NULLS FIRST LIMIT 1")
    cursor = connection.cursor(row_factory=class_row(Incident))
    row = await (await cursor.execute(query.format(sql.SQL(COLUMNS), sql.SQL(condition)), [value])).fetchone()
    return (await _cases(connection, [row]))[0] if row else None


async def _cases(connection: Connection, incidents: Sequence[Incident]) -> tuple[Case, ...]:
    """Return incidents with their runs and timelines, in three queries for all of them."""
    ids = [incident.id for incident in incidents]
    of_runs, timelines = defaultdict[int, list[Run]](list), defaultdict[int, list[Entry]](list)
    for run in await runs.of_incidents(connection, ids):
        of_runs[run.incident].append(run)
    cursor = connection.cursor(row_factory=class_row(Entry))
    query = "SELECT incident, at, kind, text FROM timeline WHERE incident = ANY(%s) ORDER BY id"
    for entry in await (await cursor.execute(query, [ids])).fetchall():
        timelines[entry.incident].append(entry)
    asked = await connection.execute("SELECT id FROM unnest(%s::bigint[]) id WHERE is_unanswered(id)", [ids])
    unanswered = {id_ for (id_,) in await asked.fetchall()}
    return tuple(
        Case(
            **vars(incident),
            runs=tuple(of_runs[incident.id]),
            timeline=tuple(timelines[incident.id]),
            answered=incident.closed_at is None and incident.id not in unanswered,
        )
        for incident in incidents
    )


def _escaped(text: str) -> str:
    """Return a text escaped for LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
