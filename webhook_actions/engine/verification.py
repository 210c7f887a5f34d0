"""Observes the proofs that an action worked, or that an incident's cause is gone."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from clients.observer import for_bot
from clients.prometheus import Firing, FiringAlert, Prometheus, Unreachable
from stack.settings import FreqtradeBot, Settings
from webhook_actions.actions import Action, Effect
from webhook_actions.bots.protocol import Mode
from webhook_actions.engine.decisions import Observed, Verdict
from webhook_actions.engine.facts import Known, Planner
from webhook_actions.store.incidents import Incident
from webhook_actions.store.runs import Run, State, last_change

# The proof that a bot's trading loop is back in its mode, for bots that report one.
_AS_BEFORE = (
    'trading_bot_up{bot="$bot"} == 1 unless on (bot) trading_bot_state{bot="$bot",state!="$mode"} == 1 '
    'unless on (bot) time() - trading_bot_last_activity_timestamp_seconds{bot="$bot"} > $hung'
)
_ASTRAY = 'trading_bot_state{bot="$bot",state=~"running|paused|stopped",state!="$mode"} == 1'
# The exchange is down if the bot's calls fail, or failed until it died, or it could not load the markets; for
# a dead bot a probe shows that the exchange is back. If every probe fails, the bot need not be asked.
_NO_MARKETS = (
    'sum by (bot) (trading_bot_log_messages_total{bot="$bot",message=~"(?i).*could not load markets.*"}$at)'
)
_EXCHANGE_OUT = (
    '((last_over_time(trading_bot_error_rate{bot="$bot"}[$old]) > $errors) or on (bot) '
    f"{_NO_MARKETS.replace('$at', '')} > "
    f"({_NO_MARKETS.replace('$at', ' offset $old')} or {_NO_MARKETS.replace('$at', '')} * 0)) "
    'unless on () (max(trading_bot_up{bot="$bot"}) == 0 and min($probes) == 1)'
)
_PROBES_FAIL = "max($probes) == 0"
# A probe that has not succeeded for a day says nothing about now.
_PROBES = 'probe_success{job=~"probe-.+"} and max_over_time(probe_success{job=~"probe-.+"}[1d]) == 1'
_AHEAD = timedelta(minutes=1)  # anything that begins later has a wrong clock
# Seconds for which firing alerts are cached: at least, and at most if the answer takes long.
_FRESH, _STALE = 1.0, 5.0


@dataclass(frozen=True)
class Seen:
    """The observations of each incident by its id, and each firing alert.

    An alert that does not fire, and began before `over_at`, is over.
    """

    observed: Mapping[int, Observed]
    alerts: Mapping[int, FiringAlert]
    over_at: datetime


@dataclass(frozen=True)
class _FiringAnswer:
    """The firing alerts, the time of the question by the event loop's clock, and its seconds.

    An answer with thousands of alerts takes long: Prometheus and the engine must not spend all time on it.
    """

    firing: Firing
    began: float
    took: float = 0.0

    @property
    def rests_until(self) -> float:
        """When the next question may be asked."""
        return self.began + 2 * self.took

    @property
    def serves_until(self) -> float:
        """The time until which the firing alerts are cached."""
        return self.began + min(max(_FRESH, 4 * self.took), _STALE)


class Verification:
    """Asks Prometheus, for many incidents at once, for firing alerts and fulfilled proofs."""

    def __init__(
        self,
        settings: Settings,
        prometheus: Prometheus,
        actions: Mapping[str, Action],
        planner: Planner,
    ) -> None:
        self._settings = settings
        self._prometheus = prometheus
        self._actions = actions
        self._planner = planner
        # Until then a sample may be older than the end of an action.
        self._until_fresh = timedelta(seconds=settings.collection.poll_interval)
        # Alerts that began to fire are seen by then.
        self._evaluated = timedelta(seconds=settings.collection.evaluation_interval)
        self._turn = asyncio.Lock()
        self._firing = _FiringAnswer(Firing(()), float("-inf"))

    def within(self, bot: str) -> float:
        """Return the longest seconds until a proof: boot, two scrapes, an evaluation, unless configured."""
        chosen = self._settings.actions.verify_within
        if chosen is not None:
            return float(chosen)
        watched = self._settings.bots.get(bot)
        boot = float((watched and watched.boot) or self._settings.actions.restart.boot)
        collection = self._settings.collection
        return boot + 2 * float(collection.trading.interval) + float(collection.evaluation_interval)

    def first_look(self, action: Action) -> float:
        """Return the seconds after which there may be a proof of an action that has ended."""
        at_once = action.effect is Effect.OBSERVE or action.target is not None
        return 0.0 if at_once else self._until_fresh.total_seconds()

    async def firing(self) -> Firing:
        """Return the firing alerts, asked after this call; concurrent callers share the answer."""
        return (await self._ask()).firing

    async def _ask(self) -> _FiringAnswer:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self._turn:
            if self._firing.began < asked:
                await asyncio.sleep(self._firing.rests_until - loop.time())
                began = loop.time()
                firing = await self._prometheus.firing()
                self._firing = _FiringAnswer(firing, began, loop.time() - began)
            return self._firing

    async def observe(self, cases: Sequence[Known], now: datetime) -> Seen:
        """Return what is observed of incidents; `now` is by the clock of their times."""
        time = asyncio.get_running_loop().time()
        try:
            told = await self._told([case.incident for case in cases], now, time)
            over_at = self._over_at(told, now, time)
            found = {one.incident.id: told.firing.find(one.incident.labels) for one in cases}
            alerts = {id_: alert for id_, alert in found.items() if alert is not None}
            held = await self._prometheus.which_hold(self._expressions(cases, alerts))
            seen = await asyncio.gather(*(self._observed(case, alerts, held) for case in cases))
            seen = [
                replace(one, just_began=over_at < case.incident.starts_at < now + _AHEAD)
                for case, one in zip(cases, seen, strict=True)
            ]
        except Unreachable as error:
            return Seen({case.incident.id: Observed(unreachable=str(error)) for case in cases}, {}, now)
        observed = {case.incident.id: one for case, one in zip(cases, seen, strict=True)}
        return Seen(observed, alerts, over_at)

    async def _told(self, wanted: Sequence[Incident], now: datetime, time: float) -> _FiringAnswer:
        """Return the firing alerts: the cached ones if their age suffices.

        A cached answer cannot show the end of an alert that began after it: a late delivery would open it
        again.
        """
        told = self._firing
        if time < told.serves_until:
            over_at = self._over_at(told, now, time)
            lacking = (one for one in wanted if told.firing.find(one.labels) is None)
            if all(max(one.starts_at, one.delivered_at) < over_at for one in lacking):
                return told
        return await self._ask()

    def _over_at(self, told: _FiringAnswer, now: datetime, time: float) -> datetime:
        """Return the latest start of alerts that are over because an answer lacks them.

        `now` and `time` are one moment, by the clock of incidents and by the event loop's.
        """
        return now - timedelta(seconds=max(time - told.began, 0.0)) - self._evaluated

    def _expressions(self, cases: Sequence[Known], alerts: Mapping[int, FiringAlert]) -> set[str]:
        asked = set()
        for case in cases:
            asked.add(self._end(case.incident, alerts.get(case.incident.id)))
            if case.incident.id in alerts:
                asked |= self._useless(case).keys() | self._waits(case).keys() | self._helps(case).keys()
        return {expression for expression in asked if expression is not None}

    async def _observed(
        self, case: Known, alerts: Mapping[int, FiringAlert], held: Mapping[str, bool | None]
    ) -> Observed:
        incident, alert = case.incident, alerts.get(case.incident.id)
        end = self._end(incident, alert)
        if end is not None and held[end] is None:
            return Observed(unreachable=f"Prometheus refuses the query {end}")
        verdicts = {}
        for run in case.runs:
            action = self._actions.get(run.action)
            if run.state == State.ENDED and run.verdict is None and action is not None:
                verdicts[run.id] = await self._verdict(incident, alert, run, action)
        astray, back = await self._modes(case)
        useless = {
            name: why for expression, (name, why) in self._useless(case).items() if alert and held[expression]
        }
        helps = frozenset(
            name for expression, name in self._helps(case).items() if alert and held[expression]
        )
        waits: dict[str, str] = {}
        for expression, (names, why) in self._waits(case).items():
            if alert and held[expression]:
                waits |= dict.fromkeys(names, why)
        gone = True if end is None else bool(held[end])
        return Observed(alert is not None, gone, None, verdicts, useless, helps, waits, astray, back)

    async def _verdict(
        self, incident: Incident, alert: FiringAlert | None, run: Run, action: Action
    ) -> tuple[Verdict, str]:
        """Return the present verdict on a run, by samples taken after its end."""
        own = action.proof and for_bot(action.proof, incident.bot)
        expression = _verify(incident, alert) or own or self._end(incident, alert)
        if expression is None:
            return Verdict.VERIFIED, "there is no proof to ask for"
        since = run.ended_at and run.ended_at + self._until_fresh
        holds = await self._prometheus.holds(expression, since)
        if holds and run.before is not None:
            expression = self._of_mode(_AS_BEFORE, run)
            holds = await self._prometheus.holds(expression, since)
        return (Verdict.VERIFIED if holds else Verdict.NOT_VERIFIED), expression

    async def _modes(self, case: Known) -> tuple[frozenset[int], frozenset[int]]:
        """Return the runs whose bot samples show in another mode than before, and those that show it back.

        The bot's last change of mode is checked beyond any verdict, until it was seen back: who stops the
        bot after that is somebody else.
        """
        astray, back = set[int](), set[int]()
        last = last_change((*case.runs, *case.bot_runs))
        for run in case.runs:
            if run.state != State.ENDED or run.before is None or run.back_at or run.ended_at is None:
                continue
            if run.verdict is None or (last is not None and run.id == last.id):
                since = run.ended_at + self._until_fresh
                if await self._prometheus.holds(self._of_mode(_AS_BEFORE, run), since):
                    back.add(run.id)
                elif await self._prometheus.holds(self._of_mode(_ASTRAY, run), since):
                    astray.add(run.id)
        return frozenset(astray), frozenset(back)

    def _of_mode(self, expression: str, run: Run) -> str:
        hung = float(self._settings.thresholds.critical.loop_hung_after)
        # A bot whose version cannot pause runs but enters nothing; its adapter ensures that.
        mode = f"{run.before}" if run.before != Mode.PAUSED else "running|paused"
        expression = expression.replace('state!="$mode"', f'state!~"{mode}"').replace("$hung", f"{hung:g}")
        return for_bot(expression, run.bot)

    def _end(self, incident: Incident, alert: FiringAlert | None) -> str | None:
        """Return PromQL that is true once all is well: the rule's, or that the bot is up.

        A vanished series proves nothing. An incident of an unknown bot, or of no bot and without `verify`,
        closes with its alert: nobody measures it any more.
        """
        if incident.bot and incident.bot not in self._settings.bots:
            return None
        general = incident.bot and for_bot('trading_bot_up{bot="$bot"} == 1', incident.bot)
        return _verify(incident, alert) or general or None

    def _useless(self, case: Known) -> dict[str, tuple[str, str]]:
        """Return PromQL that is true of a fault that an action cannot mend, with its name and the reason."""
        bot = case.incident.bot
        return {
            for_bot(expression, bot): (action.name, why)
            for action in self._planned(case)
            for why, expression in action.useless_when.items()
        }

    def _helps(self, case: Known) -> dict[str, str]:
        """Return PromQL that is true of a fault that an action can mend, with its name."""
        bot = case.incident.bot
        return {for_bot(one.helps_when, bot): one.name for one in self._planned(case) if one.helps_when}

    def _planned(self, case: Known) -> list[Action]:
        """Return the planned actions of an incident of a watched bot."""
        names = self._planner.plan(case.incident) if case.incident.bot in self._settings.bots else ()
        return [action for name in names if (action := self._actions.get(name))]

    def _waits(self, case: Known) -> dict[str, tuple[list[str], str]]:
        """Return PromQL that is true while a need of actions is broken, with their names and the reason.

        Reconnecting helps a bot whose own calls fail, unless it would have to start again.
        """
        bot, says = case.incident.bot, dict[str, tuple[list[str], str]]()
        watched, limits = self._settings.bots.get(bot), self._settings.thresholds.critical
        for name in self._planner.plan(case.incident) if watched else ():
            action = self._actions.get(name)
            if action is None or not action.needs_exchange:
                continue
            fail = _PROBES_FAIL.replace("$probes", _PROBES)
            says.setdefault(fail, ([], "every probe fails"))[0].append(name)
            if not action.verbs or isinstance(watched and watched.control, FreqtradeBot):
                expression = _EXCHANGE_OUT.replace("$probes", _PROBES)
                expression = expression.replace("$errors", f"{float(limits.error_rate):g}")
                expression = for_bot(expression, bot).replace("$old", f"{float(limits.data_age):.0f}s")
                says.setdefault(expression, ([], "the bot's calls to it fail"))[0].append(name)
        return says


def _verify(incident: Incident, alert: FiringAlert | None) -> str | None:
    """Return the rule's own PromQL for the end: Prometheus's, never a webhook's."""
    if alert is not None:
        return alert.annotations.get("verify")
    return incident.annotations.get("verify") if incident.confirmed else None
