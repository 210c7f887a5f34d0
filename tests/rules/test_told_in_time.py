"""People hear of an exchange outage within three minutes, with each step at its worst."""

from pathlib import Path

import pytest

from clients.freqtrade import Logs
from exporter.sources.freqtrade.watch import FailingCalls
from stack.settings import Settings
from tests.rules.promtool import read

PROMISED = 180.0
SENT = 10.0  # seconds until a message arrives
GIVEN_UP = 'fetch_ticker() returned exception: "500". Giving up.'
PACES = [31.0, 37.5, 45.0, 58.0]  # seconds between two passes: the loop sleeps 30 s, calls take their time


def records(*times: float) -> Logs:
    told = [("2026-01-01", at * 1000, "freqtrade.exchange.common", "WARNING", GIVEN_UP) for at in times]
    return Logs.model_validate({"logs": told})


def shown_after(settings: Settings, pace: float, out_at: float, limit: float) -> float:
    """Return the seconds of an outage after which a Freqtrade's error rate exceeds a limit."""
    failing = FailingCalls(float(settings.collection.rate_window))
    for second in range(int(PROMISED)):
        now = out_at + second
        failed = [out_at + n * pace for n in range(9) if n * pace <= second]
        if failing.ratio(records(*failed), now) > limit:
            return second
    return PROMISED


@pytest.mark.parametrize("pace", PACES)
def test_a_person_hears_within_three_minutes_that_a_freqtrades_exchange_is_out(
    settings: Settings, rules: Path, pace: float
) -> None:
    critical = read(rules / "trading-bot-critical.yml")
    [rule] = [one for one in critical if one["labels"].get("pace") == "at_once"]
    assert "for" not in rule
    limit = float(rule["expr"].partition(">")[2])
    collection, routing = settings.collection, settings.routing
    worst = max(shown_after(settings, pace, 1e9 + phase, limit) for phase in range(5))
    # Each step has just missed the previous one.
    steps = [collection.poll_interval, collection.trading.interval, collection.evaluation_interval]
    assert worst + sum(map(float, steps)) + float(routing.group_wait.critical) + SENT <= PROMISED


@pytest.mark.parametrize("phase", range(5))
def test_one_call_that_was_given_up_is_no_outage(settings: Settings, phase: int) -> None:
    failing = FailingCalls(float(settings.collection.rate_window))
    later = max(failing.ratio(records(1e9 + phase), 1e9 + phase + second) for second in range(300))
    assert later <= settings.thresholds.critical.error_rate
