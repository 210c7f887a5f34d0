"""The progress of each alert of a drill, and its faults: pure functions of observations."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from stack.drill.observation import Held, Incident, Seen
from stack.drill.routes import WEBHOOK, MatchedRoute
from stack.drill.scripts import Script

ESCALATED = ("critical", "warning")  # alerts that a person has to answer
_OF_ENGINE = (*ESCALATED, "info")  # alerts that webhook_actions gets
_LOOKS = 2.0  # seconds by which an observation may be later than Alertmanager
_ANSWERS = ("acknowledged", "snoozed")
_UNTOLD = ("not_told", "unreachable")
# The time intervals by which Alertmanager holds back a severity as planned.
_PLANNED = {"info": {"info"}, "warning": {"quiet"}}
_BROKEN = "<error expanding template"


@dataclass(frozen=True)
class HopTimeouts:
    """Seconds that each hop may take before it is a fault; `group` is Alertmanager's wait by severity."""

    metric: float = 15.0
    rule: float = 15.0
    alertmanager: float = 15.0
    engine: float = 20.0
    channel: float = 45.0
    answer: float = 180.0
    group: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """The times at which an alert was first seen at each hop, in seconds of one clock; None means not yet.
    `before` has each integration's count of sent messages from a time when none of them could be about this
    alert.
    """

    script: Script
    routes: tuple[MatchedRoute, ...]
    started: float
    metric: float | None = None
    rule: float | None = None
    alertmanager: float | None = None
    engine: float | None = None
    answer: float | None = None
    told: Mapping[str, float] = field(default_factory=dict)
    before: Mapping[str, float] = field(default_factory=dict)
    held: Held | None = None
    incident: Incident | None = None

    @property
    def severity(self) -> str:
        """The alert's severity."""
        return self.script.severity

    @property
    def wanted(self) -> tuple[str, ...]:
        """The integrations over which Alertmanager notifies people."""
        each = (name for route in self.routes for name in route.integrations if name != WEBHOOK)
        return tuple(dict.fromkeys(each))

    @property
    def postponed(self) -> bool:
        """Whether Alertmanager holds it back as planned: news, and warnings in quiet hours."""
        muted = self.held.muted if self.held else frozenset()
        return bool(muted) and muted <= _PLANNED.get(self.severity, set())

    @property
    def is_told(self) -> bool:
        """Whether the alert has passed every hop before the people."""
        heard = self.engine is not None or self.severity not in _OF_ENGINE
        missing = not self.postponed and set(self.wanted) - self.told.keys()
        engine_tells = bool(self.wanted) or self.severity not in ESCALATED or bool(said(self.incident))
        return self.alertmanager is not None and heard and not missing and engine_tells


def said(incident: Incident | None) -> list[str]:
    """Return the messages of webhook_actions and their recipients."""
    kinds = ("told", "escalated")
    return [line.text for line in (incident.timeline if incident else ()) if line.kind in kinds]


def advance(one: Progress, seen: Seen, now: float, wait: float = 0.0) -> Progress:
    """Return an alert's progress after one more observation; `wait` is the time that Alertmanager collects.
    Alertmanager counts messages by channel, not by alert: a message after the wait counts for this alert.
    """
    drill = one.script.drill
    delivered = {name: seen.tried[name] - seen.failed.get(name, 0.0) for name in seen.tried}
    held, incident = seen.held.get(drill, one.held), seen.incidents.get(drill, one.incident)
    reached = _first(one.alertmanager, drill in seen.held, now)
    before = dict(one.before)
    if reached is None or now < reached + wait - _LOOKS:
        before = delivered
    told = dict(one.told)
    for name in one.wanted if reached is not None else ():
        if name not in told and delivered.get(name, 0.0) > before.get(name, 0.0):
            told[name] = now
    answered = incident is not None and any(line.kind in _ANSWERS for line in incident.timeline)
    return replace(
        one,
        metric=_first(one.metric, drill in seen.metrics, now),
        rule=_first(one.rule, drill in seen.firing, now),
        alertmanager=reached,
        engine=_first(one.engine, incident is not None, now),
        answer=_first(one.answer, answered, now),
        told=told,
        before=before,
        held=held,
        incident=incident,
    )


