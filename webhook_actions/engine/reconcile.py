"""Compares incidents with Prometheus, since a webhook may be late, lost, inhibited or silenced."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clients.alertmanager import Alertmanager, NotReached, Suppression
from clients.prometheus import Firing, FiringAlert, Prometheus, Unreachable, is_same_drill
from stack.settings import Settings
from webhook_actions.engine.verification import Verification
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.payload import Alert
from webhook_actions.report import archive
from webhook_actions.store import acknowledgements, deliveries, incidents
from webhook_actions.store.database import Connection, Pool
from webhook_actions.store.incidents import Open

log = logging.getLogger(__name__)

_ROUTED = ("critical", "warning", "info")  # severities that Alertmanager sends to webhook_actions
_AT_ONCE = 100  # alerts that are opened in one transaction


@dataclass(frozen=True)
class Orphan:
    """An alert that fires without an incident, and its fingerprint in Alertmanager."""

    alert: FiringAlert
    fingerprint: str


class Reconciler:
    """Wakes incidents that ended or were forgotten, and opens missing ones."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        prometheus: Prometheus,
        alertmanager: Alertmanager,
        verification: Verification,
        escalation: Escalation,
        metrics: Metrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._prometheus = prometheus
        self._alertmanager = alertmanager
        self._verification = verification
        self._escalation = escalation
        self._metrics = metrics
        self._now = now
        self._unreachable = False  # the time of the last question
        self._seen = dict[str, datetime]()  # the time since which alerts fire without an incident

    async def once(self) -> None:
        """Compare once."""
        try:
            firing = await self._verification.firing()
            async with self._pool.transaction() as connection:
                open_ = await incidents.open_incidents(connection)
                await incidents.wake(connection, [one.id for one in open_ if _needs_a_look(one, firing)])
            await self._open(firing, open_)
        except Unreachable as error:
            self._metrics.reconciliations.labels("unreachable").inc()
            if not self._unreachable:  # once an outage: the question is repeated within seconds
                log.warning("nothing reconciled: Prometheus cannot be asked", extra={"reason": str(error)})
            self._unreachable = True
        else:
            self._metrics.reconciliations.labels("done").inc()
            if self._unreachable:
                log.info("reconciled again: Prometheus can be asked")
            self._unreachable = False

    async def forget(self) -> None:
        """Delete incidents that closed long ago."""
        async with self._pool.transaction() as connection:
            history = float(self._settings.webhook_actions.history)
            await incidents.forget(connection, history)
            await deliveries.forget(connection, history)
            await archive.forget(connection, float(self._settings.reports.keep))

    async def _open(self, firing: Firing, open_: Sequence[Open]) -> None:
        """Open incidents for alerts that have fired for longer than a webhook takes."""
        covered = Firing(FiringAlert(one.labels, {}) for one in open_)
        orphans = [alert for alert in firing if _is_routed(alert) and not _is_covered(alert, covered)]
        if not orphans:
            self._seen = {}
            return
        try:
            suppressed = await self._alertmanager.suppressions()
        except NotReached as error:
            log.warning(
                "Alertmanager does not answer which alerts it holds back", extra={"reason": str(error)}
            )
            suppressed = {}
        async with self._pool.connection() as connection:
            ours = await acknowledgements.silences(connection)
        due = [
            orphan
            for orphan in _named(orphans, suppressed)
            if not _is_meant(suppressed.get(orphan.fingerprint), ours)
        ]
        now = self._now()
        known, self._seen = self._seen, {one.fingerprint: self._seen.get(one.fingerprint, now) for one in due}
        due = [
            one
            for one in due
            if one.fingerprint in known and now - known[one.fingerprint] >= self._patience(one)
        ]
        for at in range(0, len(due), _AT_ONCE):
            async with self._pool.transaction() as connection:
                await self._accept(connection, due[at : at + _AT_ONCE])

    def _patience(self, orphan: Orphan) -> timedelta:
        """Return how long its webhook may be under way; critical alerts do not wait."""
        routing, severity = self._settings.routing, orphan.alert.labels["severity"]
        waits = {"warning": routing.group_wait.warning, "info": routing.group_wait.info}
        return timedelta(seconds=waits[severity] + routing.group_interval if severity in waits else 0.0)

    async def _accept(self, connection: Connection, orphans: Sequence[Orphan]) -> None:
        now = self._now()
        alerts = [
            Alert.firing(orphan.alert.labels, orphan.alert.annotations, now, orphan.fingerprint)
            for orphan in orphans
        ]
        accepted = await incidents.accept(connection, alerts)
        await self._escalation.opened(connection, accepted.opened)
        for incident in accepted.opened:
            await incidents.add_to_timeline(
                connection, incident, "found", "it fires in Prometheus, but no webhook reported it"
            )
        self._metrics.alerts.labels("found").inc(len(accepted.opened))


def _needs_a_look(one: Open, firing: Firing) -> bool:
    """Return whether something about an incident has changed, or would be forgotten."""
    return firing.find(one.labels) is None or not (one.due or one.handed_over)


def _is_routed(alert: FiringAlert) -> bool:
    return alert.labels.get("severity") in _ROUTED and alert.labels.get("alertname") != "TradingBotWatchdog"


def _is_covered(alert: FiringAlert, covered: Firing) -> bool:
    """Return whether an open incident has all labels of an alert, whatever Alertmanager added."""
    return any(
        is_same_drill(one.labels, alert.labels)
        and all(one.labels.get(name) == value for name, value in alert.labels.items() if name != "severity")
        for one in covered.about(alert.labels)
    )


def _named(orphans: Sequence[FiringAlert], suppressed: Mapping[str, Suppression]) -> Iterator[Orphan]:
    """Yield orphans by the fingerprint that Alertmanager knows them by, else by their own labels'."""
    known = {frozenset(each.labels.items()): name for name, each in suppressed.items()}
    for alert in orphans:
        own = frozenset(alert.labels.items())
        found = next((name for labels, name in known.items() if own <= labels), None)
        yield Orphan(alert, found or fingerprint(alert.labels))


def _is_meant(suppression: Suppression | None, ours: set[str]) -> bool:
    """Return whether Alertmanager holds an alert back on purpose: inhibited, or silenced by hand.

    A silence of Nightdesk's own belongs to an incident that has ended.
    """
    if suppression is None:
        return False
    return bool(suppression.inhibited_by) or bool(suppression.silenced_by - ours)


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return the fingerprint that Alertmanager gives to labels: FNV-1a of 64 bits, over sorted names.

    Source: prometheus/common, model/signature.go.
    """
    value = 0xCBF29CE484222325
    for name, text in sorted(labels.items()):
        for byte in (*name.encode(), 0xFF, *text.encode(), 0xFF):
            value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"
