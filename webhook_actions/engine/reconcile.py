"""Compares open incidents with Prometheus, since a webhook may be late, lost, inhibited or silenced."""

import logging

from clients.observer import for_bot
from clients.prometheus import Prometheus, Unreachable
from stack.settings import Settings
from webhook_actions.engine.engine import Engine
from webhook_actions.engine.jobs import Jobs
from webhook_actions.metrics import Metrics
from webhook_actions.report import archive
from webhook_actions.store import holds, incidents
from webhook_actions.store.database import Pool

log = logging.getLogger(__name__)

_TRADES = 'trading_bot_state{bot="$bot",state="running"} == 1'


async def reconcile(
    settings: Settings,
    pool: Pool,
    prometheus: Prometheus,
    engine: Engine,
    jobs: Jobs,
    metrics: Metrics,
) -> None:
    """Have open incidents looked at again that ended or were forgotten, and halted bots that trade.

    Forgotten is one that may go on and has no job that waits for its time. Incidents of bots that are no
    longer watched are closed; those that are over for long are deleted.
    """
    async with pool.connection() as connection:
        open_ = await incidents.open_incidents(connection)
        halted = await holds.halts(connection)
        paused = await holds.paused(connection)
        pending = await jobs.pending(connection)
    try:
        firing = await prometheus.firing()
        forgotten = []
        for incident in open_:
            if incident.bot and incident.bot not in settings.bots:
                await engine.forget(incident.id)
            elif incident.labels not in firing:
                await jobs.advance(incident.id, incident.bot, incident.alert, begun=False)
            elif not (incident.gave_up or paused or incident.id in pending):
                forgotten.append((incident.id, incident.bot, incident.alert))
        async with pool.transaction() as connection:
            await jobs.advance_with(connection, forgotten)
        for halt in halted:
            if halt.bot in settings.bots and await prometheus.holds(for_bot(_TRADES, halt.bot)):
                await jobs.hold(halt.bot)
    except Unreachable as error:
        metrics.reconciliations.labels("unreachable").inc()
        log.warning("nothing reconciled: Prometheus cannot be asked", extra={"reason": str(error)})
    else:
        metrics.reconciliations.labels("done").inc()
    async with pool.transaction() as connection:
        await connection.execute(
            "DELETE FROM incidents WHERE closed_at < clock_timestamp() - make_interval(secs => %s)",
            [float(settings.webhook_actions.history)],
        )
        await archive.forget(connection, float(settings.reports.keep))
