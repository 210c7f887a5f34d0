"""Alertmanager holds back alerts at night by the plan, at every hour and at both clock changes."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from stack.drill.routes import WEBHOOK, matched_routes
from stack.settings import load
from stack.settings.plan import Subject
from stack.settings.timetable import ALERTMANAGER, timetable
from tests.conftest import eventually
from tests.routes.desk import running, write_settings
from tests.routes.test_routes import _routes_of

BERLIN = ZoneInfo("Europe/Berlin")
EVENINGS = ("2026-03-28", "2026-06-10", "2026-10-24")  # the nights after two of them change the clocks
AFTER = [timedelta(hours=half / 2) for half in (*range(26), 30)]  # half hours of a night, and a noon
SUBJECTS = (
    Subject("Down", "b", "critical"),
    Subject("LowWinRate", "b", "warning"),
    Subject("LowWinRate", "owned[1]", "warning"),
    Subject("Down", "kept", "critical"),
    Subject("MilestoneReached", "b", "info"),
    Subject("ExporterDown", "", "meta"),
)


def _shows(intervals: list[dict[str, Any]], now: datetime) -> bool:
    """Return whether it is one of these intervals now, as Alertmanager's timeinterval package reads them."""
    for one in intervals:
        local = now.astimezone(ZoneInfo(one["location"]))
        if one.get("weekdays") and f"{local:%A}".lower() not in one["weekdays"]:
            continue
        clock = f"{local:%H:%M}"
        if any(each["start_time"] <= clock < each["end_time"] for each in one["times"]):
            return True
    return False


def _sends(config: dict[str, Any], subject: Subject, now: datetime) -> set[str]:
    """Return the integrations by which Alertmanager notifies people of an alert at a time."""
    named = {one["name"]: one["time_intervals"] for one in config.get("time_intervals", ())}
    labels = {"alertname": f"TradingBot{subject.kind}", "severity": subject.severity, "bot": subject.bot}
    sent: set[str] = set()
    for route in matched_routes(config, labels):
        held = any(_shows(named[name], now) != (name == "info") for name in route.intervals)
        if not held:
            sent |= set(route.integrations) - {WEBHOOK}
    return sent


@pytest.mark.parametrize("quiet", [("22:00", "07:00"), ("22:00", "02:30"), ("02:30", "05:00")], ids="-".join)
def test_alertmanager_is_quiet_when_the_plan_says_so(tmp_path: Path, quiet: tuple[str, str]) -> None:
    hours = {"from": quiet[0], "to": quiet[1]}
    file = write_settings(tmp_path, 9099, 2525, escalation={"quiet_hours": hours})
    given = yaml.safe_load(file.read_text())
    window = {"bots": ["kept"], "weekdays": ["sunday"], "from": "22:30", "to": "02:30"}
    given["routing"] |= {"info_hours": {"from": "08:00", "to": "22:00"}, "maintenance": [window]}
    file.write_text(yaml.safe_dump(given))
    settings = load([file])
    config = yaml.safe_load(_routes_of(settings, tmp_path).read_text())
    for day in EVENINGS:
        began = datetime.combine(datetime.fromisoformat(day), time(21), BERLIN).astimezone(UTC)
        for now in (began + after for after in AFTER):
            for subject in SUBJECTS:
                planned = {
                    one.channel
                    for one in timetable(settings, subject, now)
                    if one.sender == ALERTMANAGER and one.after == 0
                }
                assert _sends(config, subject, now) == planned, (subject, now.astimezone(BERLIN))


def test_in_quiet_hours_a_warning_waits_in_alertmanager_and_what_is_critical_does_not(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    overlay = tmp_path / "night.yaml"
    hours = {"from": f"{now - timedelta(hours=1):%H:%M}", "to": f"{now + timedelta(hours=2):%H:%M}"}
    overlay.write_text(yaml.safe_dump({"timezone": "UTC", "escalation": {"quiet_hours": hours}}))
    with running(tmp_path, overlay) as desk:
        for name, severity in (("LowWinRate", "warning"), ("Down", "critical")):
            labels = {"alertname": f"TradingBot{name}", "severity": severity, "bot": name}
            desk.post(labels, summary=f"{name}.")
        eventually(lambda: "[critical] Down." in desk.inbox.subjects(), what="the critical one")
        eventually(lambda: desk.inbox.told("LowWinRate", "LowWinRate"), what="webhook_actions hears")
        eventually(lambda: desk.muted("LowWinRate") == ["quiet"], what="that it is held")
        assert "[warning] LowWinRate." not in desk.inbox.subjects()
