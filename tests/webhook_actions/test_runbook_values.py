"""A runbook shows values instead of names of settings: the desk's, else the defaults."""

from pathlib import Path

import pytest
import requests
import yaml

from stack.settings import load
from stack.settings.load import DEFAULTS
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.visitor import Visitor, words
from webhook_actions.page.values import with_values

RUNBOOK = "/docs/runbooks/TradingBotDown.md"


def html(path: str) -> str:
    return f"<p>after <code>{path}</code></p><p><strong>Tuning.</strong> <code>{path}</code></p>"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("thresholds.critical.down_after", "7m"),
        ("thresholds.critical.max_drawdown", "0.1"),
        ("actions.limits.restart_bot.attempts", "3"),
        ("alerts.Down.actions", "restart_bot, close_positions"),
        ("alerts.Down.for", "0s"),
        ("sla.throughput.alert", "false"),
    ],
)
def test_a_name_reads_as_its_value_and_below_tuning_as_both(path: str, value: str, tmp_path: Path) -> None:
    config = tmp_path / "monitoring.yaml"
    config.write_text(yaml.safe_dump({"thresholds": {"critical": {"down_after": "7m"}}}))
    shown = with_values(load([config]), html(path))
    assert words(shown).strip() == f"after {value} Tuning. {path} ( {value} )"


@pytest.mark.parametrize(
    "path", ["summaries.daily", "thresholds.critical.nothing", "channels.email.password_file", "refused"]
)
def test_a_word_that_is_no_setting_stays_unchanged(path: str) -> None:
    assert with_values(load([DEFAULTS]), html(path)) == html(path)


def test_only_who_is_logged_in_reads_the_values_of_this_desk(make_harness: Make) -> None:
    harness = make_harness("alpha", thresholds={"critical": {"down_after": "30m"}})
    harness.start_engine()
    stranger = requests.get(harness.url(RUNBOOK), timeout=20).text
    anna = Visitor(harness)
    anna.log_in()
    mine = anna.get(RUNBOOK).text
    assert "The values are the defaults" in words(stranger)
    assert "The values are those of your settings" in words(mine)
    assert [down_after(page) for page in (stranger, mine)] == [
        "5m",
        "30s",
    ]  # its minutes are seconds


def down_after(page: str) -> str:
    return page.partition('title="thresholds.critical.down_after">')[2].partition("<")[0]
