"""Each recording rule has the value that follows from its inputs and settings; none is left out."""

import json
import math
from pathlib import Path
from typing import Any

from stack.settings import Settings
from tests.rules.promtool import SLOW, inputs, read, run, write
from tests.rules.records import COUNT, Recorded, every_record, values

STEP = 1e-6  # the tolerance for float arithmetic in another order


def test_every_recording_rule_has_its_value(settings: Settings, rules: Path, tmp_path: Path) -> None:
    when = (COUNT - 1) * settings.collection.trading.interval
    test = {
        "interval": str(settings.collection.trading.interval),
        "input_series": inputs(list(every_record(settings))),
        "promql_expr_test": [_expectation(value, int(when)) for value in values(settings)],
    }
    file = write(tmp_path / "tests.yml", [test], sorted(rules.glob("*.yml")), SLOW)
    assert run([file]) == ""


def test_no_recording_rule_is_left_out(settings: Settings, rules: Path) -> None:
    recorded = {
        (rule["record"], *sorted(rule.get("labels", {}).items()))
        for file in rules.glob("*.yml")
        for rule in read(file)
        if "record" in rule
    }
    checked = {
        (value.record, *sorted(labels.items())) for value in values(settings) for labels, _ in value.samples
    }
    unchecked = [rule for rule in recorded if not any(set(rule) <= set(sample) for sample in checked)]
    assert unchecked == []


def _expectation(value: Recorded, when: int) -> dict[str, Any]:
    samples = [
        {"labels": _braced(dict(labels)), "value": _rounded(figure)} for labels, figure in value.samples
    ]
    return {"expr": f"round({value.record}, {STEP})", "eval_time": f"{when}s", "exp_samples": samples}


def _rounded(figure: float) -> float:
    """Return a figure rounded like PromQL's `round`."""
    return math.floor(figure / STEP + 0.5) / (1 / STEP)


def _braced(labels: dict[str, str]) -> str:
    return "{" + ",".join(f"{name}={json.dumps(text)}" for name, text in labels.items()) + "}"
