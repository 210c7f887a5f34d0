"""A loss stays known until a newer value arrives; it has an age, and is forgotten in the end."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from stack.drill.cases.case import OF_BOT, Case, Series, Value
from stack.drill.cases.limits import POSITION
from stack.render import render
from stack.settings import Duration, Settings, load
from tests.rules.promtool import as_tests, inputs, needed, read, run, write

MINUTE = 60.0
TOLD = 3  # scrapes in which the bot reports its loss


@pytest.fixture(scope="module")
def ten_minutes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[Path]]:
    folder = tmp_path_factory.mktemp("known")
    (folder / "monitoring.yaml").write_text("thresholds: {critical: {loss_known_for: 10m}}")
    settings = load([folder / "monitoring.yaml"])
    render(settings, folder / "build")
    return settings, sorted((folder / "build/prometheus/rules").glob("*.yml"))


def of_alert(files: list[Path], alert: str) -> Path:
    """Return the file with an alert's rules."""
    return next(file for file in files if any(one.get("alert") == f"TradingBot{alert}" for one in read(file)))


def dead(scrapes: int) -> list[Series]:
    """Return a bot that lost a fifth and died."""
    silent: list[Value] = [0.2] * TOLD + ["stale"] + [None] * (scrapes - TOLD - 1)
    return [
        Series("trading_bot_up", [1.0] * TOLD + [0.0] * (scrapes - TOLD)),
        Series("trading_bot_drawdown_ratio", silent),
    ]


def guarded(scrapes: int) -> list[Series]:
    """Return a bot whose loss only the guard saw, and still shows."""
    answers = [1.0] * TOLD + [0.0] * (scrapes - TOLD)
    return [
        Series("trading_bot_up", answers),
        Series("trading_bot_guard_up", answers),
        Series("trading_bot_guard_drawdown_ratio", [0.2] * scrapes),
    ]


def bare(scrapes: int) -> list[Series]:
    """Return a bot that held a position without a stop and died."""
    silent: list[Value] = [1.0] * TOLD + ["stale"] + [None] * (scrapes - TOLD - 1)
    answered = [min(scrape, TOLD - 1) * MINUTE for scrape in range(scrapes)]
    return [
        Series("trading_bot_up", [1.0] * TOLD + [0.0] * (scrapes - TOLD)),
        Series("trading_bot_position_unprotected", silent, {}, POSITION),
        Series("nightdesk_exporter_last_success_timestamp_seconds", answered),
    ]


@pytest.mark.parametrize(
    ("alert", "bot", "labels"),
    [
        ("CriticalLoss", dead, OF_BOT),
        ("CriticalLoss", guarded, OF_BOT),
        ("PositionUnprotected", bare, POSITION),
    ],
)
@pytest.mark.parametrize(("after", "fires"), [(10 * MINUTE, True), (16 * MINUTE, False)])
def test_a_loss_is_known_as_long_as_the_settings_say_and_its_alert_a_bridge_longer(
    ten_minutes: tuple[Settings, list[Path]],
    tmp_path: Path,
    after: float,
    fires: bool,
    alert: str,
    bot: Callable[[int], list[Series]],
    labels: Mapping[str, str],
) -> None:
    settings, files = ten_minutes
    case = Case(alert, "kept", bot(30), (TOLD - 1) * MINUTE + after, fires, labels)
    tests = as_tests([case], settings, [])
    rules = needed(of_alert(files, alert), files)
    assert run([write(tmp_path / "tests.yml", tests, rules, settings.collection.evaluation_interval)]) == ""


def flat(scrapes: int) -> list[Series]:
    """Return a bot that closed its position without a stop, and died ten scrapes later."""
    held: list[Value] = [1.0] * TOLD + ["stale"] + [None] * (scrapes - TOLD - 1)
    died = TOLD + 10
    answered = [min(scrape, died - 1) * MINUTE for scrape in range(scrapes)]
    return [
        Series("trading_bot_up", [1.0] * died + [0.0] * (scrapes - died)),
        Series("trading_bot_position_unprotected", held, {}, POSITION),
        Series("nightdesk_exporter_last_success_timestamp_seconds", answered),
    ]


@pytest.mark.parametrize("minutes", [TOLD + 12, TOLD + 18])
def test_a_position_that_was_closed_does_not_come_back_when_its_bot_dies(
    ten_minutes: tuple[Settings, list[Path]], tmp_path: Path, minutes: float
) -> None:
    settings, files = ten_minutes
    case = Case("PositionUnprotected", "flat", flat(30), minutes * MINUTE, False, POSITION)
    rules = needed(of_alert(files, "PositionUnprotected"), files)
    tests = as_tests([case], settings, [])
    assert run([write(tmp_path / "tests.yml", tests, rules, settings.collection.evaluation_interval)]) == ""


def unseen(scrapes: int) -> list[Series]:
    """Return a bot that held a position without a stop, and died while Prometheus was down."""
    gap: list[Value] = [None] * 6  # a sample counts for five minutes
    answered: list[Value] = [scrape * MINUTE for scrape in range(TOLD)]
    after = scrapes - TOLD - len(gap)
    return [
        Series("trading_bot_up", [1.0] * TOLD + gap + [0.0] * after),
        Series("trading_bot_position_unprotected", [1.0] * TOLD + gap + [None] * after, {}, POSITION),
        Series(
            "nightdesk_exporter_last_success_timestamp_seconds",
            answered + gap + [(TOLD - 1) * MINUTE] * after,
        ),
    ]


def test_a_position_stays_known_if_its_bot_died_while_prometheus_was_down(
    ten_minutes: tuple[Settings, list[Path]], tmp_path: Path
) -> None:
    settings, files = ten_minutes
    case = Case("PositionUnprotected", "unseen", unseen(30), (TOLD + 8.5) * MINUTE, True, POSITION)
    rules = needed(of_alert(files, "PositionUnprotected"), files)
    tests = as_tests([case], settings, [])
    assert run([write(tmp_path / "tests.yml", tests, rules, settings.collection.evaluation_interval)]) == ""


@pytest.mark.parametrize(
    ("at", "alert", "bot", "says"),
    [
        (2, "CriticalLoss", dead, "is 20%, beyond the 15% at which Nightdesk closes everything."),
        (7, "CriticalLoss", dead, "closes everything. This figure is 5m 0s old; there is no newer one."),
        (7, "PositionUnprotected", bare, "is stopped. This figure is 5m 0s old; there is no newer one."),
    ],
)
def test_the_message_says_how_old_the_last_known_danger_is(
    ten_minutes: tuple[Settings, list[Path]], tmp_path: Path, at: int, alert: str, says: str,
    bot: Callable[[int], list[Series]],
) -> None:  # fmt: skip
    settings, files = ten_minutes
    test = {
        "interval": "1m",
        "input_series": inputs(bot(30)),
        "promql_expr_test": [],
        "alert_rule_test": [
            {
                "eval_time": str(Duration(at * MINUTE)),
                "alertname": f"TradingBot{alert}",
                "exp_alerts": [],
            }
        ],
    }
    rules = needed(of_alert(files, alert), files)
    tests = write(tmp_path / "tests.yml", [test], rules, settings.collection.evaluation_interval)
    assert f"{says}\\nP&L" in run([tests])
