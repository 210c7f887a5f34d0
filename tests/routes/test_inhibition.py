"""Which alerts inhibit which, according to a real Alertmanager with the rules' labels."""

from collections.abc import Iterable, Mapping

import pytest

from stack.settings import META
from tests.conftest import eventually
from tests.routes.desk import Desk
from tests.rules.promtool import read

# A loss does not come from a bot's silence, so Down does not inhibit it. Restarts do not help against a crash
# loop.
NOT_FROM_DOWN = {"Down", "CrashLooping", "HighDrawdown", "CriticalLoss", "LossLimit"}
# Each warning or information, and the more urgent alert that says the same.
OUTWEIGHED = {
    "ApiResponseTimeHigh": "ApiResponseTimeCritical",
    "DataStaleWarning": "DataStale",
    "ModelAccuracyLow": "ModelAccuracyCritical",
    "EdgeFading": "EdgeGone",
    "HighLatency": "NetworkLatencyCritical",
    "DiskUsageHigh": "DiskUsageCritical",
    "MemoryUsageHigh": "HighMemoryUsage",
    "CpuUsageHigh": "HighCpuUsage",
}
SUGGESTED = {"LowWinRate", "HighDrawdown", "ApiErrorRate", "LowTradingActivity"}


@pytest.fixture(scope="module")
def labelled(desk: Desk) -> dict[str, Mapping[str, str]]:
    """Return the labels that the rules give each alert; if it has several rules, those of the first."""
    rules = sorted((desk.build / "prometheus/rules").glob("*.yml"))
    alerts = [rule for file in rules for rule in read(file) if "alert" in rule]
    return {
        alert["alert"].removeprefix("TradingBot"): alert["labels"] | {"alertname": alert["alert"]}
        for alert in reversed(alerts)
    }


def test_down_silences_what_follows_from_it_for_the_same_bot_only(
    desk: Desk, labelled: dict[str, Mapping[str, str]]
) -> None:
    for bot in ("dead", "well"):
        desk.post_all([labels | {"bot": bot} for name, labels in labelled.items() if name != "Down"])
    desk.post(labelled["Down"] | {"bot": "dead"})
    expected = _names(
        name
        for name, labels in labelled.items()
        if labels["severity"] in ("critical", "warning") and name not in NOT_FROM_DOWN
    )
    eventually(lambda: desk.inhibited("dead") >= expected)
    silenced_anyway = desk.inhibited("well")
    assert desk.inhibited("dead") == expected | silenced_anyway
    assert not {f"TradingBot{name}" for name in (*META, "Down")} & desk.inhibited("dead")
    assert silenced_anyway == _names([*OUTWEIGHED, "Suggestion", "ErrorBudgetBurn", "ObjectiveMissed"])


@pytest.mark.parametrize(("weaker", "stronger"), OUTWEIGHED.items())
def test_a_warning_is_silenced_by_its_critical_twin_about_the_same_thing_only(
    desk: Desk, labelled: dict[str, Mapping[str, str]], weaker: str, stronger: str
) -> None:
    bot = f"twin-{weaker}"
    about = {"bot": bot, "model": "trend", "mountpoint": "/var"}
    desk.post(labelled[stronger] | about | {"model": "swing", "mountpoint": "/"})
    desk.post(labelled[weaker] | about)
    assert desk.inhibited(bot) == set()
    desk.post(labelled[stronger] | about)
    eventually(lambda: desk.inhibited(bot) == _names([weaker]))


@pytest.mark.parametrize("urgent", sorted(SUGGESTED))
def test_a_suggestion_is_silenced_by_the_alert_that_says_it_more_urgently(
    desk: Desk, labelled: dict[str, Mapping[str, str]], urgent: str
) -> None:
    bot = f"suggested-{urgent}"
    kind = {"condition": labelled[urgent]["condition"], "bot": bot}
    desk.post(labelled["Suggestion"] | kind)
    assert desk.inhibited(bot) == set()
    desk.post(labelled[urgent] | {"bot": bot})
    eventually(lambda: desk.inhibited(bot) == {"TradingBotSuggestion"})


def test_of_one_budget_the_faster_burn_silences_the_slower(
    desk: Desk, labelled: dict[str, Mapping[str, str]]
) -> None:
    burning = labelled["ErrorBudgetBurn"] | {"bot": "burns"}
    desk.post(burning | {"objective": "availability", "severity": "warning", "window": "3d"})
    desk.post(burning | {"objective": "error_rate", "severity": "critical", "window": "1h"})
    assert desk.inhibited("burns") == set()
    desk.post(burning | {"objective": "availability", "severity": "critical", "window": "1h"})
    eventually(lambda: desk.inhibited("burns") == {"TradingBotErrorBudgetBurn"})


@pytest.mark.parametrize(
    ("says_why", "objective", "silenced"),
    [
        ("ApiResponseTimeCritical", "response_time", {"ErrorBudgetBurn", "ObjectiveMissed"}),
        ("ApiResponseTimeHigh", "response_time", {"ObjectiveMissed"}),  # no warning silences a critical alert
        ("DataStale", "data_age", {"ErrorBudgetBurn", "ObjectiveMissed"}),
        ("CrashLooping", "availability", {"ErrorBudgetBurn", "ObjectiveMissed"}),
        ("ErrorBudgetBurn", "model_accuracy", {"ObjectiveMissed"}),
    ],
)
def test_the_cause_of_a_missed_objective_is_sent_instead_of_it(
    desk: Desk, labelled: dict[str, Mapping[str, str]], says_why: str, objective: str, silenced: set[str]
) -> None:
    bot = f"missed-{says_why}"
    desk.post(labelled["ObjectiveMissed"] | {"objective": objective, "bot": bot})
    desk.post(labelled["ErrorBudgetBurn"] | {"objective": objective, "bot": bot, "severity": "critical"})
    if says_why != "ErrorBudgetBurn":
        desk.post(labelled[says_why] | {"bot": bot})
    eventually(lambda: desk.inhibited(bot) == _names(silenced))


def _names(words: Iterable[str]) -> set[str]:
    return {f"TradingBot{word}" for word in words}
