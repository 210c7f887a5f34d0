"""Charts are readable: columns from zero, one currency a scale, few lines, and variables take effect."""

import math
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from exporter.catalogue import METRICS
from grafana.panel_fields import Query
from grafana.panels import MOST_LINES
from grafana.promql import extreme
from tests.dashboards.conftest import END, serving, settings_of
from tests.dashboards.reading import View, every, panels, run

MANY = 12  # bots, symbols, models, …
BOTS = {f"bot{number}": {"currency": "BTC"} if number == 1 else {} for number in range(MANY)}
FEW = {
    "outcome": ("won", "lost", "even"), "side": ("long", "short"), "severity": ("critical", "error", "info"),
    "source": ("api", "logs"), "window": ("day", "week", "month", "total", "1h", "24h", "1d"),
    "confidence": ("0.95", "0.99"), "le": ("1", "+Inf"), "state": ("running", "stopped"),
    "objective": ("availability", "error_rate", "response_time", "data_age", "model_accuracy", "throughput"),
}  # fmt: skip
_RECORDED = re.compile(r"\b(\w+):(?:trading_bot|nightdesk)_\w+:\w+\b")
_OTHERS = {
    "up": ("job",), "scrape_duration_seconds": ("job",), "process_resident_memory_bytes": ("job",),
    "prometheus_rule_group_last_duration_seconds": ("rule_group", "job"),
    "alertmanager_notifications_total": ("integration", "job"),
    "alertmanager_notifications_failed_total": ("integration", "job"),
    "nightdesk_messages_total": ("channel", "outcome", "job"),
}  # fmt: skip
CHOOSERS = ("bot", "symbol", "exchange", "side", "outcome", "host", "part")
Board = dict[str, Any]


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Board]:
    source = {"type": "http", "url": "http://127.0.0.1:1", "token_file": "token"}
    bots = {name: {"source": source} | more for name, more in BOTS.items()}
    return every(settings_of(tmp_path_factory.mktemp("settings"), bots=bots, demo={"enabled": False}))


def charts(board: Board) -> Iterator[Board]:
    """Yield the charts of lines and columns."""
    yield from (panel for panel in panels(board) if panel["type"] == "timeseries")


def _values(label: str) -> tuple[str, ...]:
    if label == "bot":
        return tuple(BOTS)
    return FEW.get(label, tuple(f"{label}{number}" for number in range(MANY)))


def _series(name: str, labels: tuple[str, ...]) -> Iterator[str]:
    for values in product(*(_values(label) for label in labels)):
        said = ",".join(f'{label}="{value}"' for label, value in zip(labels, values, strict=True))
        yield f"{name}{{{said}}}"


