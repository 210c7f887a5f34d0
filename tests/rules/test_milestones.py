"""The text of a milestone's message."""

from pathlib import Path

import pytest

from stack.drill.cases.case import Series
from stack.settings import Duration, Settings
from tests.rules.promtool import inputs, needed, run, write

BEFORE, AFTER = 4, 3  # scrapes below the mark, and beyond it


@pytest.mark.parametrize(
    ("metric", "labels", "says"),
    [
        ("pnl", {"window": "day"}, "reached daily_pnl, by closed trades."),
        ("uptime_seconds", {}, "reached uptime."),
    ],
)
def test_a_milestone_of_money_says_that_closed_trades_alone_count(
    settings: Settings, rules: Path, tmp_path: Path, metric: str, labels: dict[str, str], says: str
) -> None:
    values = [0.0] * BEFORE + [1e7] * AFTER
    pace = settings.collection.trading.interval
    test = {
        "interval": str(pace),
        "input_series": inputs([Series(f"trading_bot_{metric}", values, labels)]),
        "alert_rule_test": [
            {
                "eval_time": str(Duration((BEFORE + 1) * pace)),
                "alertname": "TradingBotMilestoneReached",
                "exp_alerts": [],
            }
        ],
    }
    file = rules / "trading-bot-info.yml"
    tests = write(
        tmp_path / "tests.yml",
        [test],
        needed(file, sorted(rules.glob("*.yml"))),
        settings.collection.evaluation_interval,
    )
    assert says in run([tests])
