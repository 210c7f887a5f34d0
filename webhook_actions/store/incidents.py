"""The store of incidents: reports of Alertmanager and Prometheus, due times, and the timeline."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from webhook_actions.payload import Alert
from webhook_actions.store.database import Connection, notify


@dataclass(frozen=True)
class Incident:
    """One alert of one bot, from its first firing to its proven end.

    `due_at` is when the engine checks it again, None if something must happen first; `waits_for` is the
    reason of its last decision. `confirmed`: labels and annotations are those of Prometheus's rules.
    """

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
    notifications: int
    resolved_at: datetime | None = None
    escalated_at: datetime | None = None
    handed_over_at: datetime | None = None
    closed_at: datetime | None = None
    over_at: datetime | None = None
    close_reason: str | None = None
    due_at: datetime | None = None
    fence: int = 0
    waits_for: str | None = None
    blocked: str | None = None
    confirmed: bool = False
    responded_at: datetime | None = None  # when a person first answered it, or asked for an action

    @property
    def drill(self) -> bool:
        """Whether it is a drill, for which no action runs."""
        return "drill" in self.labels

    @property
    def kind(self) -> str:
        """The alert's name in the settings."""
        return self.alert.removeprefix("TradingBot")


COLUMNS = ", ".join(field.name for field in fields(Incident))


@dataclass(frozen=True)
class Accepted:
    """The changes by a webhook: ids of opened incidents, and of open ones that Alertmanager resolved."""

    opened: tuple[int, ...]
    resolved: tuple[int, ...]
    repeated: int
    ignored: int


@dataclass(frozen=True)
class Claim:
    """An incident that this process may decide about, until `lease_ends` or another claim."""

    incident: int
    fence: int
    lease_ends: datetime
    bot: str = ""


@dataclass(frozen=True)
class DueUpdate:
    """The result of a check: when the incident is due again, None for never by itself, and why."""

    claim: Claim
    at: datetime | None
    reason: str
    blocked: str | None = None


# A firing older than the last end of the same alert is a late delivery: it opens nothing. One that began
# between the check that proved the end and its recording is new.
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
    INSERT INTO incidents (fingerprint, alert, bot, severity, labels, annotations, starts_at, due_at)
    SELECT fingerprint, alert, bot, severity, labels, annotations, starts_at, clock_timestamp()
    FROM timely ORDER BY fingerprint
    ON CONFLICT (fingerprint) WHERE closed_at IS NULL DO UPDATE SET
        starts_at = excluded.starts_at,
        labels = CASE WHEN incidents.confirmed THEN incidents.labels ELSE excluded.labels END,
        severity = CASE WHEN incidents.confirmed THEN incidents.severity ELSE excluded.severity END,
        annotations = CASE WHEN incidents.confirmed THEN incidents.annotations ELSE excluded.annotations END,
        delivered_at = clock_timestamp(), notifications = incidents.notifications + 1,
        resolved_at = CASE WHEN excluded.starts_at > incidents.resolved_at THEN NULL
                           ELSE incidents.resolved_at END
    WHERE (incidents.alert, incidents.bot) = (excluded.alert, excluded.bot)
    RETURNING id, bot, notifications = 1 AS opened, alert
), told AS (
    INSERT INTO timeline (incident, kind, text)
    SELECT id, 'opened', alert || CASE WHEN bot = '' THEN '' ELSE ' of ' || bot END FROM written WHERE opened
)
SELECT id, opened FROM written ORDER BY id
"""

_RESOLVE = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%s) AS a (fingerprint text, ended_at timestamptz)
), resolved AS (
    UPDATE incidents SET resolved_at = coalesce(given.ended_at, clock_timestamp()), due_at = clock_timestamp()
    FROM given WHERE incidents.fingerprint = given.fingerprint AND closed_at IS NULL AND resolved_at IS NULL
    AND incidents.starts_at <= coalesce(given.ended_at, clock_timestamp())
    RETURNING incidents.id
), told AS (
    INSERT INTO timeline (incident, kind, text)
    SELECT id, 'resolved', 'Alertmanager says resolved' FROM resolved
)
SELECT id FROM resolved
"""


async def accept(connection: Connection, alerts: Sequence[Alert]) -> Accepted:
    """Write the content of a webhook, in the caller's transaction; one open incident per fingerprint."""
    firing = [_row(alert) for alert in alerts if alert.status == "firing"]
    ended = [
        {"fingerprint": alert.fingerprint, "ended_at": alert.ended and alert.ended.isoformat()}
        for alert in alerts
        if alert.status == "resolved"
    ]
    opened: list[int] = []
    resolved: list[int] = []
    repeated = 0
    if firing:
        rows = await (await connection.execute(_OPEN, [Jsonb(firing)])).fetchall()
        opened = [id_ for id_, is_new in rows if is_new]
        repeated = len(rows) - len(opened)
    if ended:
        resolved = [id_ for (id_,) in await (await connection.execute(_RESOLVE, [Jsonb(ended)])).fetchall()]
    await notify(connection)
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


