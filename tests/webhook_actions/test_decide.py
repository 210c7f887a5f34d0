"""What is tried next, as a table of situations."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stack.settings import ActionLimit, Duration, load
from webhook_actions.engine.decide import Act, GiveUp, Record, Wait, decide, ladder_of
from webhook_actions.store.incidents import Incident, Step

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
LIMITS = {
    "restart_bot": ActionLimit(attempts=3, cooldown=Duration.parse("5m")),
    "close_positions": ActionLimit(attempts=1, cooldown=Duration.parse("5m")),
}
LADDER = ["restart_bot", "close_positions"]


def step(action: str, outcome: str, verdict: str | None = "not_verified", effect: str = "disruptive") -> Step:
    return Step(1, 1, "alpha", action, effect, NOW, NOW, outcome, outcome, NOW, verdict, NOW)


def incident(alert: str, severity: str, **labels: str) -> Incident:
    return Incident(1, "f", alert, "alpha", severity, labels, {}, NOW, NOW, NOW, 1)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (incident("TradingBotDown", "critical"), ["restart_bot", "close_positions"]),
        (incident("TradingBotObjectiveMissed", "warning", objective="model_accuracy"), ["retrain_model"]),
        (incident("TradingBotObjectiveMissed", "warning", objective="throughput"), ["notify_admin"]),
        (incident("RuleOfAnotherTeam", "warning"), ["log_issue", "notify_admin"]),
        (incident("TradingBotCrashLooping", "critical"), []),
    ],
    ids=("the alert's", "its objective's", "an objective without", "its severity's", "none, as settings say"),
)
def test_a_ladder_is_the_alerts_else_its_objectives_else_its_severitys(
    given: Incident, wanted: list[str], tmp_path: Path
) -> None:
    (tmp_path / "monitoring.yaml").write_text("{}")
    assert ladder_of(load([tmp_path / "monitoring.yaml"]), given) == wanted


def test_the_first_rung_comes_first() -> None:
    assert decide(LADDER, [], {}, LIMITS, (), NOW) == Act("restart_bot")


def test_a_rung_is_tried_again_until_its_attempts_are_spent() -> None:
    tried = [step("restart_bot", "done")] * 2
    assert decide(LADDER, tried, {"restart_bot": Record(2)}, LIMITS, (), NOW) == Act("restart_bot")
    assert decide(LADDER, tried, {"restart_bot": Record(3)}, LIMITS, (), NOW) == Act("close_positions")


def test_what_cannot_be_done_is_passed_at_once() -> None:
    for outcome in ("cannot", "would_have", "failed"):
        assert decide(LADDER, [step("restart_bot", outcome)], {}, LIMITS, (), NOW) == Act("close_positions")
    assert decide(LADDER, [step("restart_bot", "retry")], {}, LIMITS, (), NOW) == Act("restart_bot")


def test_an_action_rests_after_a_success_and_the_next_rung_waits_with_it() -> None:
    later = NOW + timedelta(minutes=2)
    assert decide(LADDER, [], {"restart_bot": Record(1, later)}, LIMITS, (), NOW) == Wait(
        later, "restart_bot"
    )
    assert decide(LADDER, [], {"restart_bot": Record(1, later)}, LIMITS, (), later) == Act("restart_bot")


def test_giving_up_says_what_became_of_each_rung() -> None:
    tried = [step("close_positions", "would_have", "none")]
    given_up = decide(LADDER, tried, {"restart_bot": Record(3)}, LIMITS, (), NOW)
    assert isinstance(given_up, GiveUp)
    assert given_up.reason == (
        "restart_bot: 3 attempts spent, none proven to have helped; close_positions: would_have"
    )
    assert decide([], [], {}, {}, (), NOW) == GiveUp("no action helps against this alert")


def test_what_is_done_once_is_not_repeated_however_it_ended() -> None:
    tried = [step("restart_bot", "done", "not_verified")]
    assert decide(LADDER, tried, {}, LIMITS, ("restart_bot",), NOW) == Act("close_positions")
    assert decide(LADDER, tried, {}, LIMITS, (), NOW) == Act("restart_bot")


def test_money_is_moved_again_only_where_the_bot_itself_says_that_it_was_not() -> None:
    for verdict, why in (
        ("verified", "proven to have worked, yet the alert still fires"),
        ("unknown", "the bot does not say what came of it, so it is not done again"),
    ):
        tried = [step("close_positions", "retry", verdict, effect="money")]
        assert decide(["close_positions"], tried, {}, LIMITS, (), NOW) == GiveUp(f"close_positions: {why}")
    tried = [step("close_positions", "retry", "not_verified", effect="money")]
    assert decide(["close_positions"], tried, {}, LIMITS, (), NOW) == Act("close_positions")
