"""Writes test files for `promtool test rules` and runs them."""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from stack.settings import Duration, Settings
from tests.conftest import binary
from tests.rules.case import NUMBER, Case, Series, Value
from tests.rules.design import SEVERITY, condition

# The labels of a rule, its alert's name among them, and its `verify`.
Proof = tuple[dict[str, str], str]
SLOW = Duration(60)  # between two evaluations of what takes hours
# Rules are evaluated after those that they stand on; promtool would take any order.
ORDER = (
    "signals", "health", "budget-bricks", "budget-", "objectives", "performance", "milestones", "fleet",
    "critical", "warning", "slo", "info", "meta",
)  # fmt: skip


def run(
    tests: Iterable[Mapping[str, Any]],
    rules: Path,
    settings: Settings,
    file: Path,
    pace: Duration | None = None,
) -> str:
    """Return what promtool says against the tests over the rule files in `rules`; nothing when all pass.

    The environment's PROMTOOL3 names another promtool that has to agree.
    """
    files = sorted(rules.glob("*.yml"), key=_order)
    content = {
        "rule_files": [str(one) for one in files],
        "group_eval_order": [one.stem for one in files],
        "evaluation_interval": str(pace or settings.collection.evaluation_interval),
        "tests": list(tests),
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    programs = [str(binary("promtool")), *filter(None, [os.environ.get("PROMTOOL3")])]
    return "".join(_complaints(program, file) for program in programs)


def _complaints(program: str, file: Path) -> str:
    done = subprocess.run([program, "test", "rules", str(file)], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{program}:\n{done.stdout}{done.stderr}"


def _order(file: Path) -> int:
    return next(place for place, word in enumerate(ORDER) if file.stem.startswith(f"trading-bot-{word}"))


def as_tests(cases: Sequence[Case], settings: Settings, proofs: Sequence[Proof]) -> Iterator[dict[str, Any]]:
    """Yield promtool's tests of the cases: those that can be share one storage, each about its own subject.

    `proofs` are the `verify` of alerts: false while they fire by their cause, true once they resolved.
    """
    numbered = [_numbered(case, index) for index, case in enumerate(cases)]
    together = [case for case in numbered if case.together]
    alone = [[case] for case in numbered if not case.together]
    for group in [together, *alone] if together else alone:
        yield {
            "name": group[0].says if len(group) == 1 else "together",
            "interval": str(settings.collection.trading.interval),
            "input_series": [line for case in group for line in inputs(case.series)],
            "promql_expr_test": [test for case in group for test in _expectations(case, proofs)],
        }


def _numbered(case: Case, index: int) -> Case:
    def of(labels: Mapping[str, str]) -> dict[str, str]:
        return {name: value.replace(NUMBER, str(index)) for name, value in labels.items()}

    series = [Series(one.name, one.values, one.labels, of(one.subject)) for one in case.series]
    return Case(case.alert, case.says, series, case.at, case.fires, of(case.labels), case.together, case.slow)


def _expectations(case: Case, proofs: Sequence[Proof]) -> Iterator[dict[str, Any]]:
    """Yield what to ask: the alert with exactly its labels, or none; and what proves its cause gone."""
    name = f"TradingBot{case.alert}"
    asked = {"alertname": name, "alertstate": "firing"} | dict(case.labels)
    labels = {"severity": SEVERITY[case.alert], "condition": condition(case.alert)} | asked
    time = str(Duration(case.at))
    fired = [{"labels": f"ALERTS{_braced(labels)}", "value": 1}] if case.fires else []
    yield {"expr": f"ALERTS{_braced(asked)}", "eval_time": time, "exp_samples": fired}
    fitting = [(len(rule), query) for rule, query in proofs if rule.items() <= labels.items()]
    _, proof = max(fitting, default=(0, ""))
    if proof and (case.fires or case.says == "resolves") and "kept" not in case.says:
        here = re.sub(r'{{ printf "%q" \$labels\.(\w+) }}', lambda found: json.dumps(labels[found[1]]), proof)
        gone = [] if case.fires else [{"labels": "{}", "value": 1}]
        yield {"expr": f"vector(1) and on () ({here})", "eval_time": time, "exp_samples": gone}


def inputs(series: Sequence[Series]) -> list[dict[str, str]]:
    """Return the series as promtool reads them, each scraped by two replicas, of which no alert may tell."""
    return [
        {
            "series": one.name
            + _braced({"instance": replica, "job": "exporter"} | dict(one.subject) | dict(one.labels)),
            "values": " ".join(_values(one.values)),
        }
        for one in series
        for replica in ("one:8000", "two:8000")
    ]


def _braced(labels: Mapping[str, str]) -> str:
    pairs = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(labels.items()))
    return "{" + ",".join(pairs) + "}"


def _values(values: Sequence[Value]) -> Iterator[str]:
    for value, same in groupby(values, key=lambda value: "NaN" if value != value else value):
        count = len(list(same))
        if value is None:
            yield f"_x{count}"
        elif isinstance(value, str):
            yield from [value] * count
        else:
            number = repr(float(value))
            yield f"{number}x{count - 1}" if count > 1 else number
