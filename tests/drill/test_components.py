"""The parts of a drill: its target, rules, series, routes, schedule and texts."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
import yaml

from exporter.drill import FORGOTTEN_AFTER
from stack.drill import command, report, schedule
from stack.drill.command import alerts
from stack.drill.observation import Entry, Held, Incident, Seen
from stack.drill.progress import HopTimeouts, Progress, advance, faults, is_done
from stack.drill.routes import MatchedRoute, matched_routes
from stack.drill.rules import renamed
from stack.drill.run import Result
from stack.drill.schedule import next_due
from stack.drill.scripts import Script, scripts
from stack.render import rendered
from stack.settings import Settings, load
from stack.settings.drill import Schedule
from tests.conftest import eventually
from tests.exporter.test_service import running
from tests.routes.desk import write_settings
from tests.routes.test_routes import _receivers

_METRIC = re.compile(
    r"(?<![\w:-])(?:[a-z_]+:)?(?:trading_bot|nightdesk|probe|alertmanager|prometheus)_\w+|\bup(?=\{)"
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    file = tmp_path_factory.mktemp("drill") / "monitoring.yaml"
    file.write_text("profile: production\n")
    return load([file])


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a running exporter."""
    directory = tmp_path_factory.mktemp("target")
    (directory / "reload").write_text("secret\n")
    with running(directory, {}, webhook_actions={"tokens": {"reload_file": "reload"}}) as exporter:
        yield exporter.url


def _put(target: str, page: object, token: str = "secret") -> int:
    header = {"Authorization": f"Bearer {token}"}
    return requests.put(f"{target}/-/drill", json=page, headers=header, timeout=10).status_code


def _shown(target: str) -> str:
    return requests.get(f"{target}/drill", timeout=10).text


def test_the_target_is_empty_unless_a_drill_gives_series_and_forgets_those_of_one_that_died(
    target: str,
) -> None:
    assert _put(target, {"page": 'drill_trading_bot_up{bot="drill-1"} 0.0\n'}) == 200
    assert _shown(target) == 'drill_trading_bot_up{bot="drill-1"} 0.0\n'
    eventually(lambda: not _shown(target), within=3 * FORGOTTEN_AFTER, what="the end of a drill that died")


@pytest.mark.parametrize(
    "page",
    [
        {"page": 'trading_bot_up{bot="alpha"} 0.0\n'},
        {"page": 'drill_trading_bot_up{bot="x"} 0\ntrading_bot_up{bot="alpha"} 0\n'},
        {"page": 'up{job="exporter"} 0\n'},
        {"page": "# TYPE drill_x gauge\n"},
        {},
        [],
    ],
)
def test_no_series_that_a_rule_in_earnest_reads_comes_in_by_the_drills_target(
    target: str, page: object
) -> None:
    assert _put(target, page) == 422
    assert "up" not in _shown(target)


def test_only_who_has_the_token_drills(target: str) -> None:
    assert _put(target, {"page": ""}, "another") == 401
    assert requests.put(f"{target}/-/drill", json={"page": ""}, timeout=10).status_code == 401


def test_rules_in_earnest_see_nothing_of_a_drill_and_its_own_nothing_else(settings: Settings) -> None:
    made = rendered(settings)
    for name, file in made.items():
        if not name.startswith(("rules/", "drill/")):
            continue
        for rule in (rule for group in file["groups"] for rule in group["rules"]):
            texts = [rule["expr"], *rule.get("annotations", {}).values()]
            read = {one for text in texts for one in _METRIC.findall(text)}
            if name.startswith("rules/"):
                assert not [text for text in texts if "drill_" in text], rule
            else:
                assert not read, (rule, read)
                assert "alert" not in rule or "drill_asked" in rule["expr"], rule


