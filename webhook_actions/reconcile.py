"""Compares open incidents with Prometheus, since a webhook may be late, lost, inhibited or silenced."""

import logging

from psycopg_pool import AsyncConnectionPool

from stack.settings import Settings
from webhook_actions import holds, incidents
from webhook_actions.engine import Engine
from webhook_actions.incidents import Connection
from webhook_actions.jobs import Jobs
from webhook_actions.metrics import Metrics
from webhook_actions.senses import for_bot
from webhook_actions.truth import Prometheus, Unreachable, is_firing

log = logging.getLogger(__name__)

_TRADES = 'trading_bot_state{bot="$bot",state="running"} == 1'


async def reconcile(
    settings: Settings,
    pool: AsyncConnectionPool[Connection],
    prometheus: Prometheus,
    engine: Engine,
    jobs: Jobs,
    metrics: Metrics,
) -> None:
    """Have every open incident looked at again that may go on or has ended, and every halted bot that trades.

    Forgets the incidents of bots that are no longer watched, and those that are over for long.
    """
    async with pool.connection() as connection:
        open_ = await incidents.open_incidents(connection)
        halted = await holds.halts(connection)
    try:
        firing = await prometheus.firing()
        for incident in open_:
            if incident.bot and incident.bot not in settings.bots:
                await engine.forget(incident)
            elif incident.gave_up_at is None or not is_firing(incident.labels, firing):
                await jobs.advance(incident.id, incident.bot)
        for halt in halted:
            if halt.bot in settings.bots and await prometheus.holds(for_bot(_TRADES, halt.bot)):
                await jobs.hold(halt.bot)
    except Unreachable as error:
        metrics.reconciliations.labels("unreachable").inc()
        log.warning("nothing reconciled: Prometheus cannot be asked", extra={"reason": str(error)})
    else:
        metrics.reconciliations.labels("done").inc()
    async with pool.connection() as connection:
        await connection.execute(
            "DELETE FROM incidents WHERE closed_at < clock_timestamp() - make_interval(secs => %s)",
            [float(settings.webhook_actions.history)],
        )
