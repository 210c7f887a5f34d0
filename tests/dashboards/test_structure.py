"""What people and Grafana 13 need in every dashboard, whatever the settings."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.build import dashboards
from stack.settings import Settings
from tests.dashboards.conftest import settings_of
from tests.dashboards.reading import HELPS, panels
from tests.dashboards.reading import every as every_of

# Core panels of Grafana 13.
TYPES = {
    "stat",
    "timeseries",
    "table",
    "state-timeline",
    "gauge",
    "bargauge",
    "logs",
    "piechart",
    "barchart",
    "heatmap",
}
TRANSFORMATIONS = {"merge", "organize"}
# Metrics of a bot, or of the exporter about a bot; hosts, endpoints and the parts of Nightdesk are no bot's.
_OF_BOTS = re.compile(
    r"(?<!\w)(bot\w*:)?(trading_bot_(?!host_|network_|health)|nightdesk_exporter_(?!resident_memory))"
)
# Grafana has these beside its published schema, from which grafana-foundation-sdk is made.
NOT_IN_SCHEMA = {
    "annotations.list.step",  # these four are the Prometheus data source's own
    "annotations.list.titleFormat",
    "annotations.list.textFormat",
    "annotations.list.useValueForTime",
    "annotations.list.placement",  # in the schema that Grafana 13.2 publishes for npm
    "templating.list.definition",
}
ODD_SIZES = {"small": [8, 1], "medium": [5, 3], "large": [1, 8], "xlarge": [7, 7]}


@pytest.fixture(scope="module", params=[{}, {"dashboards": {"sizes": ODD_SIZES}}, {"bots": {}}], ids=str)
def every(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    settings = settings_of(tmp_path_factory.mktemp("settings"), **request.param)
    return list(every_of(settings).values())


def test_no_panels_overlap_or_leave_the_grid(every: list[dict[str, Any]]) -> None:
    for dashboard in every:
        places = [panel["gridPos"] for panel in dashboard["panels"] if panel["type"] != "row"]
        assert all(one["x"] >= 0 and one["x"] + one["w"] <= 24 for one in places)
        for one, other in itertools.combinations(places, 2):
            apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert apart_x or apart_y, (one, other)


def test_every_panel_has_a_title_a_description_a_unit_and_a_word_for_nothing(
    every: list[dict[str, Any]],
) -> None:
    for dashboard in every:
        for panel in panels(dashboard):
            defaults = panel["fieldConfig"]["defaults"]
            assert all([panel["title"], panel["description"], defaults["unit"], defaults["noValue"]]), panel


def test_uids_are_unique_and_panel_ids_are_unique_within_a_dashboard(every: list[dict[str, Any]]) -> None:
    uids = [dashboard["uid"] for dashboard in every]
    assert len(uids) == len(set(uids))
    for dashboard in every:
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids))


def test_every_query_asks_the_chosen_data_source_and_the_chosen_bots(every: list[dict[str, Any]]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for dashboard in every:
        (variable,) = (one for one in dashboard["templating"]["list"] if one["name"] == "datasource")
        assert (variable["type"], variable["query"], variable["current"]) == ("datasource", "prometheus", {})
        asked = [one["datasource"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
        for panel in panels(dashboard):
            asked += [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            for target in panel["targets"]:
                assert not _OF_BOTS.search(target["expr"]) or "$bot" in target["expr"], panel["title"]
        assert all(one == chosen for one in asked)
        assert not re.search(r'bot="', json.dumps([panel["targets"] for panel in panels(dashboard)]))


def test_all_bots_are_chosen_at_first_and_several_can_be(every: list[dict[str, Any]]) -> None:
    for dashboard in every:
        chosen = {one["name"]: one for one in dashboard["templating"]["list"] if one["type"] == "query"}
        assert list(chosen) == ["bot", "symbol", "exchange", "side", "outcome", "host", "part"]
        for one in chosen.values():
            assert (one["includeAll"], one["multi"], one["allValue"]) == (True, True, ".+")
            assert one["current"]["value"] == ["$__all"]


def test_a_variable_is_shown_where_a_panel_asks_for_it_and_carried_on_everywhere(
    settings: Settings,
) -> None:
    shown = {
        name: [one["name"] for one in dashboard["templating"]["list"] if one["hide"] == 0]
        for name, dashboard in every_of(settings).items()
    }
    assert shown["activity"] == ["bot", "symbol", "side", "outcome"]
    assert shown["market"] == ["bot", "symbol"]
    assert shown["system"] == ["bot", "exchange", "host"]
    assert shown["risk"] == ["bot"]
    for dashboard in every_of(settings).values():
        (link,) = (one for one in dashboard["links"] if one["type"] == "dashboards")
        assert (link["includeVars"], link["keepTime"], link["tags"]) == (True, True, dashboard["tags"])


def test_all_fifteen_exist_for_every_profile_and_the_first_bot_gets_the_simple_ones(tmp_path: Path) -> None:
    provisioned = {}
    for profile in ("starter", "experienced", "production"):
        settings = settings_of(tmp_path, profile=profile)
        assert len(every_of(settings)) == 15
        provisioned[profile] = list(dashboards(settings, HELPS))
    simple = ["alerts", "edge", "money", "overview", "performance", "positions", "risk", "system"]
    assert provisioned["starter"] == simple
    assert len(provisioned["experienced"]) == len(provisioned["production"]) == 15


def test_a_board_that_no_bot_can_fill_is_left_out(tmp_path: Path) -> None:
    source = {"type": "freqtrade", "url": "http://127.0.0.1:1", "username": "x", "password_file": "token"}
    freqtrade = settings_of(tmp_path, bots={"a": {"source": source}}, demo={"enabled": False})
    assert {"edge", "logs", "model", "market"} & every_of(freqtrade).keys() == set()
    assert "performance" in every_of(freqtrade)


def test_only_times_at_which_something_critical_fired_are_marked_until_more_is_asked_for(
    every: list[dict[str, Any]], tmp_path: Path
) -> None:
    for dashboard in every:
        marked = {one["name"]: one for one in dashboard["annotations"]["list"]}
        assert [name for name, one in marked.items() if one["enable"]] == ["Critical alert"]
        assert marked["Critical alert"]["expr"].startswith("max(ALERTS{"), "one series is one region"
        assert list(marked)[:4] == ["Critical alert", "Actions", "Starts", "Deployments"]
        assert ("Trainings" in marked) == (dashboard["uid"] == "trading-bot-model")
        assert marked["Deployments"]["target"]["tags"] == ["deployment"]
        assert "nightdesk_actions_total" in marked["Actions"]["expr"]
    told = settings_of(tmp_path, channels={"grafana": {"enabled": True, "token_file": "token"}})
    for dashboard in every_of(told).values():
        (actions,) = (one for one in dashboard["annotations"]["list"] if one["name"] == "Actions")
        assert actions["target"]["tags"] == ["nightdesk"], "what the engine itself writes says more"


def test_what_is_not_marked_at_first_is_in_the_menu_and_leaves_the_top_bar_on_one_line(
    every: list[dict[str, Any]],
) -> None:
    for dashboard in every:
        for one in dashboard["annotations"]["list"]:
            assert (one.get("placement") == "inControlsMenu") == (not one["enable"]), one["name"]
        chips = [one for one in dashboard["templating"]["list"] if one["hide"] == 0]
        chips += [one for one in dashboard["annotations"]["list"] if "placement" not in one]
        assert len(chips) <= 5, "more do not fit beside the links on a screen of 1280"


def test_a_panel_says_what_its_metrics_mean(overview: dict[str, Any]) -> None:
    assert HELPS["trading_bot_win_rate"] in _panel(overview, "Win rate")["description"]
    assert HELPS["trading_bot_drawdown_ratio"] in _panel(overview, "Drawdown over time")["description"]


def test_grafana_13_reads_it_without_rewriting_it_as_older(every: list[dict[str, Any]]) -> None:
    for dashboard in every:
        assert dashboard["schemaVersion"] == Dashboard().schema_version
        assert "time_options" not in dashboard["timepicker"]
        assert not dashboard.keys() & {"rows", "style", "__inputs"}
        assert dashboard["editable"] is False
        for panel in panels(dashboard):
            assert panel["type"] in TYPES
            assert panel["pluginVersion"].startswith("13.")
            _is_of_today(panel)
            assert not panel.keys() & {"span", "styles", "columns"}
            assert {one["id"] for one in panel["transformations"]} <= TRANSFORMATIONS
            steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            assert steps[0]["value"] is None
            limits = [step["value"] for step in steps[1:]]
            assert limits == sorted(limits)


def test_grafanas_published_schema_knows_all_that_a_dashboard_says(every: list[dict[str, Any]]) -> None:
    register_default_plugins()
    for dashboard in every:
        known = json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))
        assert sorted(set(_lost(dashboard, known)) - NOT_IN_SCHEMA) == []


def _is_of_today(panel: dict[str, Any]) -> None:
    """Assert that a panel has no old form that Grafana 13 would rewrite."""
    custom, options = panel["fieldConfig"]["defaults"].get("custom", {}), panel["options"]
    changed = [one["id"] for each in panel["fieldConfig"]["overrides"] for one in each["properties"]]
    assert "displayMode" not in custom
    assert "custom.displayMode" not in changed
    assert custom.get("stacking") != {}
    assert "show" not in options.get("tooltip", {})
    legend = options.get("legend", {})
    assert "displayMode" not in legend or legend["showLegend"] is True


def _lost(said: Any, known: Any, path: str = "") -> Iterator[str]:
    """Yield the paths that Grafana's schema does not know."""
    if isinstance(said, dict):
        for key, value in said.items():
            if value not in (None, {}, []):
                yield from _lost(value, (known or {}).get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(said, list):
        for one, other in itertools.zip_longest(said, known or []):
            yield from _lost(one, other, path)
    elif said != known:
        yield path


def test_titles_fit_their_tiles(settings: Settings) -> None:
    for dashboard in every_of(settings).values():
        for panel in panels(dashboard):
            assert len(panel["title"]) <= 6 * panel["gridPos"]["w"], panel["title"]


def test_limits_on_panels_are_those_of_the_alerts(tmp_path: Path) -> None:
    limits = {"critical": {"max_drawdown": 0.07, "error_rate": 0.03, "daily_loss": 50}}
    overview = every_of(settings_of(tmp_path, thresholds=limits))["overview"]
    assert _limits(overview, "Drawdown over time") == [0.07]
    assert _limits(overview, "Drawdown") == [0.07]
    assert _limits(overview, "API error rate") == [0.03]
    assert _limits(overview, "Error rate") == [0.03]
    assert _limits(overview, "P&L today") == [-50, 0]
    drawdown = _panel(overview, "Drawdown over time")["fieldConfig"]["defaults"]
    assert drawdown["custom"]["thresholdsStyle"] == {"mode": "line"}
    assert drawdown["custom"]["axisSoftMax"] > 0.07  # so that the limit is visible


def test_theme_ranges_refresh_and_sizes_follow_the_settings(tmp_path: Path) -> None:
    shown = {
        "default_range": "90m",
        "ranges": ["30m", "48h"],
        "widgets": {"overview": {"refresh": "2m"}},
        "sizes": {"small": [2, 2]},
        "decimals": {"money": 4, "ratio": 0},
        "colours": {"line_width": 5},
    }
    overview = every_of(settings_of(tmp_path, dashboards=shown, timezone="Europe/Berlin"))["overview"]
    assert overview["time"] == {"from": "now-90m", "to": "now"}
    assert [one["from"] for one in overview["timepicker"]["quick_ranges"]] == ["now-30m", "now-2d"]
    assert overview["refresh"] == "120s"
    assert overview["refresh"] in overview["timepicker"]["refresh_intervals"]
    assert overview["timezone"] == "Europe/Berlin"
    place = _panel(overview, "Performance score")["gridPos"]
    assert place["h"] == 8
    assert place["w"] >= 6, "and what the shelf has left"
    assert _panel(overview, "P&L")["fieldConfig"]["defaults"]["decimals"] == 4
    assert _panel(overview, "Win rate")["fieldConfig"]["defaults"]["decimals"] == 0
    assert _panel(overview, "Equity over time, BTC")["fieldConfig"]["defaults"]["custom"]["lineWidth"] == 5


def test_dashboards_are_read_once_where_they_are_not_refreshed(tmp_path: Path) -> None:
    for dashboard in every_of(settings_of(tmp_path, dashboards={"auto_refresh": False})).values():
        assert dashboard["refresh"] == ""
        assert "30s" in dashboard["timepicker"]["refresh_intervals"], "who wants it can have it"


def test_the_default_range_is_a_day_written_as_grafanas_own_list_has_it(overview: dict[str, Any]) -> None:
    assert overview["time"] == {"from": "now-24h", "to": "now"}
    ranges = [one["from"] for one in overview["timepicker"]["quick_ranges"]]
    assert ranges == ["now-1h", "now-6h", "now-24h", "now-7d", "now-30d"]


def test_money_is_in_the_currency_of_its_bot(overview: dict[str, Any]) -> None:
    for currency in ("USDT", "BTC"):
        panel = _panel(overview, f"Equity over time, {currency}")
        assert panel["fieldConfig"]["defaults"]["unit"] == f"suffix:{currency}"
        own = {one["id"] for rule in panel["fieldConfig"]["overrides"] for one in rule["properties"]}
        assert own <= {"color"}, "one currency a scale"
    units = [_override(_panel(overview, "P&L"), ref)[0]["value"] for ref in "ABCD"]
    assert [unit.split(":")[2] for unit in units] == [" USDT", " USDT", " BTC", " BTC"]


def test_one_bot_has_the_colour_of_its_kind_and_several_have_one_each(
    overview: dict[str, Any], tmp_path: Path
) -> None:
    alone = every_of(settings_of(tmp_path, bots={}))["overview"]
    colour = _panel(alone, "Drawdown over time")["fieldConfig"]["defaults"]["color"]
    assert colour == {"mode": "fixed", "fixedColor": "#e74c3c"}
    several = _panel(overview, "Drawdown over time")["fieldConfig"]["defaults"]["color"]
    assert several == {"mode": "palette-classic"}


def test_the_lines_of_logs_are_shown_only_where_loki_is(settings: Settings, tmp_path: Path) -> None:
    assert not [panel for panel in panels(every_of(settings)["logs"]) if panel["type"] == "logs"]
    (panel,) = (
        panel
        for panel in panels(every_of(settings_of(tmp_path, logs={"loki": {"enabled": True}}))["logs"])
        if panel["type"] == "logs"
    )
    assert panel["datasource"] == panel["targets"][0]["datasource"] == {"type": "loki", "uid": "loki"}
    assert panel["targets"][0]["expr"] == '{bot=~"$bot"}'


def test_a_widget_that_is_switched_off_has_no_dashboard(tmp_path: Path) -> None:
    off = settings_of(tmp_path, dashboards={"widgets": {"overview": {"enabled": False}}})
    assert "overview" not in every_of(off)


def test_the_overview_has_the_uid_that_links_name(overview: dict[str, Any], settings: Settings) -> None:
    assert overview["uid"] == "trading-bot"
    assert json.dumps(overview, sort_keys=True) == json.dumps(every_of(settings)["overview"], sort_keys=True)


def _panel(dashboard: dict[str, Any], title: str) -> dict[str, Any]:
    (panel,) = (one for one in panels(dashboard) if one["title"] == title)
    return panel


def _limits(dashboard: dict[str, Any], title: str) -> list[float]:
    steps = _panel(dashboard, title)["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return [step["value"] for step in steps[1:]]


def _override(panel: dict[str, Any], name: str) -> list[dict[str, Any]]:
    overrides = panel["fieldConfig"]["overrides"]
    (properties,) = (one["properties"] for one in overrides if one["matcher"]["options"] == name)
    return list(properties)
