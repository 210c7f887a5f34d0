"""The scripts of a drill: each alert's firing case as series of a synthetic bot, scrape by scrape."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stack.drill.cases import cases
from stack.drill.cases.case import BOT, NUMBER, Case, Series, Value
from stack.drill.fast_settings import SCRAPE, quick
from stack.drill.rules import ASKED, LABEL, renamed
from stack.settings import Settings

_SHARED = "up"  # a series of the parts, not of a subject of the case's own: one case at a time may serve it
SEVERITIES = ("critical", "warning", "info", "meta")


@dataclass(frozen=True)
class Script:
    """An alert, the series that fire it after `at` seconds, and its labels. A script that plays `alone`
    shares its series with others, which would disturb it.
    """

    alert: str
    severity: str
    number: int
    run: str
    at: float
    series: tuple[Series, ...]
    alone: bool

    @property
    def drill(self) -> str:
        """The value of the label `drill`, this script's own."""
        return f"{self.run}-{self.number}"

    @property
    def name(self) -> str:
        """The alert's whole name."""
        return f"TradingBot{self.alert}"

    def page(self, step: int) -> Iterator[str]:
        """Yield the lines of a scrape."""
        asked = {"alert": self.name, "severity": self.severity, LABEL: self.drill}
        yield f"{ASKED}{_braced(asked)} 1"
        for one in self.series:
            value = _value(one.values, step)
            if isinstance(value, float):
                name = renamed(f"{one.name}{{").removesuffix("{")
                yield f"{name}{_braced({**one.subject, **one.labels})} {value!r}"


def _value(values: Sequence[Value], step: int) -> Value:
    """Return a scrape's value; after the last one a counter goes on growing, and other values stay."""
    if step < len(values):
        value = values[step]
        return float(value) if isinstance(value, int) else value
    last, before = values[-1], values[-2] if len(values) > 1 else values[-1]
    if isinstance(last, str) or isinstance(before, str) or last is None or before is None:
        return last
    return float(last + (last - before) * (step - len(values) + 1))


def _braced(labels: Mapping[str, str]) -> str:
    pairs = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(labels.items()))
    return "{" + ",".join(pairs) + "}"


def scripts(
    settings: Settings, rules: Iterable[tuple[str, str]], run: str, wanted: str | None, bot: str | None
) -> list[Script]:
    """Return a script for each alert and severity, or for the `wanted` one; the longest come first.

    Alertmanager routes the synthetic bot's alerts like those of `bot`.
    """
    severities = sorted({*rules}, key=lambda rule: (rule[0], SEVERITIES.index(rule[1])))
    firing = [case for case in cases(quick(settings)) if case.fires and wanted in (None, case.alert)]
    found = {
        (alert, severity): next(
            case
            for case in firing
            if case.alert == alert and case.labels.get("severity", severity) == severity
        )
        for alert, severity in severities
        if alert != "Watchdog" and wanted in (None, alert)
    }
    ordered = sorted(found.items(), key=lambda one: -one[1].at)
    return [
        _script(case, severity, number, run, bot)
        for number, ((_, severity), case) in enumerate(ordered, start=1)
    ]


def _script(case: Case, severity: str, number: int, run: str, bot: str | None) -> Script:
    name = f"drill-{number}" + (f"-of-{bot}" if bot else "")

    def of(labels: Mapping[str, str]) -> dict[str, str]:
        return {
            key: value.replace(BOT, name).replace(NUMBER, f"drill-{number}") for key, value in labels.items()
        }

    series = tuple(
        Series(one.name, one.values, of(one.labels), of(one.subject)) for one in case.series if one.values
    )
    alone = any(one.name == _SHARED for one in series)
    return Script(case.alert, severity, number, run, case.at + float(SCRAPE), series, alone)
