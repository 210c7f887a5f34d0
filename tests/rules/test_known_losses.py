"""What was lost stays known while nothing newer is, says how old it is, and is forgotten in the end."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stack.drill.cases.case import Case, Series, Value
from stack.render import render
from stack.settings import Duration, Settings, load
from tests.rules.promtool import as_tests, inputs, needed, run, write

MINUTE = 60.0
TOLD = 3  # scrapes in which the bot tells its loss


@pytest.fixture(scope="module")
def ten_minutes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    folder = tmp_path_factory.mktemp("known")
    (folder / "monitoring.yaml").write_text("thresholds: {critical: {loss_known_for: 10m}}")
    settings = load([folder / "monitoring.yaml"])
    render(settings, folder / "build")
    return settings, folder / "build/prometheus/rules/trading-bot-guard.yml"


def dead(scrapes: int) -> list[Series]:
    """Return a bot that lost a fifth and died."""
    silent: list[Value] = [0.2] * TOLD + ["stale"] + [None] * (scrapes - TOLD - 1)
    return [
        Series("trading_bot_up", [1.0] * TOLD + [0.0] * (scrapes - TOLD)),
        Series("trading_bot_drawdown_ratio", silent),
    ]


def guarded(scrapes: int) -> list[Series]:
    """Return a bot whose loss the guard alone saw, and goes on showing."""
    answers = [1.0] * TOLD + [0.0] * (scrapes - TOLD)
    return [
        Series("trading_bot_up", answers),
        Series("trading_bot_guard_up", answers),
        Series("trading_bot_guard_drawdown_ratio", [0.2] * scrapes),
    ]


@pytest.mark.parametrize("bot", [dead, guarded])
@pytest.mark.parametrize(("after", "fires"), [(10 * MINUTE, True), (16 * MINUTE, False)])
def test_a_loss_is_known_as_long_as_the_settings_say_and_its_alert_a_bridge_longer(
    ten_minutes: tuple[Settings, Path],
    tmp_path: Path,
    after: float,
    fires: bool,
    bot: Callable[[int], list[Series]],
) -> None:
    settings, file = ten_minutes
    case = Case("CriticalLoss", "kept", bot(30), (TOLD - 1) * MINUTE + after, fires)
    tests = as_tests([case], settings, [])
    rules = needed(file, file.parent.glob("*.yml"))
    assert run([write(tmp_path / "tests.yml", tests, rules, settings.collection.evaluation_interval)]) == ""


@pytest.mark.parametrize(
    ("at", "says"),
    [(2, ""), (7, " That was known 5m 0s ago, and nothing newer is.")],
)
def test_the_message_says_how_old_the_last_known_drawdown_is(
    ten_minutes: tuple[Settings, Path], tmp_path: Path, at: int, says: str
) -> None:
    settings, file = ten_minutes
    test = {
        "interval": "1m",
        "input_series": inputs(dead(30)),
        "promql_expr_test": [],
        "alert_rule_test": [
            {
                "eval_time": str(Duration(at * MINUTE)),
                "alertname": "TradingBotCriticalLoss",
                "exp_alerts": [],
            }
        ],
    }
    rules = needed(file, file.parent.glob("*.yml"))
    tests = write(tmp_path / "tests.yml", [test], rules, settings.collection.evaluation_interval)
    limit = "beyond the 15% at which everything is closed."
    assert f"is 20%, {limit}{says}\\nP&L" in run([tests])
