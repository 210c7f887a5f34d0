"""Observes what proves that an action worked, or that an incident's cause is gone."""

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

# A proof that a bot's trading loop does what it did, for one that tells of it.
_AS_BEFORE = (
    'trading_bot_up{bot="$bot"} == 1 unless on (bot) trading_bot_state{bot="$bot",state!="$mode"} == 1 '
    'unless on (bot) time() - trading_bot_last_activity_timestamp_seconds{bot="$bot"} > $hung'
)
_ASTRAY = 'trading_bot_state{bot="$bot",state=~"running|paused|stopped",state!="$mode"} == 1'
# The exchange is out where the bot's calls fail, or did until it died, or it could not load the markets; of a
# dead one a probe says that it is back. Where every probe fails, nobody needs to ask the bot.
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
# A probe that has not succeeded for a day says nothing of now.
_PROBES = 'probe_success{job=~"probe-.+"} and max_over_time(probe_success{job=~"probe-.+"}[1d]) == 1'
_AHEAD = timedelta(minutes=1)  # what begins later than that has a wrong clock
# Seconds for which what fires need not be asked for again: at least, and at most where it takes long to tell.
_FRESH, _STALE = 1.0, 5.0


@dataclass(frozen=True)
class Seen:
    """The observations of each incident by its id, and each firing alert.

    What does not fire, and began before `over_at`, is over.
    """

    observed: Mapping[int, Observed]
    alerts: Mapping[int, FiringAlert]
    over_at: datetime


@dataclass(frozen=True)
class _FiringAnswer:
    """The firing alerts, the time of the question by the event loop's clock, and the seconds that it took.

    Thousands of alerts take long to tell: that must not be all that Prometheus and we do.
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
        """Until when what fires need not be asked for again."""
        return self.began + min(max(_FRESH, 4 * self.took), _STALE)


class Verification:
    """Asks Prometheus, for many incidents at once, what fires and what has come true."""

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
        # Until then a sample may hold what the exporter saw before an action had ended.
        self._until_fresh = timedelta(seconds=settings.collection.poll_interval)
        # What began to fire is seen by then.
        self._evaluated = timedelta(seconds=settings.collection.evaluation_interval)
        self._turn = asyncio.Lock()
        self._firing = _FiringAnswer(Firing(()), float("-inf"))

    def within(self, bot: str) -> float:
        """Return the seconds that a proof may take: boot, two scrapes and an evaluation, unless set."""
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
        """Return what fires, asked after this call; concurrent callers share the answer."""
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
        """Return what fires: as it was told a moment ago, where that says enough of what it lacks.

        What began after it cannot be called over by it: a delivery that is late would open it again.
        """
        told = self._firing
        if time < told.serves_until:
            over_at = self._over_at(told, now, time)
            lacking = (one for one in wanted if told.firing.find(one.labels) is None)
            if all(max(one.starts_at, one.delivered_at) < over_at for one in lacking):
                return told
        return await self._ask()

    def _over_at(self, told: _FiringAnswer, now: datetime, time: float) -> datetime:
        """Return when at the latest that began which is over since an answer lacks it.

        `now` and `time` are one moment, by the clock of incidents and by the event loop's.
        """
        return now - timedelta(seconds=max(time - told.began, 0.0)) - self._evaluated

    def _expressions(self, cases: Sequence[Known], alerts: Mapping[int, FiringAlert]) -> set[str]:
        asked = set()
        for case in cases:
            asked.add(self._end(case.incident, alerts.get(case.incident.id)))
            if case.incident.id in alerts:
                asked |= self._useless(case).keys() | self._waits(case).keys()
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
            name: expression for expression, name in self._useless(case).items() if alert and held[expression]
        }
        waits: dict[str, str] = {}
        for expression, (names, why) in self._waits(case).items():
            if alert and held[expression]:
                waits |= dict.fromkeys(names, why)
        gone = True if end is None else bool(held[end])
        return Observed(alert is not None, gone, None, verdicts, useless, waits, astray, back)

    async def _verdict(
        self, incident: Incident, alert: FiringAlert | None, run: Run, action: Action
    ) -> tuple[Verdict, str]:
        """Return the verdict on a run as it is now, by samples that were taken after it had ended."""
        own = action.proof and for_bot(action.proof, incident.bot)
        expression = _verify(incident, alert) or own or self._end(incident, alert)
        if expression is None:
            return Verdict.VERIFIED, "nothing that could be asked"
        since = run.ended_at and run.ended_at + self._until_fresh
        holds = await self._prometheus.holds(expression, since)
        if holds and run.before is not None:
            expression = self._of_mode(_AS_BEFORE, run)
            holds = await self._prometheus.holds(expression, since)
        return (Verdict.VERIFIED if holds else Verdict.NOT_VERIFIED), expression

    async def _modes(self, case: Known) -> tuple[frozenset[int], frozenset[int]]:
        """Return the runs whose bot samples show in another state than before, and those that show it back.

        Of the bot's last change that is asked over any verdict, until it was seen back: whoever stops the bot
        from then on is somebody else.
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
        # A bot whose version knows no pause runs, and enters nothing; its adapter has seen to that.
        mode = f"{run.before}" if run.before != Mode.PAUSED else "running|paused"
        expression = expression.replace('state!="$mode"', f'state!~"{mode}"').replace("$hung", f"{hung:g}")
        return for_bot(expression, run.bot)

    def _end(self, incident: Incident, alert: FiringAlert | None) -> str | None:
        """Return PromQL that is true once all is well: the rule's, or that the bot is up.

        A series that vanished shows nothing. What is about a bot that settings do not know, or about none and
        without `verify`, is taken at its word: nobody measures it any more.
        """
        if incident.bot and incident.bot not in self._settings.bots:
            return None
        general = incident.bot and for_bot('trading_bot_up{bot="$bot"} == 1', incident.bot)
        return _verify(incident, alert) or general or None

    def _useless(self, case: Known) -> dict[str, str]:
        """Return PromQL by action that forbids it: faults that a restart cannot fix."""
        bot, says = case.incident.bot, {}
        for name in self._planner.plan(case.incident) if bot in self._settings.bots else ():
            action = self._actions.get(name)
            if action is not None and action.useless_when:
                says[for_bot(action.useless_when, bot)] = name
        return says

    def _waits(self, case: Known) -> dict[str, tuple[list[str], str]]:
        """Return PromQL that holds while a need of actions is broken, with their names and the reason.

        To connect anew is what helps a bot whose own calls fail, unless that would have it start anew.
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
    """Return the rule's own PromQL of the end: as Prometheus words it, never as a webhook does."""
    if alert is not None:
        return alert.annotations.get("verify")
    return incident.annotations.get("verify") if incident.confirmed else None