def _first(known: float | None, here: bool, now: float) -> float | None:
    return known if known is not None or not here else now


def faults(one: Progress, patience: HopTimeouts, now: float) -> Iterator[str]:
    """Yield the faults of an alert so far."""
    yield from wrong(one)
    yield from late(one, patience, now)
    if one.alertmanager is not None and one.severity in ESCALATED and one.answer is None:
        yield from _late(one.alertmanager, patience.answer, now, "answer: nobody acknowledged it")


def is_done(one: Progress, patience: HopTimeouts, now: float) -> bool:
    """Return whether this alert is finished."""
    if any(late(one, patience, now)):
        return True
    if one.alertmanager is None or not (one.is_told or _is_kept(one.held)):
        return False
    unanswered = one.severity in ESCALATED and one.answer is None
    return not unanswered or now > one.alertmanager + patience.answer


def late(one: Progress, patience: HopTimeouts, now: float) -> Iterator[str]:
    """Yield the first hop that the alert did not reach in time, and each such channel."""
    if one.metric is None:
        where = (
            "metric: Prometheus does not see the drill's series: its job drill scrapes /drill of the exporter"
        )
        yield from _late(one.started, patience.metric, now, where)
    elif one.rule is None:
        within = patience.metric + one.script.at + patience.rule
        where = "rule: the alert does not fire; see Prometheus's page of rules, render and reload"
        yield from _late(one.started, within, now, where)
    elif one.alertmanager is None:
        where = "Alertmanager: it does not have the alert that fires; Prometheus does not reach it"
        yield from _late(one.rule, patience.alertmanager, now, where)
    else:
        group = patience.group.get(one.severity, 0.0)
        if one.incident is None and one.severity in _OF_ENGINE:
            where = (
                "engine: webhook_actions has no incident of it; does it run, and take Alertmanager's token?"
            )
            yield from _late(one.alertmanager, group + patience.engine, now, where)
        yield from _channels(one, one.alertmanager, group + patience.channel, now)


def _channels(one: Progress, since: float, within: float, now: float) -> Iterator[str]:
    if not one.wanted and not said(one.incident):
        where = "channel: it reaches nobody: it has no configured channel"
        yield from _late(since, within, now, where)
    if one.postponed or _is_kept(one.held):
        return
    for name in one.wanted:
        if name not in one.told:
            where = f"channel: {name} delivered nothing; Alertmanager's log says why"
            yield from _late(since, within, now, where)


def wrong(one: Progress) -> Iterator[str]:
    """Yield the faults that do not end by waiting."""
    held, planned = one.held, {route.receiver for route in one.routes}
    if held is not None:
        if held.receivers != planned:
            yield (
                f"route: Alertmanager gives it to {_names(held.receivers)}, not to {_names(planned)}; "
                "render and reload"
            )
        if held.silenced:
            yield f"silence: {_names(held.silenced)} hides it; lift it in Alertmanager"
        if held.inhibited:
            yield f"inhibition: the alerts {_names(held.inhibited)} hide it; see inhibit_rules"
        if held.muted and not one.postponed:
            yield f"mute: the time intervals {_names(held.muted)} keep it from being sent now"
        if _BROKEN in held.summary:
            yield f"rule: its text cannot be rendered: {held.summary[:200]}"
    for line in one.incident.timeline if one.incident else ():
        if line.kind == "found":
            yield "engine: no webhook arrived; webhook_actions found the alert in Prometheus"
        if line.kind in _UNTOLD:
            yield f"channel: {line.text}"
    for action, outcome, begun in one.incident.runs if one.incident else ():
        if begun:
            yield f"engine: it RAN {action} in a drill ({outcome}); this is a defect, tell us"


def _late(since: float, within: float, now: float, what: str) -> Iterator[str]:
    if now > since + within:
        yield f"{what} ({now - since:.0f} s)"


def _is_kept(held: Held | None) -> bool:
    return held is not None and bool(held.silenced or held.inhibited or held.muted)


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"
