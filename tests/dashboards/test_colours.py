"""One colour has one meaning, is readable in its theme, and calm is never red."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from exporter.sources.protocol import Reason
from grafana.palette import CANVAS, FIGURE, TEXT, Palette, contrast, luminance, readable
from grafana.panel_fields import NEUTRAL
from tests.dashboards.conftest import settings_of
from tests.dashboards.reading import every, panels

THEMES = ("dark", "light")
WRITTEN = {"stat", "table"}  # panels whose colours are those of text


@pytest.fixture(scope="module", params=THEMES)
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def boards(theme: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return every(settings_of(tmp_path_factory.mktemp("settings"), dashboards={"theme": theme}))


def colours(panel: dict[str, Any]) -> set[str]:
    """Return all colours that a panel may show, except Grafana's own."""
    return set(re.findall(r'"(#[0-9a-f]{6})"', json.dumps(panel["fieldConfig"]).lower()))


def tiles(boards: dict[str, dict[str, Any]], *kinds: str) -> Iterator[dict[str, Any]]:
    """Yield the panels of these kinds of all dashboards."""
    yield from (panel for board in boards.values() for panel in panels(board) if panel["type"] in kinds)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert luminance("#ff0000") == pytest.approx(0.2126)


def test_text_can_be_read_and_figures_can_be_seen_in_their_theme(
    boards: dict[str, dict[str, Any]], theme: str
) -> None:
    poor = {
        (board, panel["title"], colour)
        for board, dashboard in boards.items()
        for panel in panels(dashboard)
        for colour in colours(panel)
        if contrast(colour, CANVAS[theme]) < (TEXT if panel["type"] in WRITTEN else FIGURE)
    }
    assert poor == set()


def test_a_colour_that_can_be_read_stays_as_the_settings_have_it() -> None:
    assert readable("#2ecc71", "dark", TEXT) == "#2ecc71"
    assert contrast("#2ecc71", CANVAS["light"]) < FIGURE
    assert contrast(readable("#2ecc71", "light", TEXT), CANVAS["light"]) >= TEXT


def test_no_value_has_the_colour_of_text(boards: dict[str, dict[str, Any]]) -> None:
    for panel in tiles(boards, "stat", "gauge", "bargauge"):
        defaults = panel["fieldConfig"]["defaults"]
        (unknown,) = (one["options"] for one in defaults["mappings"] if one["type"] == "special")
        assert unknown["match"] == "null+nan", panel["title"]
        assert unknown["result"]["color"] == NEUTRAL, panel["title"]
        assert unknown["result"]["text"] == defaults["noValue"], panel["title"]


def test_a_figure_without_a_limit_is_never_red(
    boards: dict[str, dict[str, Any]], theme: str, tmp_path: Path
) -> None:
    bad = Palette(settings_of(tmp_path, dashboards={"theme": theme})).bad
    for panel in tiles(boards, "stat"):
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert len(steps) > 1 or steps[0]["color"] != bad, panel["title"]


def test_a_profit_that_lacks_a_bot_is_not_green(boards: dict[str, dict[str, Any]]) -> None:
    seen = 0
    for panel in tiles(boards, "stat"):
        for target in panel["targets"]:
            if target["legendFormat"].endswith("not known"):
                (steps,) = (
                    one["value"]["steps"]
                    for rule in panel["fieldConfig"]["overrides"]
                    if rule["matcher"]["options"] == target["refId"]
                    for one in rule["properties"]
                    if one["id"] == "thresholds"
                )
                top = panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["color"]
                assert NEUTRAL in {one["color"] for one in steps}
                assert top not in {one["color"] for one in steps}, panel["title"]
                seen += 1
    assert seen >= 4


def test_unknown_cells_have_no_colour(boards: dict[str, dict[str, Any]]) -> None:
    for panel in tiles(boards, "table"):
        for rule in panel["fieldConfig"]["overrides"]:
            said = {one["id"]: one["value"] for one in rule["properties"]}
            if "thresholds" in said:
                (unknown,) = (one for one in said["mappings"] if one["type"] == "special")
                assert unknown["options"]["result"] == {"text": "–", "color": NEUTRAL, "index": 99}


def test_each_meaning_has_one_colour_on_all_boards(
    boards: dict[str, dict[str, Any]], theme: str, tmp_path: Path
) -> None:
    look = Palette(settings_of(tmp_path, dashboards={"theme": theme}))
    meant = {
        "down": {look.bad}, "critical": {look.bad}, "unhealthy": {look.bad}, "up": {look.good},
        "running": {look.good}, "healthy": {look.good}, "warning": {look.warn}, "paused": {look.warn},
    }  # fmt: skip
    shown: dict[str, set[str]] = {}
    for board in boards.values():
        for panel in panels(board):
            for text, colour in re.findall(
                r'"text": "(\w+)", "color": "(#\w+)"', json.dumps(panel["fieldConfig"])
            ):
                shown.setdefault(text, set()).add(colour)
    assert {name: shown[name] for name in meant} == meant


def test_a_failed_poll_has_the_colour_of_a_failure_whatever_its_reason(
    boards: dict[str, dict[str, Any]], theme: str, tmp_path: Path
) -> None:
    look = Palette(settings_of(tmp_path, dashboards={"theme": theme}))
    (panel,) = (one for one in panels(boards["nightdesk"]) if one["title"] == "Polls by outcome")
    painted = {
        reason: {
            rule["properties"][0]["value"]["fixedColor"]
            for rule in panel["fieldConfig"]["overrides"]
            if re.search(rule["matcher"]["options"].strip("/"), reason)
        }
        for reason in get_args(Reason)
    }
    assert painted == {reason: {look.warn if reason == "timeout" else look.bad} for reason in painted}


def test_live_trades_are_not_green_as_if_all_were_well(boards: dict[str, dict[str, Any]]) -> None:
    charts = [
        panel
        for panel in tiles(boards, "timeseries")
        if "live" in [target["legendFormat"] for target in panel["targets"]]
    ]
    assert len(charts) >= 8
    for panel in charts:
        painted = [
            rule["properties"][0]["value"]["fixedColor"]
            for rule in panel["fieldConfig"]["overrides"]
            if rule["matcher"]["options"] == "live"
        ]
        assert len(painted) == 1, f"{panel['title']}: Grafana's first colour is green"


def test_what_went_well_and_what_failed_have_the_colours_of_that(
    boards: dict[str, dict[str, Any]], theme: str, tmp_path: Path
) -> None:
    look = Palette(settings_of(tmp_path, dashboards={"theme": theme}))
    meant = {"resolved": look.good, "refused": look.bad, "opened": look.warn, "telegram failed": look.bad}
    charts = ("Alerts by result", "Polls by outcome", "Webhooks received", "Messages")
    for panel in (one for one in panels(boards["nightdesk"]) if one["title"] in charts):
        painted = {
            name: rule["properties"][0]["value"]["fixedColor"]
            for rule in panel["fieldConfig"]["overrides"]
            for name in meant
            if re.search(rule["matcher"]["options"].strip("/"), name)
        }
        assert painted == meant, panel["title"]
