"""How often Nightdesk asks Prometheus for firing alerts, and when it must not reuse an answer."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clients.prometheus import Firing, FiringAlert
from stack.settings import load
from tests.webhook_actions.decision_facts import NOW, incident
from webhook_actions.actions import load_actions
from webhook_actions.engine.facts import Known, Planner
from webhook_actions.engine.verification import Seen, Verification, _FiringAnswer
from webhook_actions.store.incidents import Incident

LONG_AGO = NOW - timedelta(hours=1)


class Prometheus:
    """Returns the firing alerts after `takes` seconds, and counts the questions."""

    def __init__(self, takes: float = 0.0) -> None:
        self.alerts: list[FiringAlert] = []
        self.takes, self.asked = takes, 0

    async def firing(self) -> Firing:
        self.asked += 1
        await asyncio.sleep(self.takes)
        return Firing(self.alerts)

    async def which_hold(self, expressions: Iterable[str]) -> dict[str, bool | None]:
        return dict.fromkeys(expressions, True)

    async def holds(self, *_: object) -> bool:
        return True


def opened(bot: str, **changes: Any) -> Known:
    labels = {"alertname": "TradingBotDown", "bot": bot}
    times = {"starts_at": LONG_AGO, "opened_at": LONG_AGO, "delivered_at": LONG_AGO}
    return Known(incident(bot=bot, labels=labels, **(times | changes)), (), (), None, None)


def firing(case: Known) -> FiringAlert:
    return FiringAlert(case.incident.labels, {"verify": "up"})


BOT = "source: {type: http, url: 'http://127.0.0.1:9', token_file: t}"
Watched = Callable[[Prometheus], Verification]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    config = tmp_path / "monitoring.yaml"
    config.write_text(f"bots: {{alpha: {{{BOT}}}, beta: {{{BOT}}}}}")
    given, actions = load([config]), load_actions()
    return lambda prometheus: Verification(given, prometheus, actions, Planner(given, actions))  # type: ignore[arg-type]


def test_looks_of_one_moment_share_what_fires(watched: Watched) -> None:
    async def looks() -> None:
        prometheus, case = Prometheus(), opened("alpha")
        prometheus.alerts = [firing(case)]
        verification = watched(prometheus)
        for _ in range(5):
            assert (await verification.observe([case], NOW)).observed[1].fires
        assert prometheus.asked == 1

    asyncio.run(looks())


def test_an_alert_delivered_since_the_last_answer_is_asked_for(watched: Watched) -> None:
    async def looks() -> None:
        prometheus, new = Prometheus(), opened("alpha", delivered_at=NOW)
        verification = watched(prometheus)
        await verification.observe([opened("beta")], NOW)
        prometheus.alerts = [firing(new)]
        assert (await verification.observe([new], NOW)).observed[1].fires
        assert prometheus.asked == 2

    asyncio.run(looks())


def test_an_incident_that_began_after_the_answer_is_not_over(watched: Watched) -> None:
    async def looks() -> tuple[Seen, Incident]:
        prometheus, new = Prometheus(), opened("alpha", starts_at=NOW, delivered_at=NOW)
        return await watched(prometheus).observe([new], NOW), new.incident

    seen, new = asyncio.run(looks())
    assert seen.observed[1].just_began
    assert new.starts_at > seen.over_at


def test_a_start_by_a_clock_that_is_far_ahead_keeps_no_incident_open(watched: Watched) -> None:
    async def looks() -> Seen:
        odd = opened("alpha", starts_at=NOW + timedelta(days=3000))
        return await watched(Prometheus()).observe([odd], NOW)

    assert not asyncio.run(looks()).observed[1].just_began


def test_no_answer_serves_longer_than_five_seconds_however_long_it_took() -> None:
    assert _FiringAnswer(Firing(()), began=100.0, took=0.1).serves_until == 101.0
    assert _FiringAnswer(Firing(()), began=100.0, took=0.5).serves_until == 102.0
    assert _FiringAnswer(Firing(()), began=100.0, took=9.0).serves_until == 105.0


def test_an_answer_that_took_long_serves_longer(watched: Watched) -> None:
    async def looks() -> None:
        prometheus, case = Prometheus(takes=0.4), opened("alpha")
        prometheus.alerts = [firing(case)]
        verification = watched(prometheus)
        await verification.observe([case], NOW)
        await asyncio.sleep(0.8)  # more than a second after the question
        await verification.observe([case], NOW)
        assert prometheus.asked == 1

    asyncio.run(looks())
