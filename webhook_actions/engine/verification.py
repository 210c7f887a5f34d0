"""Observes what proves that an action worked, or that an incident's cause is gone."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

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
_FRESH = 1.0  # seconds for which an alert that was seen to fire need not be asked for again


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
        self._turn = asyncio.Lock()
        self._firing = Firing(())
        self._began = self._rests_until = float("-inf")

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
        """Return what fires, asked after this call; who asks at the same time shares the answer."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self._turn:
            if self._began < asked:
                # Thousands of alerts take long to tell: that must not be all that Prometheus and we do.
                await asyncio.sleep(self._rests_until - loop.time())
                began = loop.time()
                self._firing = await self._prometheus.firing()
                self._began, ended = began, loop.time()
                self._rests_until = 2 * ended - began
            return self._firing

    async def observe(self, cases: Sequence[Known]) -> tuple[dict[int, Observed], dict[int, FiringAlert]]:
        """Return what is observed of each incident by its id, and the alert of each that fires."""
        try:
            alerts = await self._alerts([case.incident for case in cases])
            held = await self._prometheus.which_hold(self._expressions(cases, alerts))
            seen = await asyncio.gather(*(self._observed(case, alerts, held) for case in cases))
        except Unreachable as error:
            return {case.incident.id: Observed(unreachable=str(error)) for case in cases}, {}
        return {case.incident.id: one for case, one in zip(cases, seen, strict=True)}, alerts

    async def _alerts(self, wanted: Sequence[Incident]) -> dict[int, FiringAlert]:
        """Return the alert of each incident that fires: what was seen a moment ago suffices where it did."""
        recent = asyncio.get_running_loop().time() - self._began < _FRESH
        found = {one.id: self._firing.find(one.labels) for one in wanted} if recent else {}
        if not found or None in found.values():
            firing = await self.firing()
            found = {one.id: firing.find(one.labels) for one in wanted}
        return {id_: alert for id_, alert in found.items() if alert is not None}

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
        """Return PromQL that says against an action, by which action: what a restart cannot mend."""
        bot, says = case.incident.bot, {}
        for name in self._planner.plan(case.incident) if bot in self._settings.bots else ():
            action = self._actions.get(name)
            if action is not None and action.useless_when:
                says[for_bot(action.useless_when, bot)] = name
        return says

    def _waits(self, case: Known) -> dict[str, tuple[list[str], str]]:
        """Return PromQL that says that actions would need what is broken, with their names and why.

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