_AHEAD = 30.0  # seconds by which a critical incident precedes others


async def claim(
    connection: Connection, limit: int, lease: float, besides: Collection[str] = ()
) -> list[Claim]:
    """Claim due incidents, except of the bots `besides`; they are due again after `lease` seconds.

    Bots are ordered by their longest-waiting incident, and all due incidents of a bot come together, because
    they share its history and its lock. Critical incidents precede others that have waited up to half a
    minute longer. A process that was frozen for longer finds a higher fence, and writes nothing.
    """
    claimed = await connection.execute(
        """
        WITH due AS (
            SELECT id, bot,
                due_at - CASE severity WHEN 'critical' THEN make_interval(secs => %s) ELSE '0' END AS turn
            FROM incidents
            WHERE closed_at IS NULL AND due_at <= clock_timestamp() AND NOT bot = ANY(%s::text[])
        ), next AS (
            SELECT id FROM (SELECT id, turn, bot, min(turn) OVER (PARTITION BY bot) AS first FROM due) d
            ORDER BY first, bot, turn LIMIT %s
        )
        UPDATE incidents SET fence = fence + 1, due_at = clock_timestamp() + make_interval(secs => %s)
        WHERE id IN (SELECT id FROM incidents WHERE id IN (SELECT id FROM next)
            AND closed_at IS NULL AND due_at <= clock_timestamp() FOR UPDATE SKIP LOCKED)
        RETURNING id, fence, due_at, bot
        """,
        [_AHEAD, list(besides), limit, lease],
    )
    return [Claim(*row) for row in sorted(await claimed.fetchall())]


async def next_due(connection: Connection, besides: Collection[str] = ()) -> float | None:
    """Return the seconds until the next incident is due, except of the bots `besides`; None for none."""
    found = await connection.execute(
        "SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM incidents "
        "WHERE closed_at IS NULL AND due_at IS NOT NULL AND NOT bot = ANY(%s::text[])",
        [list(besides)],
    )
    row = await found.fetchone()
    return row[0] if row else None


async def load(connection: Connection, ids: Sequence[int]) -> list[Incident]:
    """Return incidents by their ids, in order."""
    cursor = connection.cursor(row_factory=class_row(Incident))
    query = f"SELECT {COLUMNS} FROM incidents WHERE id = ANY(%s) ORDER BY id"  # noqa: S608 - our columns
    return await (await cursor.execute(query, [list(ids)])).fetchall()


async def incident(connection: Connection, id_: int) -> Incident | None:
    """Return the incident, or None."""
    return next(iter(await load(connection, [id_])), None)


async def open_by(connection: Connection, fingerprint: str) -> Incident | None:
    """Return the open incident with a fingerprint."""
    query = "SELECT id FROM incidents WHERE fingerprint = %s AND closed_at IS NULL"
    row = await (await connection.execute(query, [fingerprint])).fetchone()
    return await incident(connection, row[0]) if row else None


async def open_of(connection: Connection, bots: Collection[str]) -> dict[tuple[str, str], int]:
    """Return the number of open incidents by bot and alert."""
    found = await connection.execute(
        "SELECT bot, alert, count(*) FROM incidents WHERE closed_at IS NULL AND bot = ANY(%s) GROUP BY 1, 2",
        [list(bots)],
    )
    return {(bot, alert): count for bot, alert, count in await found.fetchall()}


async def lock_bots(connection: Connection, bots: Iterable[str]) -> None:
    """Lock these bots against other decisions until the transaction ends."""
    names = sorted({bot for bot in bots if bot})
    if names:
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(bot, 0)) "
            "FROM (SELECT unnest(%s::text[]) AS bot ORDER BY 1) b",
            [names],
        )


async def schedule(connection: Connection, dues: Sequence[DueUpdate]) -> None:
    """Write when incidents are due again, and why; not if the claim is over or something woke them."""
    if dues:
        await connection.execute(
            """
            UPDATE incidents i SET waits_for = d.reason, blocked = d.blocked,
                due_at = CASE WHEN i.due_at < d.lease_ends THEN i.due_at ELSE d.at END
            FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::text[],
                %s::text[]) AS d (id, fence, lease_ends, at, reason, blocked)
            WHERE i.id = d.id AND i.fence = d.fence AND i.closed_at IS NULL
            """,
            [
                [due.claim.incident for due in dues],
                [due.claim.fence for due in dues],
                [due.claim.lease_ends for due in dues],
                [due.at for due in dues],
                [due.reason for due in dues],
                [due.blocked for due in dues],
            ],
        )