def test_every_alert_in_earnest_has_its_twin_in_the_drill_marked_and_with_the_same_labels(
    settings: Settings,
) -> None:
    made = rendered(settings)

    def of(folder: str) -> list[dict[str, Any]]:
        groups = [group for name, file in made.items() if name.startswith(folder) for group in file["groups"]]
        return [rule for group in groups for rule in group["rules"] if "alert" in rule]

    def named(rules: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
        # The drill shortens a window's length.
        labels = [{k: v for k, v in rule["labels"].items() if k != "window"} for rule in rules]
        return sorted(
            (rule["alert"], json.dumps(label, sort_keys=True), rule["annotations"].get("runbook_url", ""))
            for rule, label in zip(rules, labels, strict=True)
        )

    drilled = of("drill/")
    assert named(drilled) == [one for one in named(of("rules/")) if one[0] != "TradingBotWatchdog"]
    assert all(rule["annotations"]["summary"].startswith("DRILL: ") for rule in drilled)
    assert not [rule for rule in drilled if "verify" in rule["annotations"]]


def test_only_names_of_metrics_are_renamed() -> None:
    asked = 'max(up{job="exporter"}) + bot:trading_bot_up:max{probe="up"} and on (bot) ALERTS{bot="b"}'
    assert renamed(asked) == (
        'max(drill_up{job="exporter"}) + bot:drill_trading_bot_up:max{probe="up"} '
        'and on (bot) ALERTS{drill!="",bot="b"}'
    )


def test_every_alert_and_severity_has_a_script_whose_lines_the_target_takes(
    settings: Settings, target: str
) -> None:
    found = scripts(settings, alerts(settings), "r", None, "alpha")
    wanted = {*alerts(settings)} - {("Watchdog", "meta")}
    assert {(one.alert, one.severity) for one in found} == wanted
    for one in found:
        for step in (0, 5, 500):
            assert _put(target, {"page": "".join(f"{line}\n" for line in one.page(step))}) == 200, one
        assert one.at < 300


def test_a_series_goes_on_past_its_script_as_a_counter_does_or_stays(settings: Settings) -> None:
    [down] = scripts(settings, [("Down", "critical")], "r", "Down", None)
    assert list(down.page(10_000))[1] == 'drill_trading_bot_up{bot="drill-1"} 0.0'
    [slow] = scripts(settings, [("ApiResponseTimeHigh", "warning")], "r", "ApiResponseTimeHigh", None)
    counts = [float(list(slow.page(step))[-1].split()[-1]) for step in (1000, 1001)]
    assert counts[1] - counts[0] == 50


@pytest.mark.parametrize("profile", ["starter", "production"])
def test_the_routes_are_read_as_amtool_reads_them(tmp_path: Path, profile: str) -> None:
    made = rendered(load([write_settings(tmp_path, 9099, 2525, profile=profile)]))
    file = tmp_path / "alertmanager.yml"
    (tmp_path / "templates").mkdir()
    file.write_text(yaml.safe_dump(made["alertmanager.yml"]))
    for labels in (
        {"alertname": "TradingBotDown", "severity": "critical", "bot": "b"},
        {"alertname": "TradingBotDown", "severity": "critical", "bot": "owned[1]"},
        {"alertname": "TradingBotDown", "severity": "critical", "bot": "drill-3-of-owned[1]", "drill": "x-3"},
        {"alertname": "TradingBotHighVolatility", "severity": "warning", "bot": "kept"},
        {"alertname": "TradingBotExporterDown", "severity": "meta"},
        {"alertname": "TradingBotMilestoneReached", "severity": "info", "bot": "b"},
        {"alertname": "Theirs", "severity": "warning"},
        {"alertname": "Theirs"},
    ):
        found = [route.receiver for route in matched_routes(made["alertmanager.yml"], labels)]
        assert sorted(found) == sorted(_receivers(file, **labels).split()), labels


def test_a_drill_of_a_bot_notifies_the_bots_team(tmp_path: Path) -> None:
    config = rendered(load([write_settings(tmp_path, 9099, 2525)]))["alertmanager.yml"]
    labels = {"alertname": "TradingBotDown", "severity": "critical", "bot": "drill-3-of-owned[1]"}
    assert "email-of-anna" in [route.receiver for route in matched_routes(config, labels)]


def test_the_next_drill_is_at_the_local_time_of_its_weekday_over_a_change_of_clocks() -> None:
    planned = Schedule(weekday="sunday", at="11:00")
    berlin = "Europe/Berlin"
    saturday = datetime(2026, 3, 28, 12, tzinfo=UTC)
    due = next_due(planned, berlin, saturday)
    assert due == datetime(2026, 3, 29, 9, tzinfo=UTC)  # summer time has begun
    assert due.astimezone(ZoneInfo(berlin)).hour == 11
    assert next_due(planned, berlin, due) == datetime(2026, 4, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("weekday", "at", "now", "due"),
    [
        (
            "sunday",
            "02:30",
            "2026-03-29T00:10",
            "2026-03-29T01:30",
        ),  # 02:30 is skipped: the drill is later by the gap
        ("sunday", "02:30", "2026-10-25T00:10", "2026-10-25T00:30"),  # the first of the two
        ("sunday", "02:30", "2026-10-25T00:45", "2026-11-01T01:30"),
        ("sunday", "02:30", "2026-10-25T01:10", "2026-11-01T01:30"),  # not again at the second one
        ("sunday", "00:00", "2026-02-28T22:59", "2026-02-28T23:00"),  # at midnight, at a month's end
        ("sunday", "00:00", "2026-02-28T23:00", "2026-03-07T23:00"),
        ("thursday", "03:15", "2026-12-31T02:14", "2026-12-31T02:15"),
        ("thursday", "03:15", "2026-12-31T02:16", "2027-01-07T02:15"),
    ],
)
def test_a_planned_drill_comes_once_at_night_at_a_months_end_and_as_the_clocks_change(
    weekday: str, at: str, now: str, due: str
) -> None:
    planned = Schedule.model_validate({"weekday": weekday, "at": at})
    moment = datetime.fromisoformat(f"{now}+00:00")
    assert next_due(planned, "Europe/Berlin", moment) == datetime.fromisoformat(f"{due}+00:00")


def test_a_scheduled_drill_is_announced_before_and_its_faults_reported_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "monitoring.yaml"
    planned = {"schedule": {"weekday": "sunday", "at": "02:30"}, "announce": "15m"}
    file.write_text(yaml.safe_dump({"timezone": "Europe/Berlin", "drill": planned}))
    at, done = [datetime(2026, 10, 24, 12, tzinfo=UTC)], list[tuple[str, str]]()

    def note(what: str) -> None:
        done.append((what, f"{at[0]:%m-%d %H:%M}"))

    def sleep(seconds: float) -> None:
        at[0] += timedelta(seconds=seconds)
        if at[0] > datetime(2026, 11, 2, tzinfo=UTC):
            raise KeyboardInterrupt

    def drilled(*_: object) -> Result:
        note("drilled")
        at[0] += timedelta(minutes=11)
        if len(done) > 4:
            raise ValueError("a defect")
        return Result("20261025-003000", at[0], 660.0, (), ((0, "channel: email delivered nothing"),))

    monkeypatch.setattr(schedule, "announce", lambda _, due: note(f"announced for {due:%H:%M}"))
    monkeypatch.setattr(schedule, "tell_faults", lambda *_: note("told of faults"))
    monkeypatch.setattr(schedule, "tell_failure", lambda _: note("told of a defect"))
    monkeypatch.setattr(command, "run", drilled)
    with pytest.raises(KeyboardInterrupt):
        command.serve(load([file]), tmp_path, lambda: at[0], sleep)
    assert done == [
        ("announced for 00:30", "10-25 00:15"),
        ("drilled", "10-25 00:30"),
        ("told of faults", "10-25 00:41"),
        ("announced for 01:30", "11-01 01:15"),
        ("drilled", "11-01 01:30"),
        ("told of a defect", "11-01 01:41"),
    ]
    assert (tmp_path / "drills").exists(), "the result is kept"


SCRIPT = Script("Down", "critical", 1, "r", 5.0, (), alone=False)
ROUTES = (
    MatchedRoute("webhook_actions", ("webhook",), frozenset()),
    MatchedRoute("email", ("email",), frozenset()),
)
PATIENCE = HopTimeouts(metric=10, rule=10, alertmanager=10, engine=10, channel=10, answer=60)
WHOLE = Held(frozenset({"webhook_actions", "email"}))


def _after(*looks: Seen) -> Progress:
    one = Progress(SCRIPT, ROUTES, 0.0)
    for at, seen in enumerate(looks, start=1):
        one = advance(one, seen, float(at))
    return one


def _incident(*kinds: str) -> Incident:
    return Incident(1, 0.0, tuple(Entry(0.0, kind, f"{kind} line") for kind in kinds), ())


def test_the_first_hop_that_is_not_reached_is_the_fault() -> None:
    seen = frozenset({"r-1"})
    for looks, says in (
        ((), "metric: "),
        ((Seen(metrics=seen),), "rule: "),
        ((Seen(metrics=seen, firing=seen),), "Alertmanager: "),
        ((Seen(metrics=seen, firing=seen, held={"r-1": WHOLE}),), "engine: "),
    ):
        one = _after(*looks)
        assert list(faults(one, PATIENCE, 2.0)) == []
        found = list(faults(one, PATIENCE, 50.0))
        assert found[0].startswith(says), found
        assert is_done(one, PATIENCE, 50.0)


def test_a_message_counts_for_a_channel_once_more_were_delivered_than_before_the_alert_came() -> None:
    seen = frozenset({"r-1"})

    def look(tried: float, failed: float = 0.0, **more: Any) -> Seen:
        return Seen(seen, seen, tried={"email": tried}, failed={"email": failed}, **more)

    held = {"held": {"r-1": WHOLE}, "incidents": {"r-1": _incident("acknowledged")}}
    refused = _after(look(3), look(4, 1, **held), look(9, 6, **held))
    assert not refused.told
    assert any(text.startswith("channel: email") for text in faults(refused, PATIENCE, 50.0))
    told = _after(look(3), look(4, 0, **held))
    assert told.told == {"email": 2.0}
    assert is_done(told, PATIENCE, 3.0)
    assert list(faults(told, PATIENCE, 50.0)) == []


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (Held(frozenset({"webhook_actions"})), "route: "),
        (Held(WHOLE.receivers, silenced=("s",)), "silence: "),
        (Held(WHOLE.receivers, inhibited=("i",)), "inhibition: "),
        (Held(WHOLE.receivers, muted=frozenset({"maintenance-1"})), "mute: "),
        (Held(WHOLE.receivers, summary="DRILL: <error expanding template x"), "rule: its text"),
    ],
)
def test_what_keeps_an_alert_back_is_named_at_once(held: Held, says: str) -> None:
    seen = frozenset({"r-1"})
    one = _after(Seen(seen, seen, held={"r-1": held}))
    assert [text for text in faults(one, PATIENCE, 1.0) if text.startswith(says)]


