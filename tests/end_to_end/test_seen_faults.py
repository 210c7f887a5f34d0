"""Each fault of the demo bot fires its alert, as Alertmanager shows."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil
import pytest

from tests.conftest import eventually
from tests.end_to_end.conftest import Stack

# Each fault and its alert; other tests have `crash` and `stay_down`. A fault that an action repairs at the
# warning never becomes critical. Lost money does not come back, so the drawdown comes last.
FAULTS: Sequence[tuple[str, Sequence[str]]] = [
    ("hang", ["Down"]),
    ("loop_hang", ["LoopHung"]),
    ("api_errors", ["ApiErrorRate"]),
    ("slow_api", ["ApiResponseTimeHigh", "ApiResponseTimeCritical"]),
    ("stale_data", ["DataStaleWarning"]),
    ("log_errors", ["LogErrorBurst"]),
    ("drift", ["ModelDrift"]),
    ("drawdown", ["HighDrawdown", "CriticalLoss"]),
]


@pytest.mark.parametrize(("fault", "alerts"), FAULTS, ids=[fault for fault, _ in FAULTS])
def test_a_fault_of_the_demo_bot_fires_its_alert(stack: Stack, fault: str, alerts: Sequence[str]) -> None:
    wanted = {(f"TradingBot{alert}", "demo") for alert in alerts}
    with switched_on(stack, fault):
        eventually(lambda: wanted <= set(stack.alertmanager()), within=120, what=f"{alerts} by {fault}")
    if fault in ("drift", "drawdown"):
        return  # they end late or never, and no action repairs the faults that follow them

    def over() -> bool:
        incidents = [incident for each in wanted for incident in stack.incidents(*each)]
        return not wanted & set(stack.alertmanager()) and all(one["closed_at"] for one in incidents)

    # A pending action would end the next fault before the test sees it.
    eventually(over, within=120, what=f"the end of {alerts}")


def test_a_dying_bot_does_not_resolve_a_loss_and_its_age_is_shown(stack: Stack) -> None:
    loss = ("TradingBotCriticalLoss", "demo")
    assert stack.demo("POST", "faults/drawdown", {"ratio": 0.3}).ok
    eventually(lambda: loss in stack.alertmanager(), within=60, what="the alert of the loss")
    assert stack.demo("POST", "faults/stay_down").ok
    try:
        assert stack.demo("POST", "faults/crash").ok
        eventually(lambda: ("TradingBotDown", "demo") in stack.alertmanager(), within=120, what="Down")
        bridge = stack.settings.alerts["CriticalLoss"].cooldown
        until = time.monotonic() + 4 * bridge
        while time.monotonic() < until:
            assert loss in stack.alertmanager()
            time.sleep(0.5)
        assert "old; there is no newer one." in stack.says(*loss)
        [incident] = [one for one in stack.incidents(*loss) if not one["closed_at"]]
        assert incident["alert"] == loss[0]
    finally:
        assert stack.demo("DELETE", "faults/stay_down").ok
        stack.demo("POST", "control/start")


def test_memory_that_grows_is_seen_on_a_host_that_is_too_large_to_fill(stack: Stack) -> None:
    ratio = 'trading_bot_memory_usage_ratio{bot="demo"}'
    before = eventually(lambda: stack.value(ratio), within=60, what="the bot's memory")
    more = 300 * 2**20 / psutil.virtual_memory().total
    with switched_on(stack, "memory_growth", megabytes=300):
        eventually(lambda: (stack.value(ratio) or 0) > before + 0.8 * more, within=120, what="the growth")


@contextmanager
def switched_on(stack: Stack, fault: str, **arguments: float) -> Iterator[None]:
    """Switch a fault on while the bot runs, and off again; start the bot if the fault killed it."""
    eventually(lambda: stack.value('trading_bot_up{bot="demo"}') == 1, within=60, what="the bot")
    assert stack.demo("POST", f"faults/{fault}", arguments).ok
    try:
        yield
    finally:
        stack.demo("DELETE", f"faults/{fault}")
        stack.demo("POST", "control/start")
