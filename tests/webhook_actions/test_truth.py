"""Prometheus and our own rules decide; many requests at once do no harm."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from clients.alertmanager import Suppression
from tests.webhook_actions.scenario import ANNA, Scenario, verify
from tests.webhook_actions.sequences import CLOSE, Play, flat, id_of, many, none
from webhook_actions.engine.executor import Executor

# 10: Prometheus is the truth


def test_a_replaced_runs_incident_is_decided_again_at_once(play: Play) -> None:
    async def act(s: Scenario) -> None:
        s.bots["alpha"].slow = 2.0
        await s.fires("RiskUtilizationHigh", "alpha", severity="warning")
        running = "SELECT FROM runs WHERE action = 'stop_entries' AND state = 'running'"
        await s.until(lambda: many(s, running, 1), what="the weaker action")
        await s.fires("CriticalLoss", "alpha")
        replaced = "SELECT FROM runs WHERE verdict = 'replaced'"
        await s.until(lambda: many(s, replaced, 1), what="the stronger action")
        moved = "SELECT FROM incidents WHERE alert ~ 'Risk' AND waits_for <> 'stop_entries is under way'"
        await s.until(lambda: many(s, moved, 1), what="the next decision", within=5)

    play(act, actions=CLOSE)


def test_an_alert_of_a_bot_that_settings_do_not_know_stays_open_while_it_fires(play: Play) -> None:
    async def act(s: Scenario) -> None:
        await s.fires("Down", "stranger")
        handed = "SELECT FROM incidents WHERE handed_over_at IS NOT NULL AND closed_at IS NULL"
        await s.until(lambda: many(s, handed, 1), what="a person")
        assert "is not among settings' bots" in str(await s.timeline("stranger", "Down"))
        s.ends("Down", "stranger")
        closed = "SELECT FROM incidents WHERE closed_at IS NOT NULL"
        await s.until(lambda: many(s, closed, 1), what="closing")

    play(act, webhook_actions=_quick())


def _quick() -> dict[str, Any]:
    tokens = {f"{name}_file": f"{name}_token" for name in ("receive", "read", "act")}
    return {"tokens": tokens, "heartbeat": "1s", "reconcile_interval": "30s"}


def test_an_alert_that_fires_without_an_incident_gets_one_unless_it_is_held_back_on_purpose(
    play: Play,
) -> None:
    async def act(s: Scenario) -> None:
        await s.fires("CriticalLoss", "alpha", "beta", "gamma", told=False)
        labels = {word: s.prometheus.alerts["CriticalLoss", word].labels for word in ("beta", "gamma")}
        s.alertmanager.held = {
            "f-beta": Suppression(labels["beta"], frozenset({"another alert"}), frozenset()),
            "f-gamma": Suppression(labels["gamma"], frozenset(), frozenset({"by hand"})),
        }
        await s.until(lambda: flat(s, "alpha"), what="finding it, and acting")
        assert await s.rows("SELECT bot FROM incidents") == [("alpha",)]
        async with s.pool.transaction() as connection:  # a silence of ours, whose incident has ended
            await connection.execute(
                'INSERT INTO acknowledgements (incident, "by", comment, silence) '
                "SELECT id, 'anna', '', 'ours' FROM incidents"
            )
        s.alertmanager.held["f-gamma"] = Suppression(labels["gamma"], frozenset(), frozenset({"ours"}))
        await s.until(lambda: flat(s, "gamma"), what="finding what our own silence hid")
        assert await s.incident("beta") is None

    play(act, "alpha", "beta", "gamma", actions=CLOSE, webhook_actions=_quick())


def test_critical_alerts_without_a_webhook_open_within_seconds_others_after_the_webhooks_patience(
    play: Play,
) -> None:
    async def act(s: Scenario) -> None:
        fired_at = asyncio.get_running_loop().time()
        await s.fires("LowWinRate", "alpha", severity="warning", told=False)
        await s.fires("CriticalLoss", "alpha", told=False)
        await s.until(lambda: flat(s, "alpha"), what="acting on the critical one")
        assert await s.incident("alpha", "LowWinRate") is None
        await s.until(
            lambda: many(s, "SELECT FROM incidents WHERE alert ~ 'LowWinRate'", 1), what="the other"
        )
        took, routing = asyncio.get_running_loop().time() - fired_at, s.settings.routing
        assert took > routing.group_wait.warning + routing.group_interval

    play(act, actions=CLOSE, routing={"group_wait": {"warning": "2m"}})


# 12: our own rules decide


def test_a_sender_of_webhooks_prevents_no_action_and_downgrades_nothing(play: Play) -> None:
    async def act(s: Scenario) -> None:
        await s.fires("CriticalLoss", "alpha", told=False)
        forged = {"annotations": {"verify": "vector(1)"}}
        s.prometheus.gone.add("vector(1)")
        await s.deliver("CriticalLoss", "alpha", severity="info", **forged)
        await s.until(lambda: flat(s), what="the close")
        await s.deliver("CriticalLoss", "alpha", severity="info", **forged)
        incident = await s.incident("alpha")
        assert (incident.severity, incident.annotations["verify"]) == (
            "critical",
            verify("CriticalLoss", "alpha"),
        )

    play(act, actions=CLOSE)


# 16: many requests at once


def test_twelve_snoozes_at_once_all_succeed(play: Play) -> None:
    async def act(s: Scenario) -> None:
        await s.fires("CrashLooping", "alpha")
        incident = await id_of(s, word="CrashLooping")
        await asyncio.gather(*(s.commands.snooze(ANNA, incident, 60, "", False) for _ in range(12)))

    play(act)


def test_a_release_ends_the_pursuit_and_leaves_the_bot_to_its_owner(play: Play) -> None:
    async def act(s: Scenario) -> None:
        s.bots["alpha"].fails = [503] * 500
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: s.bots["alpha"].received > 2, what="the pursuit")
        await s.commands.release(ANNA, "alpha")
        taken = "SELECT FROM runs WHERE verdict = 'taken_over'"
        await s.until(lambda: many(s, taken, 1), what="the end of the pursuit")
        received = s.bots["alpha"].received
        await asyncio.sleep(1.5)
        assert s.bots["alpha"].received == received
        assert any("released" in why for why in await s.told("alpha"))

    play(act, actions=CLOSE)


def test_a_stronger_target_replaces_a_weaker_one(play: Play) -> None:
    async def act(s: Scenario) -> None:
        s.bots["alpha"].slow = 0.4
        await s.fires("HighDrawdown", "alpha")
        await s.until(lambda: s.bots["alpha"].received, what="the reduction")
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: flat(s), what="flat")
        await s.until(lambda: none(s, "SELECT FROM runs WHERE verdict IS NULL"), what="verdicts")

    play(act, actions={"armed": ["close_all_positions", "reduce_position_sizes"]})


def test_the_pause_between_two_tries_ends_its_growth_at_half_a_minute() -> None:
    pauses = [Executor._pause(SimpleNamespace(attempts=attempts)) for attempts in (1, 2, 6, 5000)]  # type: ignore[arg-type]
    assert pauses == [1.0, 2.0, 30.0, 30.0]


# the clock: an engine with a wrong clock uses the database's


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(minutes=-10)])
def test_an_engine_whose_clock_is_wrong_paces_a_target_and_runs_what_a_person_asks_for(
    play: Play, ahead: timedelta
) -> None:
    async def act(s: Scenario) -> None:
        await s.start(ahead=ahead)
        s.bots["alpha"].refuses = {"close_positions", "pause"}
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: s.bots["alpha"].received >= 2, what="two tries")
        await asyncio.sleep(1.5)
        [(attempts,)] = await s.rows("SELECT max(attempts) FROM runs")
        assert attempts <= 4, "each pause is longer than the one before"
        await s.commands.run(ANNA, await id_of(s), "clear_cache", "")
        await s.until(lambda: "clear_cache" in s.bots["alpha"].verbs(), what="the action by hand")
        s.bots["alpha"].refuses = set()
        await s.until(lambda: flat(s), what="flat", within=40)

    play(act, start=False, actions=CLOSE)