def test_an_action_that_ran_in_a_drill_is_a_fault_and_one_that_would_have_run_is_none() -> None:
    seen = frozenset({"r-1"})
    for begun, count in ((True, 1), (False, 0)):
        incident = Incident(1, 0.0, (), (("restart_bot", "done", begun),))
        one = _after(Seen(seen, seen, held={"r-1": WHOLE}, incidents={"r-1": incident}))
        assert sum("RAN restart_bot" in text for text in faults(one, PATIENCE, 1.0)) == count


def test_the_last_result_is_shown_as_it_was_kept(tmp_path: Path) -> None:
    assert report.last(tmp_path) is None
    folder = tmp_path / "drills"
    folder.mkdir()
    kept: dict[str, Any] = {
        "run": "20260329-013000",
        "seconds": 7.0,
        "alerts": [
            {
                "alert": "Down", "severity": "critical", "metric": 2.0, "rule": 6.0, "alertmanager": 6.4,
                "engine": 7.0, "told": {"email": 7.0}, "told_by_engine": ["administrator over sms"],
                "waits": [], "answer": None, "asked": True, "would_have_run": ["restart_bot"],
            }
        ],
        "faults": [{"alert": "Down", "fault": "answer: nobody acknowledged it (300 s)"}],
    }  # fmt: skip
    (folder / "20260329-013000.json").write_text(json.dumps(kept))
    found = report.last(tmp_path)
    assert found == kept
    shown = list(report.lines(kept))
    assert "email 7, administrator: sms" in shown[2]
    assert shown[2].endswith("restart_bot")
    assert shown[-1] == "FAULT Down: answer: nobody acknowledged it (300 s)"