async def wake(connection: Connection, ids: Sequence[int], after: float = 0.0) -> None:
    """Make open incidents due in `after` seconds, unless they are due before."""
    if ids:
        await connection.execute(
            "UPDATE incidents SET due_at = least(due_at, clock_timestamp() + make_interval(secs => %s)) "
            "WHERE id = ANY(%s) AND closed_at IS NULL",
            [after, list(ids)],
        )
        await notify(connection)


async def wake_all(connection: Connection, bot: str | None = None) -> None:
    """Make every open incident, or every one of a bot, due now: what holds actions back has changed."""
    await connection.execute(
        "UPDATE incidents SET due_at = least(due_at, clock_timestamp()) "
        "WHERE closed_at IS NULL AND (%(bot)s::text IS NULL OR bot = %(bot)s)",
        {"bot": bot},
    )
    await notify(connection)


async def respond(connection: Connection, id_: int) -> datetime | None:
    """Write that a person answered an incident or asked for an action; return when, None if not the first."""
    found = await connection.execute(
        "UPDATE incidents SET responded_at = clock_timestamp() WHERE id = %s AND responded_at IS NULL "
        "RETURNING responded_at",
        [id_],
    )
    row = await found.fetchone()
    return row[0] if row else None


async def confirm(connection: Connection, confirmed: Sequence[Incident]) -> None:
    """Replace the webhook's labels by those of Prometheus's rules."""
    if confirmed:
        rows = [
            {"id": one.id, "severity": one.severity, "labels": one.labels, "annotations": one.annotations}
            for one in confirmed
        ]
        await connection.execute(
            """
            UPDATE incidents i SET severity = c.severity, labels = c.labels, annotations = c.annotations,
                confirmed = true
            FROM jsonb_to_recordset(%s) AS c (id bigint, severity text, labels jsonb, annotations jsonb)
            WHERE i.id = c.id
            """,
            [Jsonb(rows)],
        )


@dataclass(frozen=True)
class Open:
    """The compared fields of an open incident: there may be thousands."""

    id: int
    alert: str
    bot: str
    labels: dict[str, str]
    due: bool
    handed_over: bool


async def open_incidents(connection: Connection) -> list[Open]:
    """Return the open incidents, oldest first."""
    cursor = connection.cursor(row_factory=class_row(Open))
    query = (
        "SELECT id, alert, bot, labels, due_at IS NOT NULL AS due, handed_over_at IS NOT NULL AS handed_over "
        "FROM incidents WHERE closed_at IS NULL ORDER BY id"
    )
    return await (await cursor.execute(query)).fetchall()


async def add_to_timeline(connection: Connection, incident_id: int, kind: str, text: str) -> None:
    """Write a line of the timeline, in the transaction of its change."""
    await tell_all(connection, [(incident_id, kind, text)])


async def tell_all(connection: Connection, lines: Sequence[tuple[int, str, str]]) -> None:
    """Write lines of timelines, given as (incident, kind, text), in the transaction of their changes."""
    if lines:
        await connection.execute(
            "INSERT INTO timeline (incident, kind, text) "
            "SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[])",
            [list(column) for column in zip(*lines, strict=True)],
        )


async def hand_over(connection: Connection, incident_id: int) -> None:
    """Write that no action is left."""
    await connection.execute(
        "UPDATE incidents SET handed_over_at = coalesce(handed_over_at, clock_timestamp()) WHERE id = %s",
        [incident_id],
    )


async def close(
    connection: Connection, incident_id: int, reason: str, over_at: datetime | None = None
) -> Incident | None:
    """Close an open incident, say why and return it; None if it was closed already.

    Alerts that began to fire before `over_at` are over; without it, until Alertmanager's end, or until now.
    """
    cursor = connection.cursor(row_factory=class_row(Incident))
    await cursor.execute(
        "UPDATE incidents SET closed_at = clock_timestamp(), due_at = NULL, waits_for = NULL, over_at = %s, "  # noqa: S608
        f"close_reason = %s WHERE id = %s AND closed_at IS NULL RETURNING {COLUMNS}",
        [over_at, reason, incident_id],
    )
    closed = await cursor.fetchone()
    if closed:
        await add_to_timeline(connection, incident_id, "closed", reason)
    return closed


async def forget(connection: Connection, age: float) -> None:
    """Delete incidents that were closed more than `age` seconds ago."""
    await connection.execute(
        "DELETE FROM incidents WHERE closed_at < clock_timestamp() - make_interval(secs => %s)", [age]
    )
