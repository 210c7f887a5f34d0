"""The store of reports, and their deliveries to people and programs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from stack.settings import Settings
from webhook_actions.report.model import Done, Happened, Hold, Report, Responses, WakeUps
from webhook_actions.store import deliveries, escalation_steps
from webhook_actions.store.database import Connection
from webhook_actions.store.deliveries import Delivery
from webhook_actions.store.incidents import Incident
from webhook_actions.store.runs import Run

_INCIDENTS = 20  # incidents in a report, the newest
_TOLD = ("critical", "warning")
APPRISE = "apprise"


@dataclass(frozen=True)
class StoredReport:
    """A stored report."""

    id: int
    made_at: datetime
    bot: str
    period: str
    content: Report


async def with_incidents(connection: Connection, settings: Settings, report: Report) -> Report:
    """Return a report with the incidents of its period, of its bot or of no single bot.

    It also gets the actions and whether they helped, the time until a person answered, the wake-ups, and what
    held the bot or all actions back at its end.
    """
    start, end = (datetime.fromtimestamp(at, UTC) for at in (report.start, report.end))
    found = await connection.execute(
        "SELECT id FROM incidents WHERE bot IN (%s, '') AND severity = ANY(%s) AND opened_at < %s "
        "AND coalesce(closed_at, clock_timestamp()) >= %s ORDER BY id DESC LIMIT %s",
        [report.bot, list(_TOLD), end, start, _INCIDENTS],
    )
    stories = await escalation_steps.with_runs(connection, [id_ for (id_,) in await found.fetchall()])
    happened = tuple(_happened(incident, tried) for incident, tried in stories)
    also = {
        "responses": await _responses(connection, settings, report.bot, start, end),
        "desk_responses": await _responses(connection, settings, None, start, end),
        "done": await _done(connection, report.bot, start, end),
        "wake_ups": await _wake_ups(connection, report.zone, start, end),
        "holds": await _holds(connection, report.bot, end),
    }
    return report.model_copy(update={"incidents": happened} | also)


async def _done(connection: Connection, bot: str, start: datetime, end: datetime) -> tuple[Done, ...]:
    """Return the actions of a period, the most frequent first, without observing ones."""
    found = await connection.execute(
        """
        SELECT action, count(*), count(*) FILTER (WHERE verdict = 'verified'),
            count(*) FILTER (WHERE verdict = 'not_verified')
        FROM runs WHERE bot = %s AND effect <> 'observe' AND started_at >= %s AND started_at < %s
        GROUP BY action ORDER BY count(*) DESC, action
        """,
        [bot, start, end],
    )
    rows = await found.fetchall()
    return tuple(
        Done(action=action, times=times, helped=helped, not_helped=not_helped)
        for action, times, helped, not_helped in rows
    )


async def _holds(connection: Connection, bot: str, at: datetime) -> tuple[Hold, ...]:
    """Return what held a bot, or all actions, back at a time."""
    found = await connection.execute(
        """
        SELECT 'halted', since, reason FROM halts
            WHERE bot = %(bot)s AND since <= %(at)s AND coalesce(released_at > %(at)s, true)
        UNION ALL SELECT 'entries stopped', since, reason FROM controls
            WHERE bot = %(bot)s AND since <= %(at)s AND coalesce(removed_at > %(at)s, true)
        UNION ALL SELECT 'all actions paused', since, concat_ws(', ', 'by ' || paused_by, nullif(reason, ''))
            FROM pauses WHERE since <= %(at)s AND coalesce(ended_at > %(at)s, true)
        """,
        {"bot": bot, "at": at},
    )
    rows = await found.fetchall()
    return tuple(Hold(kind=kind, since=since.timestamp(), reason=why) for kind, since, why in rows)


async def _wake_ups(connection: Connection, zone: str, start: datetime, end: datetime) -> WakeUps:
    """Return the wake-ups of a period; a message about several incidents counts once, a drill's never."""
    found = await connection.execute(
        """
        SELECT count(*) FILTER (WHERE channel = 'phone'), count(*) FILTER (WHERE channel = 'sms'),
            count(*) FILTER (WHERE at >= '22:00' OR at < '07:00')
        FROM (SELECT DISTINCT d.channel, d.address, coalesce(d.receipt, d.id::text),
                (d.sent_at AT TIME ZONE %s)::time AS at
            FROM deliveries d JOIN incidents i ON i.id = d.incident AND NOT i.labels ? 'drill'
            WHERE d.channel IN ('phone', 'sms') AND d.state = 'sent'
                AND d.sent_at >= %s AND d.sent_at < %s) woken
        """,
        [zone, start, end],
    )
    calls, sms, at_night = await found.fetchone() or (0, 0, 0)
    return WakeUps(calls=calls, sms=sms, at_night=at_night)


async def _responses(
    connection: Connection, settings: Settings, bot: str | None, start: datetime, end: datetime
) -> tuple[Responses, ...]:
    """Return how soon people answered the incidents of a period, of a bot or of all.

    An unanswered incident within its time does not count.
    """
    found = []
    for severity in _TOLD:
        wanted = float(getattr(settings.severities, severity).respond)
        row = await connection.execute(
            """
            SELECT count(*) FILTER (WHERE after <= %(wanted)s), count(*) FILTER (WHERE after > %(wanted)s
                OR (after IS NULL AND coalesce(closed_at, clock_timestamp()) - opened_at
                    > make_interval(secs => %(wanted)s))),
                percentile_cont(0.5) WITHIN GROUP (ORDER BY after)
            FROM (SELECT opened_at, closed_at, extract(epoch FROM responded_at - opened_at)::float8 AS after
                FROM incidents WHERE (%(bot)s::text IS NULL OR bot IN (%(bot)s, ''))
                AND severity = %(severity)s AND NOT labels ? 'drill'
                AND opened_at >= %(start)s AND opened_at < %(end)s) told
            """,
            {"wanted": wanted, "bot": bot, "severity": severity, "start": start, "end": end},
        )
        within, late, median = await row.fetchone() or (0, 0, None)
        if within or late:
            found.append(Responses(severity=severity, wanted=wanted, within=within, late=late, median=median))
    return tuple(found)


