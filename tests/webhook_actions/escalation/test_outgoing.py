"""Outgoing webhooks: signatures, a list of undelivered events, annotations."""

import asyncio
import json
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from clients.exporter import ClosedTrades
from clients.trading import Trade
from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes, ReceivedRequest
from tests.webhook_actions.escalation.harness import Harness, Setup, until
from webhook_actions.outcome import Outcome
from webhook_actions.outgoing import WEBHOOK
from webhook_actions.outgoing.trades import Trades
from webhook_actions.store import deliveries

QUIET = {"severities": {"critical": {"channels": []}, "warning": {"channels": []}}}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def endpoint(fakes: Fakes, *events: str, name: str = "hook") -> dict[str, object]:
    return {"name": name, "url": f"{fakes.url}/{name}", "secret_file": "webhook", "events": list(events)}


def webhooks(fakes: Fakes, *events: str, **more: object) -> dict[str, object]:
    return {"webhooks": {"endpoints": [endpoint(fakes, *events)], **more}}


async def delivered(fakes: Fakes, count: int) -> list[ReceivedRequest]:
    async def look() -> list[ReceivedRequest]:
        got = [one for one in fakes.got if one.service == "webhook"]
        return got if len(got) >= count else []

    return await until(look, what=f"{count} webhooks")


