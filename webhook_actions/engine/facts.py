"""Gathers the facts of a decision: from the database, the settings, and the observations."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stack.settings import Settings
from stack.settings.hours import maintained_until
from webhook_actions.actions import Action, Effect
from webhook_actions.engine.decisions import DRILL, DRY_RUN, Facts, Holds, Observed, PlannedAction
from webhook_actions.store import acknowledgements, holds, incidents, runs
from webhook_actions.store.acknowledgements import Acknowledgement
from webhook_actions.store.database import Connection
from webhook_actions.store.incidents import Incident
from webhook_actions.store.runs import Run

_STRENGTHS = {"stop_entries": 1, "close_positions": 3, "close_all_positions": 3}  # other targets: 2


@dataclass(frozen=True)
class Known:
    """What the database knows about an incident."""

    incident: Incident
    runs: tuple[Run, ...]
    bot_runs: tuple[Run, ...]
    acknowledgement: Acknowledgement | None
    paused_by: str | None
    halted: bool = False
    open_incidents: int = 1  # of its bot and alert


async def known(connection: Connection, ids: Sequence[int], since: float) -> list[Known]:
    """Return what is known about incidents; of their bots the runs of the last `since` seconds."""
    found = await incidents.load(connection, ids)
    answered = await acknowledgements.current(connection, ids)
    pause = await holds.paused(connection)
    paused_by = pause.paused_by if pause else None
    open_ = await incidents.open_of(connection, sorted({one.bot for one in found}))
    cases = [
        Known(one, (), (), answered.get(one.id), paused_by, open_incidents=open_.get((one.bot, one.alert), 0))
        for one in found
    ]
    return await with_runs(connection, cases, since)


async def with_runs(connection: Connection, cases: Sequence[Known], since: float) -> list[Known]:
    """Return the cases with their runs, and whether their bots are halted, as the database has them now."""
    of_incident, of_bot = defaultdict[int, list[Run]](list), defaultdict[str, list[Run]](list)
    ids, bots = [case.incident.id for case in cases], sorted({case.incident.bot for case in cases})
    for run in await runs.of_bots(connection, bots, since, ids):
        of_incident[run.incident].append(run)
        if run.bot:
            of_bot[run.bot].append(run)
    halted = {halt.bot for halt in await holds.halts(connection)}
    return [
        replace(
            case,
            runs=tuple(of_incident[case.incident.id]),
            bot_runs=tuple(of_bot[case.incident.bot]),
            halted=case.incident.bot in halted,
        )
        for case in cases
    ]


class Planner:
    """Plans the actions against an incident by the settings."""

    def __init__(self, settings: Settings, actions: Mapping[str, Action]) -> None:
        self._settings = settings
        self._actions = actions
        collection, several = settings.collection, len(settings.services.prometheus.all) > 1
        # One Prometheus that reported it may be down, and another may not have seen it yet: Alertmanager does
        # not send again an alert that it still has, after we closed its incident.
        late = 2 * float(collection.trading.interval) + 2 * float(collection.evaluation_interval)
        self._sees_all = timedelta(seconds=late if several else 0.0)
        self._look_again = timedelta(seconds=min(float(collection.poll_interval), 5.0))
        cooldowns = [float(limit.cooldown) for limit in settings.actions.limits.values()]
        cooldowns += [float(alert.cooldown) for alert in settings.alerts.values()]
        # Seconds for which a bot's past runs matter to the next decision.
        self.remembers = max(*cooldowns, float(settings.actions.attempts_window))

    def plan(self, incident: Incident) -> tuple[str, ...]:
        """Return the actions to try: the alert's own, else its objective's, else its severity's."""
        alert = self._settings.alerts.get(incident.kind)
        if alert is not None and alert.actions is not None:
            return tuple(alert.actions)
        if objective := incident.labels.get("objective"):
            of_objective = self._settings.sla.actions
            return tuple(of_objective.get(objective, of_objective["default"]))
        return tuple(getattr(self._settings.severities, incident.severity).actions)

    def planned(self, name: str, incident: Incident) -> PlannedAction | None:
        """Return an action with its settings for an incident; None for an unknown action."""
        action = self._actions.get(name)
        if action is None:
            return None
        limit = self._settings.actions.limit(name)
        looks = action.effect is Effect.OBSERVE
        return PlannedAction(
            name,
            action.effect,
            limit.attempts,
            timedelta(seconds=float(limit.cooldown)),
            strength=_STRENGTHS.get(name, 2) if action.target else 0,
            paced=action.paced if action.target else True,
            once=action.once or looks,
            armed=action.effect is not Effect.MONEY or name in self._settings.actions.armed,
            proof=not looks,
            refusal=self._refusal(action, incident),
        )

    def facts(self, known: Known, observed: Observed, now: datetime, *, fleet_spent: bool = False) -> Facts:
        """Return the facts for a decision about an incident."""
        incident, answer = known.incident, known.acknowledgement
        alert = self._settings.alerts.get(incident.kind)
        plan = self.plan(incident)
        names = {*plan, *(run.action for run in (*known.runs, *known.bot_runs))}
        planned = {name: one for name in names if (one := self.planned(name, incident))}
        useless = {name: why for name, why in observed.useless.items() if name in planned}
        planned |= {name: replace(planned[name], useless=why) for name, why in useless.items()}
        helping = (observed.helps & planned.keys()) - observed.useless.keys()
        planned |= {name: replace(planned[name], helps=True) for name in helping}
        waits = {name: why for name, why in observed.waits.items() if name in planned}
        planned |= {name: replace(planned[name], waits=why) for name, why in waits.items()}
        return Facts(
            now,
            incident,
            plan,
            planned,
            known.runs,
            known.bot_runs,
            Holds(
                known.paused_by,
                maintained_until(self._settings, incident.bot, now),
                answer.by if answer else None,
                answer.until if answer else None,
                known.halted,
            ),
            observed,
            fleet_spent,
            not incident.bot or incident.bot in self._settings.bots,
            timedelta(seconds=float(alert.cooldown)) if alert else timedelta(0),
            timedelta(seconds=float(self._settings.actions.attempts_window)),
            self._look_again,
            self._sees_all,
            known.open_incidents,
        )

    def fleet_is_spent(self, acted_on: set[str], bot: str) -> bool:
        """Return whether the fleet limit is used up by actions on other bots."""
        fleet = self._settings.actions.fleet
        return len(acted_on - {bot}) >= max(fleet.bots, int(fleet.ratio * len(self._settings.bots)))

    def _refusal(self, action: Action, incident: Incident) -> str | None:
        """Return why nobody may run an action for an incident, None if a person may."""
        if incident.drill:
            return DRILL
        looks_around = not incident.bot and action.effect is Effect.OBSERVE  # a host, an endpoint, all bots
        if incident.bot not in self._settings.bots and not looks_around:
            return f"{incident.bot or 'no bot'} is not among settings' bots"
        if self._settings.actions.dry_run and action.effect is not Effect.OBSERVE:
            return DRY_RUN
        return None