async def keep(
    connection: Connection, settings: Settings, reports: Sequence[Report], incident: int
) -> list[StoredReport]:
    """Store the reports of an incident and write their deliveries, in the caller's transaction.

    A repeat has no effect.
    """
    kept = []
    for report in reports:
        complete = await with_incidents(connection, settings, report)
        row = await connection.execute(
            "INSERT INTO reports (bot, period, incident, content) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING RETURNING id, made_at",
            [report.bot, report.period, incident, Jsonb(complete.model_dump(mode="json"))],
        )
        if written := await row.fetchone():
            kept.append(StoredReport(written[0], written[1], report.bot, report.period, complete))
    await deliveries.write(connection, _deliveries(settings, [one.id for one in kept]))
    return kept


async def one(connection: Connection, id_: int) -> StoredReport | None:
    """Return a stored report, or None."""
    found = await _find(connection, "WHERE id = %s", [id_])
    return found[0] if found else None


async def listing(connection: Connection, bot: str, before: int | None, limit: int) -> list[StoredReport]:
    """Return stored reports, newest first: of a bot, or of all for ''; older than the id `before`."""
    where = "WHERE (%s = '' OR bot = %s) AND (%s::bigint IS NULL OR id < %s) ORDER BY id DESC LIMIT %s"
    return await _find(connection, where, [bot, bot, before, before, limit])


async def forget(connection: Connection, age: float) -> None:
    """Delete what is older than `age` seconds."""
    await connection.execute(
        "DELETE FROM reports WHERE made_at < clock_timestamp() - make_interval(secs => %s)", [age]
    )


def summary(kept: StoredReport) -> dict[str, object]:
    """Return a report's data for programs: its figures and its address."""
    said = kept.content.model_dump(
        mode="json",
        include={
            "bot",
            "period",
            "start",
            "end",
            "zone",
            "currency",
            "notes",
            "figures",
            "score",
            "proposals",
        },
    )
    return said | {"id": kept.id}


async def of_body(connection: Connection, body: str) -> list[StoredReport]:
    """Return the stored reports that a delivery's body names."""
    return await _find(connection, "WHERE id = ANY(%s)", [_ids(json.loads(body))])


def _ids(body: dict[str, Any]) -> list[int]:
    """Return the ids in a body; a body from an earlier release has a single `report`."""
    return [int(body["report"])] if "report" in body else [int(each) for each in body["reports"]]


async def _find(connection: Connection, where: str, values: Sequence[object]) -> list[StoredReport]:
    cursor = connection.cursor(row_factory=class_row(_Row))
    query = f"SELECT id, made_at, bot, period, content FROM reports {where}"  # noqa: S608 - ours
    rows = await (await cursor.execute(query.encode(), list(values))).fetchall()
    return [
        StoredReport(row.id, row.made_at, row.bot, row.period, Report.model_validate(row.content))
        for row in rows
    ]


@dataclass(frozen=True)
class _Row:
    id: int
    made_at: datetime
    bot: str
    period: str
    content: object


def _deliveries(settings: Settings, reports: Sequence[int]) -> list[Delivery]:
    """Return one delivery to each address, of all reports."""
    body = json.dumps({"reports": list(reports)})
    channels, wanted = settings.channels, settings.reports
    addresses: dict[tuple[str, str], None] = {}  # each once, however many settings name it
    if "email" in wanted.channels and channels.email.enabled:
        addresses |= {("email", address): None for address in channels.email.to}
    if "telegram" in wanted.channels and channels.telegram.enabled:
        addresses |= {("telegram", str(chat)): None for chat in channels.telegram.chats}
    for name in wanted.contacts:
        contact = settings.contacts[name]
        if channels.email.enabled:
            addresses |= {("email", address): None for address in contact.email}
        if channels.telegram.enabled:
            addresses |= {("telegram", str(chat)): None for chat in contact.telegram}
        addresses |= {(APPRISE, str(file)): None for file in contact.apprise_files}
    return [Delivery(channel, address, body=body) for channel, address in addresses] if reports else []


def _happened(incident: Incident, tried: Sequence[Run]) -> Happened:
    return Happened(
        id=incident.id,
        alert=incident.alert,
        severity=incident.severity,
        summary=incident.annotations.get("summary") or incident.alert,
        opened_at=incident.opened_at.timestamp(),
        closed_at=incident.closed_at and incident.closed_at.timestamp(),
        done=tuple(_did(run) for run in tried),
        answered_after=incident.responded_at and (incident.responded_at - incident.opened_at).total_seconds(),
    )


def _did(run: Run) -> str:
    if run.outcome == "done":
        proof = {"verified": "proven to have helped", "not_verified": "not proven to have helped"}
        return f"{run.action}: {proof.get(run.verdict or '', 'done')}"
    return f"{run.action}: {run.outcome or 'running'}{f', {run.detail}' if run.detail else ''}"