def test_signed_webhooks_report_an_incidents_story(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        await delivered(fakes, 1)
        await harness.acknowledge(incident)
        await delivered(fakes, 2)
        await harness.close(incident)
        got = await delivered(fakes, 3)
        stories = [Webhook(SECRET).verify(one.text, one.headers) for one in got]
        types = [story["type"] for story in stories]
        assert types == ["incident.opened", "incident.acknowledged", "incident.closed"]
        assert {story["data"]["incident"] for story in stories} == {incident.id}
        assert stories[1]["data"]["by"] == "anna"
        with pytest.raises(WebhookVerificationError):
            Webhook("whsec_" + "A" * 32).verify(got[0].text, got[0].headers)

    play(scenario, speed=60, channels=webhooks(fakes, "system_alerts"), **QUIET)


def test_an_endpoint_gets_only_the_events_that_it_chose(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        async with harness.pool.transaction() as connection:
            tell = harness.escalation.outgoing
            await tell.acted(connection, incident, "restart_bot", "disruptive", Outcome.ok("restarted"))
            await tell.acted(connection, incident, "close_all_positions", "money", Outcome.ok("flat"))
            await tell.report(connection, "daily", {"pnl": 12.5})
        got = await delivered(fakes, 5)
        told = {(one.to, json.loads(one.text)["type"]) for one in got}
        assert told == {
            ("/alerts", "incident.opened"),
            ("/alerts", "action.ended"),
            ("/money", "action.ended"),
            ("/all", "action.ended"),
            ("/all", "report.ready"),
        }

    endpoints = [
        endpoint(fakes, "system_alerts", name="alerts"),
        endpoint(fakes, "trading_events", name="money"),
        endpoint(fakes, "trading_events", "performance_reports", name="all"),
    ]
    play(scenario, speed=60, channels={"webhooks": {"endpoints": endpoints}}, **QUIET)


def test_every_try_has_the_same_id_and_a_dead_letter_can_be_sent_again(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")

        async def dead() -> list[deliveries.Dead]:
            async with harness.pool.transaction() as connection:
                return await deliveries.dead(connection, WEBHOOK, 10)

        [delivery] = await until(dead, what="the dead delivery")
        assert delivery.attempts == 3
        assert delivery.outcome == "hook answered 404: webhook is out of order"
        async with harness.pool.transaction() as connection:
            assert await deliveries.send_again(connection, WEBHOOK, delivery.id)
            assert not await deliveries.send_again(connection, "email", delivery.id)
        [got] = await delivered(fakes, 1)
        assert got.headers["webhook-id"] == f"msg_{delivery.id}"
        assert await dead() == []

    fakes.answers["webhook"] = [500, 404, 404]
    play(
        scenario,
        speed=60,
        channels=webhooks(fakes, "system_alerts", delivery={"retries": 2, "pause": "1s"}),
        **QUIET,
    )


def test_an_endpoint_that_is_gone_is_not_asked_again(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        await until(
            lambda: harness.rows("SELECT FROM deliveries WHERE state = 'failed' AND channel = 'webhook'")
        )

    fakes.answers["webhook"] = [410]
    play(scenario, speed=60, channels=webhooks(fakes, "system_alerts"), **QUIET)
    assert fakes.tries.count("webhook") == 1


def test_an_invalid_secret_is_reported_without_being_shown(play: Play, setup: Setup, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        rows = await until(
            lambda: harness.rows(
                "SELECT outcome FROM deliveries WHERE state = 'failed' AND channel = 'webhook'"
            )
        )
        assert rows == [("webhook holds no Standard Webhooks secret (base64 after whsec_)",)]

    (setup.directory / "webhook").write_text("whsec_a")
    play(scenario, speed=60, channels=webhooks(fakes, "system_alerts"), **QUIET)


def test_actions_and_acknowledgements_are_annotations_in_grafana(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        async with harness.pool.transaction() as connection:
            outcome = Outcome.ok("restarted")
            await harness.escalation.outgoing.acted(
                connection, incident, "restart_bot", "disruptive", outcome
            )
        await harness.acknowledge(incident)

        async def both() -> bool:
            return len(fakes.to("grafana")) == 2

        await until(both, what="two annotations")

    fakes.answers["grafana"] = [502]
    play(scenario, speed=60, channels={"grafana": {"enabled": True, "token_file": "grafana"}}, **QUIET)
    assert set(zip(fakes.to("grafana"), fakes.texts("grafana"), strict=True)) == {
        ("nightdesk,alpha,TradingBotDown,restart_bot", "restart_bot of alpha: done. restarted"),
        ("nightdesk,alpha,TradingBotDown,acknowledged", "acknowledged by anna. on it"),
    }


def test_each_closed_trade_is_a_trading_event_once_whoever_looks_and_none_of_before(
    play: Play, fakes: Fakes
) -> None:
    async def scenario(harness: Harness) -> None:
        now = time.time()
        closed = [_trade(now - 100, 5.0)]

        def ask(*_: object) -> ClosedTrades:
            return ClosedTrades(tuple(closed), 0, None)

        engines = [Trades(harness.settings, harness.pool, ask) for _ in range(2)]
        await engines[0].once()
        closed += [_trade(now + 10, 1.5), _trade(now + 20, -2.25)]
        await asyncio.gather(*(engine.once() for engine in engines))
        await delivered(fakes, 2)
        closed.append(_trade(now + 30, 3.0))
        await asyncio.gather(*(engine.once() for engine in engines))
        await delivered(fakes, 3)
        assert await harness.rows("SELECT count(*) FROM deliveries") == [(3,)]

    source = {"type": "http", "url": "http://127.0.0.1:1", "token_file": "read"}
    play(scenario, bots={"alpha": {"source": source}}, channels=webhooks(fakes, "trading_events"))
    told = [json.loads(one.text) for one in fakes.got if one.service == "webhook"]
    assert {one["type"] for one in told} == {"trade.closed"}
    assert sorted(one["data"]["profit"] for one in told) == [-2.25, 1.5, 3.0]
    about = {"bot": "alpha", "symbol": "BTC/USDT", "side": "long", "currency": "USDT"}
    assert all(about.items() <= one["data"].items() for one in told)


def _trade(closed_at: float, profit: float) -> Trade:
    return Trade(
        key=closed_at, symbol="BTC/USDT", side="long", opened_at=closed_at - 60, closed_at=closed_at,
        profit=profit, stake=None,
    )  # fmt: skip
