"""Writes test files for `promtool test rules` and runs them."""

import json
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from stack.drill.cases.case import NUMBER, Case, Series, Value, slow_pace
from stack.settings import Duration, Settings
from tests.conftest import binary
from tests.rules.design import SEVERITY, condition

# The labels of a rule, its alert's name among them, and its `verify`.
Proof = tuple[dict[str, str], str]
SLOW = Duration(60)  # between two evaluations of recording rules over hours
# A rule comes after the rules that it reads; promtool would use any order.
ORDER = (
    "signals", "last-known", "health", "budget-bricks", "budget-", "objectives", "performance",
    "milestones", "fleet", "guard", "critical", "warning", "slo", "info", "meta",
)  # fmt: skip


def run(files: Sequence[Path]) -> str:
    """Return promtool's errors for the test files, or an empty text. The environment's PROMTOOL3 may name
    another promtool, which must agree.
    """
    programs = [str(binary("promtool")), *filter(None, [os.environ.get("PROMTOOL3")])]
    return "".join(_complaints(program, files) for program in programs)


def _complaints(program: str, files: Sequence[Path]) -> str:
    done = subprocess.run([program, "test", "rules", *map(str, files)], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{program}:\n{done.stdout}{done.stderr}"


def write(file: Path, tests: Iterable[Mapping[str, Any]], rules: Sequence[Path], pace: Duration) -> Path:
    """Write a test file over rule files that are evaluated at a pace, and return it."""
    ordered = sorted(rules, key=_order)
    content = {
        "rule_files": [str(one) for one in ordered],
        "group_eval_order": [one.stem for one in ordered],
        "evaluation_interval": str(pace),
        "tests": list(tests),
    }
    file.write_text(
        yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    return file


def _order(file: Path) -> int:
    return next(place for place, word in enumerate(ORDER) if file.stem.startswith(f"trading-bot-{word}"))


def needed(alerts: Path, rules: Collection[Path]) -> list[Path]:
    """Return the file of alerts and the files that it needs, directly or not: others only take time."""
    found, unread = {alerts}, [alerts]
    while unread:
        queries = " ".join(rule["expr"] for rule in read(unread.pop()))
        more = {file for file in rules if _feeds(file, queries)} - found
        found |= more
        unread += more
    return sorted(found)


def _feeds(file: Path, queries: str) -> bool:
    asked = re.findall(r'ALERTS{alertname=~"([^"]+)"', queries)
    return any(
        _is_asked(rule["alert"], asked) if "alert" in rule else rule["record"] in queries
        for rule in read(file)
    )


def _is_asked(alert: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(pattern, alert) for pattern in patterns)


@cache
def read(file: Path) -> list[dict[str, Any]]:
    """Return the rules of a file."""
    groups = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def files(cases: Sequence[Case], settings: Settings, rules: Path, folder: Path) -> list[Path]:
    """Write the cases as test files, one for each file of alerts, and return them."""
    every = sorted(rules.glob("*.yml"))
    written = []
    for file in every:
        alerts = {rule["alert"] for rule in read(file) if "alert" in rule}
        for slow, pace in ((False, settings.collection.evaluation_interval), (True, slow_pace(settings))):
            chosen = [case for case in cases if case.slow == slow and f"TradingBot{case.alert}" in alerts]
            if chosen:
                tests = as_tests(chosen, settings, _proofs(file))
                written.append(write(folder / f"{file.stem}-{pace}.yml", tests, needed(file, every), pace))
    return written


def _proofs(file: Path) -> list[Proof]:
    return [
        ({"alertname": rule["alert"]} | rule["labels"], rule["annotations"]["verify"])
        for rule in read(file)
        if "verify" in rule.get("annotations", {})
    ]


def as_tests(cases: Sequence[Case], settings: Settings, proofs: Sequence[Proof]) -> Iterator[dict[str, Any]]:
    """Yield promtool's tests of the cases: cases of one length share one storage, each about its own subject.
    `proofs` are the `verify` of alerts: false while the cause lasts, true once the alert has resolved.
    """
    storages: defaultdict[object, list[Case]] = defaultdict(list)
    for index, case in enumerate(cases):
        # All cases of a storage are evaluated for the same time, so short cases stay apart from long ones.
        place = f"as long as 2^{int(case.at).bit_length()}s" if case.together else index
        storages[place].append(_numbered(case, index))
    for place, group in storages.items():
        yield {
            "name": place if isinstance(place, str) else group[0].says,
            "interval": str(settings.collection.trading.interval),
            "input_series": [line for case in group for line in inputs(case.series)],
            "promql_expr_test": [test for case in group for test in _expectations(case, proofs)],
        }


def _numbered(case: Case, index: int) -> Case:
    def of(labels: Mapping[str, str]) -> dict[str, str]:
        return {name: value.replace(NUMBER, str(index)) for name, value in labels.items()}

    series = [Series(one.name, one.values, one.labels, of(one.subject)) for one in case.series]
    return replace(case, series=series, labels=of(case.labels))


def _expectations(case: Case, proofs: Sequence[Proof]) -> Iterator[dict[str, Any]]:
    """Yield the expectations: the alert with exactly its labels, or none; and the proof of its end."""
    name = f"TradingBot{case.alert}"
    asked = {"alertname": name, "alertstate": "firing"} | dict(case.labels)
    labels = {"severity": SEVERITY[case.alert], "condition": condition(case.alert)} | asked
    time = str(Duration(case.at))
    fired = [{"labels": f"ALERTS{_braced(labels)}", "value": 1}] if case.fires else []
    yield {"expr": f"ALERTS{_braced(asked)}", "eval_time": time, "exp_samples": fired}
    fitting = [(len(rule), query) for rule, query in proofs if rule.items() <= labels.items()]
    _, proof = max(fitting, default=(0, ""))
    if proof and case.lasts and (case.fires or case.says == "resolves"):
        here = re.sub(
            r'{{ printf "%q" \$labels\.(\w+) }}', lambda found: json.dumps(labels.get(found[1], "")), proof
        )
        gone = [] if case.fires else [{"labels": "{}", "value": 1}]
        yield {"expr": f"vector(1) and on () ({here})", "eval_time": time, "exp_samples": gone}


def inputs(series: Sequence[Series]) -> list[dict[str, str]]:
    """Return the series in promtool's form, each scraped by two replicas; no alert may name a replica."""
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
