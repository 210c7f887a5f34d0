"""The three kinds of user get what DESIGN promises them."""

import pytest

from stack.settings import META, Duration, Settings
from stack.settings.consistency import CRITICAL
from tests.settings.conftest import Load

# These are sent at a planned time or once, and wake nobody.
TOLD = {"DailySummary", "WeeklySummary", "MonthlySummary", "MilestoneReached", "Suggestion"}


def reach(settings: Settings, name: str) -> tuple[set[str], Duration | None]:
    """Return the channels of an alert and when it climbs: its own, else its severity's."""
    alert = settings.alerts[name]
    severity = settings.severities.critical if name in CRITICAL else settings.severities.warning
    channels = severity.channels if alert.channels is None else alert.channels
    return set(channels), severity.escalate if alert.escalate is None else alert.escalate


def test_in_starter_every_critical_alert_goes_over_every_channel_and_others_over_those_that_do_not_ring(
    settings: Load,
) -> None:
    starter = settings("profile: starter")
    watched = [name for name, one in starter.alerts.items() if one.enabled and name not in {*TOLD, *META}]
    for name in watched:
        wanted = {"email", "telegram", "slack"} | ({"sms", "phone"} if name in CRITICAL else set())
        assert reach(starter, name) == (wanted, None), name


def test_in_starter_the_only_person_is_notified_again(settings: Load) -> None:
    escalation = settings("profile: starter").escalation
    special = (escalation.repeated_alerts, escalation.system_down, escalation.critical_loss)
    people = {level.contact for level in (*escalation.levels, *special)}
    assert people | {escalation.first} == {"administrator"}
    assert len(escalation.levels) == 1


@pytest.mark.parametrize("profile", ["starter", "experienced", "production"])
def test_no_profile_arms_what_touches_money(settings: Load, profile: str) -> None:
    assert settings(f"profile: {profile}").actions.armed == []


@pytest.mark.parametrize(
    ("profile", "retention", "dashboards"),
    [("starter", "30d", "simple"), ("experienced", "90d", "all"), ("production", "365d", "all")],
)
def test_each_profile_has_its_retention_and_its_dashboards(
    settings: Load, profile: str, retention: str, dashboards: str
) -> None:
    chosen = settings(f"profile: {profile}")
    assert (chosen.storage.retention, chosen.dashboards.set) == (Duration.parse(retention), dashboards)


@pytest.mark.parametrize("profile", ["experienced", "production"])
def test_experienced_and_production_escalate_over_sms_and_slack(settings: Load, profile: str) -> None:
    chosen = settings(f"profile: {profile}")
    assert {"sms", "slack"} <= reach(chosen, "DiskUsageCritical")[0]
    assert "slack" in reach(chosen, "DiskUsageHigh")[0]
    assert all(reach(chosen, name)[1] for name in CRITICAL)
    assert [level.contact for level in chosen.escalation.levels] == [
        "manager",
        "technical_lead",
        "emergency_contact",
    ]


def test_objectives_alert_in_production_only(settings: Load) -> None:
    for profile, expected in (("starter", False), ("experienced", False), ("production", True)):
        alerts = settings(f"profile: {profile}").alerts
        assert {alerts[name].enabled for name in ("ObjectiveMissed", "ErrorBudgetBurn")} == {expected}


def test_production_switches_no_alert_off(settings: Load) -> None:
    assert all(alert.enabled for alert in settings("profile: production").alerts.values())