@pytest.fixture(scope="module")
def crowded(boards: dict[str, Board], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a Prometheus in which every label has its maximum number of values."""
    kinds: dict[str, tuple[str, ...]] = dict(_OTHERS)
    for metric in METRICS:
        about = (("bot",) if metric.of_bot else ()) + metric.labels
        if metric.type == "histogram":
            kinds |= {f"{metric.full_name}_bucket": (*about, "le")}
        else:
            kinds[metric.full_name] = about
    asked = [
        target["expr"] for board in boards.values() for panel in panels(board) for target in panel["targets"]
    ]
    for name in {found[0] for expr in asked for found in _RECORDED.finditer(expr)}:
        kinds[name] = tuple(name.partition(":")[0].split("_"))
    times = range(END - 1200, END + 1, 60)
    samples: Mapping[str, list[tuple[int, float]]] = {
        one: [(at, 0.1 + number % 97 + (at - END) / 1e4) for at in times]
        for name, labels in kinds.items()
        for number, one in enumerate(_series(name, labels))
    }
    with serving(samples, tmp_path_factory.mktemp("crowded")) as url:
        yield url


def test_no_chart_has_more_lines_than_eyes_can_follow(boards: dict[str, Board], crowded: str) -> None:
    view = View(END, back=900)
    crowds, drawn = {}, 0
    for name, board in boards.items():
        rows = {panel["id"]: row for row, panel in _with_rows(board)}
        for panel in (one for one in panels(board) if one["type"] in {"timeseries", "bargauge"}):
            repeated = rows[panel["id"]]
            chosen = {repeated: _values(repeated)[0]} if repeated else {}
            seen = View(view.at, view.back, chosen=chosen)
            lines = sum(len(run(crowded, seen, panel, target).points) for target in panel["targets"])
            drawn += lines > 1
            if lines > MOST_LINES:
                crowds[name, panel["title"]] = lines
    assert crowds == {}
    assert drawn > 20, "most charts have something to draw"


def _with_rows(board: Board) -> Iterator[tuple[str | None, Board]]:
    """Yield each panel and the variable over which its row repeats."""
    row: str | None = None
    for panel in board["panels"]:
        if panel["type"] == "row":
            row = panel.get("repeat")
            yield from ((row, one) for one in panel["panels"])
        else:
            yield row, panel


def test_the_worst_of_a_range_are_the_same_over_all_of_it_and_may_have_ended(tmp_path: Path) -> None:
    end = END - END % 60
    paths = {
        'x{bot="rises"}': {at: 5 if at > end - 120 else 0 for at in range(end - 1800, end + 1, 60)},
        'x{bot="falls {deep}"}': {at: 1 if at > end - 120 else 9 for at in range(end - 1800, end + 1, 60)},
        'x{bot="ended"}': dict.fromkeys(range(end - 1800, end - 900, 60), 7),
    }
    samples = {name: [(at, float(value)) for at, value in path.items()] for name, path in paths.items()}
    expr = extreme('max by (bot) (x{bot=~".+",bot!="}\\"{"})', 2, "highest")
    with serving(samples, tmp_path) as url:
        panel = {"title": "x", "interval": None}
        found = run(url, View(end, back=1800), panel, {"refId": "A", "expr": expr, "instant": False})
    assert found.by("bot").keys() == {"rises", "ended"}
    assert len(found.points[frozenset({("bot", "rises")})]) == 31, "before it rose too"


def test_a_counter_is_counted_to_the_end_of_the_range() -> None:
    found = extreme('rate(x{a="1"}[5m] offset 1h) + y{a="2"} offset -1h', 3, "lowest")
    chosen = 'rate(x{a="1"}[5m] @ end() offset 1h) + last_over_time(y{a="2"}[$__range] @ end() offset -1h)'
    assert found.endswith(f"bottomk(3, {chosen})")


def test_the_usual_is_the_median_and_the_band_of_the_weeks_that_there_are(tmp_path: Path) -> None:
    week = 7 * 86_400
    boards = every(settings_of(tmp_path, bots={}))
    before = {"all": (1.0, 2.0, 3.0, 10.0), "young": (4.0,)}
    samples = {
        f'trading_bot_error_rate{{bot="{bot}"}}': [
            (END - ago * week + at, value)
            for ago, value in sorted(enumerate((5.0, *weeks)), reverse=True)
            for at in range(-3600, 1, 60)
        ]
        for bot, weeks in before.items()
    }
    (row,) = (one for one in boards["overview"]["panels"] if one.get("title") == "Against its own usual")
    (panel,) = (one for one in row["panels"] if one["title"] == "Error rate against the usual")
    with serving(samples, tmp_path) as url:
        now, usual, lowest, highest = (
            run(url, View(END, back=120), panel, target).by("bot") for target in panel["targets"]
        )
    assert row["collapsed"] is True
    assert now == {"all": 5, "young": 5}
    assert usual == {"all": 2.5, "young": 4}
    assert (lowest["all"], highest["all"]) == (1, 10)


def test_columns_begin_at_zero(boards: dict[str, Board]) -> None:
    columns = [
        panel
        for board in boards.values()
        for panel in charts(board)
        if panel["fieldConfig"]["defaults"]["custom"]["drawStyle"] == "bars"
    ]
    assert len(columns) >= 5
    assert [one["title"] for one in columns if one["fieldConfig"]["defaults"].get("min") != 0] == []


def test_an_area_and_a_cost_have_zero_on_their_axis(boards: dict[str, Board], tmp_path: Path) -> None:
    edge = every(settings_of(tmp_path))["edge"]  # a board of bots with a reference
    seen = set[str]()
    for panel in (one for board in (*boards.values(), edge) for one in charts(board)):
        custom = panel["fieldConfig"]["defaults"]["custom"]
        if custom["fillOpacity"] > 0 and custom["drawStyle"] == "line":
            assert (custom["axisSoftMin"], custom["axisSoftMax"]) == (0, 0), panel["title"]
            seen.add(panel["title"].partition(",")[0])
        if panel["title"] in ("Fees, live and reference", "Slippage, live and reference"):
            zero = {"custom.axisSoftMin": 0, "custom.axisSoftMax": 0}
            said = {
                one["id"]: one["value"]
                for rule in panel["fieldConfig"]["overrides"]
                if rule["matcher"]["options"] == ".*"
                for one in rule["properties"]
            }
            assert said == zero, f"{panel['title']}: its labels would repeat"
            seen.add(panel["title"])
    assert seen >= {"P&L over time", "P&L of each bot", "Fees, live and reference"}


def test_a_chart_of_a_currency_says_that_no_bot_of_it_may_be_chosen(boards: dict[str, Board]) -> None:
    of_one = [
        one for board in boards.values() for one in panels(board) if re.search(r", [A-Z]{3,4}$", one["title"])
    ]
    assert len(of_one) >= 10
    for panel in of_one:
        currency = panel["title"].rpartition(", ")[2]
        assert f"no {currency} bot chosen" in panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


def test_a_scale_has_one_unit(boards: dict[str, Board]) -> None:
    for board in boards.values():
        for panel in charts(board):
            said = [one["id"] for rule in panel["fieldConfig"]["overrides"] for one in rule["properties"]]
            assert "unit" not in said, panel["title"]


def test_axes_have_the_decimals_that_grafana_gives_them(boards: dict[str, Board]) -> None:
    for board in boards.values():
        for panel in charts(board):
            assert panel["fieldConfig"]["defaults"].get("decimals") is None, panel["title"]


def test_an_axis_of_large_numbers_does_not_round_its_labels(boards: dict[str, Board]) -> None:
    units = {one["fieldConfig"]["defaults"]["unit"] for board in boards.values() for one in charts(board)}
    assert "short" not in units, "it shows 388,400,000 and 387,600,000 as 388 Mil"


def test_legends_of_counts_have_no_decimals(boards: dict[str, Board]) -> None:
    counts = [
        panel
        for board in boards.values()
        for panel in charts(board)
        if panel["fieldConfig"]["defaults"]["unit"] == "locale"
    ]
    assert len(counts) >= 5
    for panel in counts:
        assert all("round(" in target["expr"] for target in panel["targets"]), panel["title"]


def test_legends_say_95_percent_and_not_a_fraction(boards: dict[str, Board]) -> None:
    legends = [t["legendFormat"] for board in boards.values() for p in panels(board) for t in p["targets"]]
    assert [one for one in legends if re.search(r"confidence\}|quantile|0\.\d", one)] == []
    assert [one for one in legends if "{{percent}}" in one]


def test_labels_of_an_axis_of_time_do_not_repeat(boards: dict[str, Board]) -> None:
    for board in boards.values():
        for panel in charts(board):
            if panel["fieldConfig"]["defaults"]["unit"] == "s":
                assert "axisSoftMin" in panel["fieldConfig"]["defaults"]["custom"], panel["title"]


def test_tiles_of_money_group_their_digits(boards: dict[str, Board]) -> None:
    for board in boards.values():
        for panel in panels(board):
            if panel["type"] in {"stat", "bargauge", "gauge"}:
                units = re.findall(r"suffix:[A-Z]+", str(panel["fieldConfig"]))
                assert units == [], panel["title"]


def test_every_query_obeys_a_chooser_that_its_board_shows(boards: dict[str, Board], tmp_path: Path) -> None:
    deaf = set()
    for name, board in boards.items():
        shown = [one["name"] for one in board["templating"]["list"] if one["hide"] == 0]
        for panel in panels(board):
            for target in panel["targets"]:
                heard = [one for one in CHOOSERS if re.search(rf"\${one}\b", target["expr"])]
                if not set(heard) & set(shown):
                    deaf.add((name, panel["title"], target["expr"]))
    assert deaf == set()


def test_the_lines_of_a_query_are_counted_by_the_labels_of_its_legend() -> None:
    assert Query("x", "{{bot}} {{side}}").lines({"bot": 3, "side": 2}) == 6
    assert Query("x", "p50").lines({}) == 1
    assert math.isinf(Query("x", "{{symbol}}").lines({"bot": 3}))
