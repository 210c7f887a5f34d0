"""Every range of the settings refuses a value just outside; the error has path, value and range."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from stack.settings import Duration, Settings, Size
from stack.settings.types import Between
from tests.settings.conftest import Refuse

SAMPLES = {"alerts": "Down", "limits": "default"}  # a key of each mapping whose values have ranges


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the model of an annotation, without Optional and Annotated."""
    if get_origin(annotation) is Annotated:
        return _model(get_args(annotation)[0])
    found = [_model(part) for part in get_args(annotation)] if get_args(annotation) else [annotation]
    models = [one for one in found if isinstance(one, type) and issubclass(one, BaseModel)]
    return models[0] if len(models) == 1 else None


def _ranges(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Between, Any]]:
    """Yield path, range and type of each field that has a range."""
    for name, field in model.model_fields.items():
        where = f"{path}.{field.alias or name}".lstrip(".")
        for meta, annotation in _annotated(field.annotation, field.metadata):
            if isinstance(meta, Between):
                yield where, meta, annotation
        inner = _model(field.annotation)
        if inner and get_origin(field.annotation) is dict:
            if name in SAMPLES:
                yield from _ranges(inner, f"{where}.{SAMPLES[name]}")
        elif inner and get_origin(field.annotation) is not list and "bots" not in where:
            yield from _ranges(inner, where)


def _annotated(annotation: Any, metadata: list[Any]) -> Iterator[tuple[Any, Any]]:
    yield from ((meta, annotation) for meta in metadata)
    for part in get_args(annotation) if get_origin(annotation) is not list else ():  # Annotated[…] | None
        if get_origin(part) is Annotated:
            yield from ((meta, get_args(part)[0]) for meta in get_args(part)[1:])


RANGES = {path: (between, kind) for path, between, kind in _ranges(Settings)}


def _outside(between: Between, kind: Any, *, above: bool) -> Any:
    """Return a value just outside, in the file's form; None if there is none, as below 0s."""
    limit = between.high if above else between.low
    if isinstance(limit, str):
        parse = Size.parse if issubclass(kind, Size) else Duration.parse
        step = 1 if issubclass(kind, Size) else 0.001
        outside = parse(limit) + (step if above else -step)
        return None if outside < 0 else str((Size if issubclass(kind, Size) else Duration)(outside))
    step = 1 if kind is int else abs(limit) * 1e-6 + 1e-9
    return limit + step if above else limit - step


def _nested(values: dict[str, Any]) -> str:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *parents, leaf = path.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
    return yaml.safe_dump(tree)


@pytest.mark.parametrize("above", [True, False])
def test_every_range_names_path_value_and_what_is_allowed(refused: Refuse, above: bool) -> None:
    wrong = {path: _outside(between, kind, above=above) for path, (between, kind) in RANGES.items()}
    wrong = {path: value for path, value in wrong.items() if value is not None}
    expected = {
        f"{path}: {value} is not in {RANGES[path][0].low}–{RANGES[path][0].high}"
        for path, value in wrong.items()
    }
    assert set(refused(_nested(wrong))) == expected
    assert len(expected) > 70


@pytest.mark.parametrize("end", ["low", "high"])
def test_the_ends_of_every_range_are_inside_it(refused: Refuse, end: str) -> None:
    ends = {path: getattr(between, end) for path, (between, _) in RANGES.items()}
    # The remaining errors are twins at the same end: no value is out of its range.
    assert not [problem for problem in refused(_nested(ends)) if "is not in " in problem]


# The ranges come from FIGURES, not from the code.
@pytest.mark.parametrize(
    ("path", "low", "high"),
    [
        ("storage.retention", "1d", "365d"),
        ("storage.influxdb.flush_interval", "1s", "60s"),
        ("thresholds.critical.down_after", "60s", "1800s"),
        ("thresholds.critical.max_drawdown", 0.05, 0.30),
        ("thresholds.critical.critical_loss", 0.10, 0.50),
        ("thresholds.critical.error_rate", 0.01, 0.20),
        ("thresholds.critical.memory_usage", 0.70, 0.95),
        ("thresholds.critical.cpu_usage", 0.80, 0.98),
        ("thresholds.critical.response_time", "2s", "10s"),
        ("thresholds.warning.response_time", "500ms", "5s"),
        ("thresholds.critical.data_age", "300s", "1800s"),
        ("thresholds.critical.model_accuracy", 0.3, 0.8),
        ("thresholds.critical.disk_usage", 0.80, 0.98),
        ("thresholds.warning.win_rate", 0.3, 0.6),
        ("thresholds.warning.trades_per_hour", 0.01, 1.0),
        ("thresholds.warning.volatility", 0.01, 0.5),
        ("thresholds.warning.prediction_confidence", 0.4, 0.8),
        ("thresholds.warning.data_quality", 0.5, 0.9),
        ("milestones.daily_pnl", 100, 10_000),
        ("milestones.trades_count", 10, 500),
        ("milestones.uptime", "1h", "168h"),
        ("milestones.weekly_pnl", 1000, 50_000),
        ("milestones.monthly_pnl", 5000, 200_000),
        ("milestones.sharpe_ratio", 1, 5),
        ("milestones.max_consecutive_wins", 5, 50),
        ("escalation.no_response", "15m", "120m"),
        ("escalation.repeated_alerts.count", 2, 10),
        ("escalation.system_down.after", "5m", "30m"),
        ("performance.tracking.interval", "30s", "300s"),
        ("performance.benchmarks.min_sharpe_ratio", 0.5, 2.0),
        ("performance.benchmarks.min_uptime", 0.95, 0.999),
        ("performance.benchmarks.max_memory_usage", 0.7, 0.9),
        ("performance.benchmarks.min_confidence", 0.5, 0.9),
        ("dashboards.refresh", "10s", "120s"),
        ("logs.rotate_size", "1MB", "10GB"),
        ("logs.keep_files", 1, 100),
        ("logs.keep_for", "7d", "365d"),
    ],
)
def test_ranges_are_those_of_the_figures(path: str, low: float | str, high: float | str) -> None:
    between, kind = RANGES[path]
    parse = (Size if issubclass(kind, Size) else Duration).parse if isinstance(low, str) else float
    assert (parse(between.low), parse(between.high)) == (parse(low), parse(high))


def test_lists_have_ranges_too(refused: Refuse) -> None:
    text = "dashboards: {sizes: {small: [9, 1]}, gauge_steps: {risk: [0.5, 0.8, 1.5]}, ranges: [1m]}"
    assert set(refused(text)) == {
        "dashboards.sizes.small[0]: 9 is not in 1–8",
        "dashboards.gauge_steps.risk[2]: 1.5 is not in 0.0–1.0",
        "dashboards.ranges[0]: 1m is not in 5m–365d",
    }
