"""The store of incidents: what Alertmanager said, what was tried, and the timeline, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from webhook_actions.payload import Alert
from webhook_actions.store.database import Connection


@dataclass(frozen=True)
class Incident:
    """One alert of one bot, from its first firing to its proven end."""

    id: int
    fingerprint: str
    alert: str
    bot: str
    severity: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    opened_at: datetime
    delivered_at: datetime
    deliveries: int
    resolved_at: datetime | None = None
    escalated_at: datetime | None = None
    gave_up_at: datetime | None = None
    closed_at: datetime | None = None
    over_at: datetime | None = None
    close_reason: str | None = None

    @property
    def kind(self) -> str:
        """The alert's name as settings write it."""
        return self.alert.removeprefix("TradingBot")


@dataclass(frozen=True)
class Step:
    """One try of one action; `ended_at` is None from intent to outcome, `verdict` None until judged."""

    id: int
    incident: int
    bot: str
    action: str
    effect: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    detail: str | None
    verify_until: datetime | None
    verdict: str | None
    judged_at: datetime | None


@dataclass(frozen=True)
class Accepted:
    """What a webhook changed: incidents opened, and open ones that Alertmanager calls resolved."""

    opened: tuple[tuple[int, str, str], ...]  # id, bot, alert
    resolved: tuple[tuple[int, str, str], ...]
    repeated: int
    ignored: int


# A firing older than the last end of the same alert is a delivery that was late: it opens nothing. One that
# began between the look that proved the end and the writing of it is new.
_OPEN = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%s) AS a (
        fingerprint text, alert text, bot text, severity text, labels jsonb, annotations jsonb,
        starts_at timestamptz)
), timely AS (
    SELECT given.* FROM given WHERE NOT EXISTS (
        SELECT FROM incidents WHERE incidents.fingerprint = given.fingerprint
        AND closed_at IS NOT NULL AND coalesce(over_at, resolved_at, closed_at) >= given.starts_at)
), written AS (
    INSERT INTO incidents (fingerprint, alert, bot, severity, labels, annotations, starts_at)
    SELECT * FROM timely ORDER BY fingerprint
    ON CONFLICT (fingerprint) WHERE closed_at IS NULL DO UPDATE SET
        starts_at = excluded.starts_at, annotations = excluded.annotations, severity = excluded.severity,
        delivered_at = clock_timestamp(), deliveries = incidents.deliveries + 1,
        resolved_at = CASE WHEN excluded.starts_at > incidents.resolved_at THEN NULL
                           ELSE incidents.resolved_at END
    RETURNING id, bot, deliveries = 1 AS opened, alert
), told AS (
    INSERT INTO entries (incident, kind, text)
    SELECT id, 'opened', alert || CASE WHEN bot = '' THEN '' ELSE ' of ' || bot END FROM written WHERE opened
)
SELECT id, bot, alert, opened FROM written
"""

_RESOLVE = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%s) AS a (fingerprint text, ended_at timestamptz)
), resolved AS (
    UPDATE incidents SET resolved_at = coalesce(given.ended_at, clock_timestamp())
    FROM given WHERE incidents.fingerprint = given.fingerprint AND closed_at IS NULL AND resolved_at IS NULL
    AND incidents.starts_at <= coalesce(given.ended_at, clock_timestamp())
    RETURNING incidents.id, incidents.bot, incidents.alert
), told AS (
    INSERT INTO entries (incident, kind, text)
    SELECT id, 'resolved', 'Alertmanager says resolved' FROM resolved
)
SELECT id, bot, alert FROM resolved
"""


async def accept(connection: Connection, alerts: Sequence[Alert]) -> Accepted:
    """Write what a webhook says, in the caller's transaction; one open incident per fingerprint."""
    firing = [_row(alert) for alert in alerts if alert.status == "firing"]
    ended = [
        {"fingerprint": alert.fingerprint, "ended_at": alert.ended and alert.ended.isoformat()}
        for alert in alerts
        if alert.status == "resolved"
    ]
    opened: list[tuple[int, str, str]] = []
    resolved: list[tuple[int, str, str]] = []
    repeated = 0
    if firing:
        rows = await (await connection.execute(_OPEN, [Jsonb(firing)])).fetchall()
        opened = [(id_, bot, alert) for id_, bot, alert, is_new in rows if is_new]
        repeated = len(rows) - len(opened)
    if ended:
        resolved = list(await (await connection.execute(_RESOLVE, [Jsonb(ended)])).fetchall())
    ignored = len(alerts) - len(opened) - repeated - len(resolved)
    return Accepted(tuple(opened), tuple(resolved), repeated, ignored)


def _row(alert: Alert) -> dict[str, object]:
    return {
        "fingerprint": alert.fingerprint,
        "alert": alert.name,
        "bot": alert.labels.get("bot", ""),
        "severity": alert.severity,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "starts_at": alert.starts_at.isoformat(),
    }


async def incident(connection: Connection, id_: int) -> Incident | None:
    """Return the incident, None when there is no such one."""
    cursor = connection.cursor(row_factory=class_row(Incident))
    return await (await cursor.execute("SELECT * FROM incidents WHERE id = %s", [id_])).fetchone()


@dataclass(frozen=True)
class Open:
    """What is compared of an open incident: there may be thousands."""

    id: int
    alert: str
    bot: str
    labels: dict[str, str]
    gave_up: bool


async def open_incidents(connection: Connection) -> list[Open]:
    """Return the open incidents, oldest first."""
    cursor = connection.cursor(row_factory=class_row(Open))
    query = (
        "SELECT id, alert, bot, labels, gave_up_at IS NOT NULL AS gave_up "
        "FROM incidents WHERE closed_at IS NULL ORDER BY id"
    )
    return await (await cursor.execute(query)).fetchall()


async def steps(connection: Connection, incident_id: int) -> list[Step]:
    """Return what was tried for an incident, in order."""
    cursor = connection.cursor(row_factory=class_row(Step))
    query = "SELECT * FROM steps WHERE incident = %s ORDER BY id"
    return await (await cursor.execute(query, [incident_id])).fetchall()


async def tell(connection: Connection, incident_id: int, kind: str, text: str) -> None:
    """Write a line of the timeline, in the transaction of the change that it tells."""
    await connection.execute(
        "INSERT INTO entries (incident, kind, text) VALUES (%s, %s, %s)", [incident_id, kind, text]
    )


async def close(
    connection: Connection, incident_id: int, reason: str, over_at: datetime | None = None
) -> Incident | None:
    """Close an open incident, say why and return it; None when it was closed already.

    What began to fire until `over_at` is over; without it, what did until Alertmanager's end, or until now.
    """
    cursor = connection.cursor(row_factory=class_row(Incident))
    await cursor.execute(
        "UPDATE incidents SET closed_at = clock_timestamp(), over_at = %s, close_reason = %s "
        "WHERE id = %s AND closed_at IS NULL RETURNING *",
        [over_at, reason, incident_id],
    )
    closed = await cursor.fetchone()
    if closed:
        await tell(connection, incident_id, "closed", reason)
    return closed
