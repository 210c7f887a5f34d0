"""An action waits while the exchange is down, as a real Prometheus judges living and dead bots."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.settings import Settings, load
from tests.conftest import binary
from webhook_actions.actions import load_actions
from webhook_actions.engine import verification
from webhook_actions.engine.facts import Known, Planner
from webhook_actions.engine.verification import Verification
from webhook_actions.store.incidents import Incident

NOW = "20m"


def settings_of(directory: Path, kind: str) -> Settings:
    (directory / "secret").write_text("secret")
    access = {
        "http": {"type": "http", "url": "http://bot", "token_file": "secret"},
        "freqtrade": {"type": "freqtrade", "url": "http://bot", "username": "u", "password_file": "secret"},
    }[kind]
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump({"bots": {"alpha": {"source": access}}}))
    return load([config])


def waits(settings: Settings, word: str) -> dict[str, list[str]]:
    """Return the PromQL by which actions against an alert of alpha wait, with their names."""
    actions = load_actions()
    planner = Planner(settings, actions)
    made = Verification(settings, None, actions, planner)  # type: ignore[arg-type]  # nobody is asked
    incident: Any = Incident(1, "f", f"TradingBot{word}", "alpha", "critical", {}, {}, *[None] * 3, 1)  # type: ignore[arg-type]
    return {
        expression: names
        for expression, (names, _) in made._waits(Known(incident, (), (), None, None, False)).items()
    }


@dataclass
class Outage:
    """Series with a scrape each minute, and the actions that wait at the end."""

    why: str
    series: dict[str, str] = field(default_factory=dict)
    waits: bool = True


UP, DEAD = "1x20", "1x14 0x6"
RATE, STATE = 'trading_bot_error_rate{bot="alpha"}', 'trading_bot_up{bot="alpha"}'
PROBE = 'probe_success{job="probe-exchanges",endpoint="binance"}'
OTHER = 'probe_success{job="probe-exchanges",endpoint="kraken"}'
WORDS = 'trading_bot_log_messages_total{bot="alpha",message="Could not load markets, therefore cannot start"}'
CASES = [
    Outage("its calls fail while it lives", {STATE: UP, RATE: "0.9x20"}),
    Outage("its calls fail while it lives, whatever a probe says", {STATE: UP, RATE: "0.9x20", PROBE: UP}),
    Outage("its calls failed until it died", {STATE: DEAD, RATE: "0.9x14 stale"}),
    Outage("it could not load the markets", {STATE: DEAD, WORDS: "_x13 1x7"}),
    Outage("it could not load the markets, again", {STATE: DEAD, WORDS: "1x13 2x7"}),
    Outage("every probe fails", {STATE: UP, PROBE: "1x15 0x5", OTHER: "0x20"}),
    Outage("it died of its exchange, which is back", {STATE: DEAD, RATE: "0.9x14 stale", PROBE: UP}, False),
    Outage("another exchange is out", {STATE: DEAD, PROBE: UP, OTHER: "0x20"}, False),
    Outage("its calls are well", {STATE: UP, RATE: "0.01x20"}, False),
    Outage("it could not load them long ago", {STATE: DEAD, WORDS: "1x20"}, False),
    Outage("its calls failed long before it died", {STATE: DEAD, RATE: "0.9x5 stale"}, False),
    Outage("a probe never succeeded", {STATE: DEAD, PROBE: "0x20"}, False),
    Outage("nothing is known", {}, False),
]


def holds(directory: Path, expressions: list[str], series: dict[str, str]) -> list[bool]:
    """Return the expressions with a sample at the end of the series, evaluated by Prometheus."""
    rules = [{"record": f"held{n}", "expr": f"count({each}) > 0"} for n, each in enumerate(expressions)]
    (directory / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    found = []
    for n in range(len(expressions)):
        test = {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": f"count(held{n})", "eval_time": NOW, "exp_samples": []}],
        }
        (directory / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [test]}))
        ran = subprocess.run(
            [str(binary("promtool")), "test", "rules", str(directory / "test.yml")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0 or "got:" in ran.stdout + ran.stderr, ran.stdout + ran.stderr
        found.append(ran.returncode != 0)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_an_exchange_outage_differs_from_a_dead_bot(tmp_path: Path, case: Outage) -> None:
    expressions = list(waits(settings_of(tmp_path, "freqtrade"), "Down"))
    assert any(holds(tmp_path, expressions, case.series)) is case.waits


@pytest.mark.parametrize(
    ("kind", "word", "names"),
    [
        ("freqtrade", "ApiErrorRate", {"retry_connection"}),
        ("freqtrade", "DataStale", {"retry_connection"}),
        ("freqtrade", "Down", {"restart_bot"}),
        ("http", "Down", {"restart_bot"}),
        ("http", "LoopHung", {"restart_bot"}),
        ("http", "ApiErrorRate", set()),  # a new connection helps a bot that does not start because of it
    ],
)
def test_an_action_that_restarts_a_bot_waits_for_its_exchange(
    tmp_path: Path, kind: str, word: str, names: set[str]
) -> None:
    found = waits(settings_of(tmp_path, kind), word)
    own = {name for expression, each in found.items() if "error_rate" in expression for name in each}
    assert own == names


@pytest.mark.parametrize(
    ("mode", "series", "proven"),
    [
        ("running", {STATE: UP, 'trading_bot_state{bot="alpha",state="running"}': UP}, True),
        ("running", {STATE: UP}, True),  # a bot that does not report its state
        ("running", {STATE: UP, 'trading_bot_state{bot="alpha",state="stopped"}': UP}, False),
        ("running", {STATE: UP, 'trading_bot_state{bot="alpha",state="paused"}': UP}, False),
        ("paused", {STATE: UP, 'trading_bot_state{bot="alpha",state="paused"}': UP}, True),
        ("running", {STATE: DEAD}, False),
        ("running", {STATE: UP, 'trading_bot_last_activity_timestamp_seconds{bot="alpha"}': "1100x20"}, True),
        ("running", {STATE: UP, 'trading_bot_last_activity_timestamp_seconds{bot="alpha"}': "100x20"}, False),
    ],
)
def test_a_restart_is_proven_by_the_state_before_and_a_loop_that_is_active(
    tmp_path: Path, mode: str, series: dict[str, str], proven: bool
) -> None:
    settings = settings_of(tmp_path, "http")
    actions = load_actions()
    made = Verification(settings, None, actions, Planner(settings, actions))  # type: ignore[arg-type]  # nobody is asked
    run: Any = type("Run", (), {"before": mode, "bot": "alpha"})
    other = any('state="' in name and mode not in name for name in series)
    expressions = [made._of_mode(each, run) for each in (verification._AS_BEFORE, verification._ASTRAY)]
    assert holds(tmp_path, expressions, series) == [proven, other]
