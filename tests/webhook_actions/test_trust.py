"""Sequences in which money moved twice, was not moved, or nobody was told: each was seen once."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.alertmanager import Suppression
from tests.webhook_actions.scene import ANNA, Scene, scene, verify
from webhook_actions.store import holds, incidents, runs
from webhook_actions.store.embedded import EmbeddedPostgres
from webhook_actions.web.commands import Refused

CLOSE = {"armed": ["close_all_positions", "close_positions"]}
REDUCE = {"armed": ["reduce_position_sizes"]}
ALWAYS = {"maintenance": [{"from": "00:00", "to": "00:00"}]}
_NAMES = (f"trust{number}" for number in itertools.count())

Play = Callable[..., None]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data")
    yield server.start()
    server.stop()


@pytest.fixture
def play(postgres: str, tmp_path: Path) -> Play:
    def run(act: Callable[[Scene], Awaitable[None]], *bots: str, start: bool = True, **settings: Any) -> None:
        async def in_a_scene() -> None:
            async with scene(postgres, next(_NAMES), tmp_path, *bots, start=start, **settings) as made:
                await act(made)

        asyncio.run(in_a_scene())

    return run


async def id_of(s: Scene, bot: str = "alpha", word: str = "CriticalLoss") -> int:
    return (await s.until(lambda: s.incident(bot, word), what="the incident")).id


def flat(s: Scene, bot: str = "alpha") -> bool:
    return not s.bots[bot].sizes and s.bots[bot].state == "paused"


# 1: only the last step of an incident was judged


def test_a_money_run_without_a_verdict_blocks_no_later_one(play: Play) -> None:
    async def act(s: Scene) -> None:
        await s.fires("HighDrawdown", "alpha")
        incident = await id_of(s, word="HighDrawdown")
        async with s.pool.transaction() as connection:  # what a killed engine leaves behind
            await runs.begin(connection, incident, "alpha", "reduce_position_sizes", "money", 0.01)
        await s.fires("CriticalLoss", "alpha")
        await s.start()
        await s.until(lambda: flat(s), what="flat")
        unjudged = "SELECT FROM runs WHERE verdict IS NULL"
        await s.until(lambda: _none(s, unjudged), what="a verdict on each run")

    play(act, start=False, actions={"armed": ["close_all_positions", "reduce_position_sizes"]})


async def _none(s: Scene, query: str) -> bool:
    return not await s.rows(query)


def test_an_action_by_hand_during_the_proof_of_another_leaves_neither_unjudged(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.bots["alpha"].slow = 0.5
        await s.fires("Down", "alpha")
        incident = await id_of(s, word="Down")
        await s.until(lambda: s.bots["alpha"].received, what="the restart")
        await s.commands.run(ANNA, incident, "clear_cache", "")
        await s.until(lambda: "clear_cache" in s.bots["alpha"].verbs(), what="the action by hand")
        s.prometheus.gone.add(verify("Down", "alpha"))
        both = "SELECT FROM runs WHERE verdict = 'verified' AND action IN ('restart_bot', 'clear_cache')"
        await s.until(lambda: _many(s, both, 2), what="both verdicts")

    play(act)


async def _many(s: Scene, query: str, count: int) -> bool:
    return len(await s.rows(query)) == count


# 2 and 4: orders by hand


def test_a_double_click_and_a_retried_call_are_one_order(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.bots["alpha"].slow = 0.2
        await s.fires("LowWinRate", "alpha", severity="warning")
        incident = await id_of(s, word="LowWinRate")
        asked = [s.commands.run(ANNA, incident, "reduce_position_sizes", "alpha") for _ in range(4)]
        asked += [s.commands.run(ANNA, incident, "reduce_position_sizes", "alpha", "key-1") for _ in range(4)]
        assert len(set(await asyncio.gather(*asked))) == 1
        await s.until(lambda: s.bots["alpha"].sizes["BTC"] == 2.0, what="the reduction")
        again = await s.commands.run(ANNA, incident, "reduce_position_sizes", "alpha", "key-1")
        await asyncio.sleep(0.5)
        assert s.bots["alpha"].sizes == {"BTC": 2.0, "ETH": 4.0}
        assert [again] == [run for (run,) in await s.rows("SELECT id FROM runs WHERE asked_by IS NOT NULL")]

    play(act)


def test_a_request_expires_and_is_not_run_after_a_stop(play: Play) -> None:
    async def act(s: Scene) -> None:
        await s.fires("LowWinRate", "alpha", severity="warning")
        incident = await id_of(s, word="LowWinRate")
        await s.commands.run(ANNA, incident, "close_all_positions", "alpha")
        past = "UPDATE runs SET expires_at = clock_timestamp() - interval '1 second' RETURNING id"
        assert await s.rows(past)
        await s.start()
        await s.until(lambda: _many(s, "SELECT FROM runs WHERE outcome = 'refused'", 1), what="the refusal")
        assert s.bots["alpha"].orders == []
        assert any("expired" in text for _, text in await s.timeline("alpha", "LowWinRate"))
        assert any("expired" in why for why in await s.told("alpha"))

    play(act, start=False)


def test_an_attempt_whose_lease_is_over_orders_nothing_and_writes_nothing(play: Play) -> None:
    async def act(s: Scene) -> None:
        await s.fires("CriticalLoss", "alpha")
        incident = await id_of(s)
        async with s.pool.transaction() as connection:
            await holds.halt(connection, "alpha", incident, "test")
            old = await runs.begin(connection, incident, "alpha", "close_all_positions", "money", 0.01)
        await s.start()  # finds it interrupted, and goes on with the same run
        await s.until(lambda: flat(s), what="flat")
        async with s.pool.transaction() as connection:
            assert not (await holds.check(connection, old, incident, "alpha")).leased
            assert not await runs.set_target(connection, old, {})
            assert not await runs.end(connection, old, runs.Ending("done", "late", 1, 1.0))
        closings = [key for verb, key in s.bots["alpha"].orders if verb == "close_positions"]
        assert len(closings) == len(set(closings)) == 1

    play(act, start=False, actions=CLOSE)


# 3 and 11: a person's stop


def test_the_kill_switch_stops_what_is_committed_before_its_next_order(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.bots["alpha"].slow = 0.5  # the pause before the close takes a while
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: s.bots["alpha"].received, what="the first order")
        await s.commands.pause(ANNA, "enough")
        await s.until(lambda: _many(s, "SELECT FROM runs WHERE verdict = 'stopped'", 1), what="the stop")
        assert s.bots["alpha"].sizes == {"BTC": 4.0, "ETH": 8.0}
        assert any("paused by anna" in why for why in await s.told("alpha"))
        with pytest.raises(Refused, match="paused by anna"):
            await s.commands.run(ANNA, await id_of(s), "close_all_positions", "alpha")
        await s.commands.resume(ANNA)
        await s.until(lambda: flat(s), what="going on after the pause")

    play(act, actions=CLOSE)


def test_an_acknowledgement_holds_back_money_but_not_after_a_critical_loss(play: Play) -> None:
    async def act(s: Scene) -> None:
        for word in ("HighDrawdown", "CriticalLoss"):
            await s.fires(word, "alpha" if word == "HighDrawdown" else "beta")
        await s.commands.acknowledge(ANNA, await id_of(s, "alpha", "HighDrawdown"), "mine")
        await s.commands.acknowledge(ANNA, await id_of(s, "beta"), "mine")
        await s.start()
        await s.until(lambda: flat(s, "beta"), what="the close after a critical loss")
        held = "SELECT FROM incidents WHERE blocked = 'acknowledged'"
        await s.until(lambda: _many(s, held, 1), what="the reason")
        assert s.bots["alpha"].sizes == {"BTC": 4.0, "ETH": 8.0}
        assert any("acknowledged by anna" in text for _, text in await s.timeline("alpha", "HighDrawdown"))

    play(act, "alpha", "beta", start=False, actions={"armed": ["reduce_position_sizes", *CLOSE["armed"]]})


def test_a_reload_that_disarms_stops_a_close_and_one_that_ends_a_maintenance_lets_it_run(
    play: Play, tmp_path: Path
) -> None:
    async def act(s: Scene) -> None:
        engine = s.engines[0]
        s.bots["alpha"].slow = 0.5
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: s.bots["alpha"].received, what="the first order")
        disarmed = s.settings.model_copy(
            update={"actions": s.settings.actions.model_copy(update={"armed": []})}
        )
        await s.start(disarmed)
        await engine.stop()
        await s.until(lambda: _many(s, "SELECT FROM runs WHERE verdict = 'stopped'", 1), what="the stop")
        assert s.bots["alpha"].sizes, "nothing was closed"

    play(act, actions=CLOSE)

    async def maintained(s: Scene) -> None:
        await s.fires("CriticalLoss", "alpha")
        blocked = "SELECT FROM incidents WHERE blocked = 'maintenance'"
        await s.until(lambda: _many(s, blocked, 1), what="the maintenance")
        await s.engines[0].stop()
        over = s.settings.model_copy(
            update={"routing": s.settings.routing.model_copy(update={"maintenance": []})}
        )
        async with s.pool.transaction() as connection:  # as a start does
            await incidents.wake_all(connection)
        await s.start(over)
        await s.until(lambda: flat(s), what="the close once the maintenance is over")

    play(maintained, actions=CLOSE, routing=ALWAYS)


# 5, 6 and 7: how money is held back, pursued, and moved once


def test_the_fleet_limit_holds_back_no_close(play: Play) -> None:
    names = [f"bot{number}" for number in range(6)]

    async def act(s: Scene) -> None:
        await s.fires("CriticalLoss", *names)
        await s.until(lambda: all(flat(s, name) for name in names), what="six flat bots")

    play(act, *names, actions=CLOSE)


def test_a_close_is_pursued_through_errors_and_lost_answers_until_the_bot_is_flat(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.bots["alpha"].fails = [503, 0, 503, 500]
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: flat(s), what="flat", within=40)
        verified = "SELECT FROM runs WHERE verdict = 'verified' AND action = 'close_all_positions'"
        await s.until(lambda: _many(s, verified, 1), what="the proof")
        assert any(why.startswith("insist: target") for why in await s.told("alpha")), "people hear at once"

    play(act, actions=CLOSE)


def test_a_flapping_alert_reduces_once_whether_or_not_its_proof_can_be_seen(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.bots["alpha"].acts, s.bots["alpha"].fails = True, [0] * 20  # it acts, and nobody hears so
        for _ in range(5):
            await s.fires("HighDrawdown", "alpha")
            await asyncio.sleep(0.6)
            s.ends("HighDrawdown", "alpha")
            async with s.pool.transaction() as connection:
                await incidents.wake_all(connection)
            await s.until(lambda: _none(s, "SELECT FROM incidents WHERE closed_at IS NULL"), what="the end")
        assert s.bots["alpha"].sizes == {"BTC": 2.0, "ETH": 4.0}

    play(act, actions=REDUCE)


# 8 and 14: what people hear


def test_an_outage_of_prometheus_does_not_use_up_the_word_that_nothing_is_left(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.prometheus.away = "it is restarted"
        await s.fires("CrashLooping", "alpha")
        blocked = "SELECT FROM incidents WHERE blocked = 'unreachable'"
        await s.until(lambda: _many(s, blocked, 1), what="the outage")
        s.prometheus.away = None
        spent = "SELECT FROM escalation_steps WHERE rule = 'notice: spent'"
        await s.until(lambda: _many(s, spent, 1), what="the administrator's message")

    play(act)


def test_a_long_outage_of_prometheus_is_told(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.prometheus.away = "it is gone"
        await s.fires("Down", "alpha")
        taken = "SELECT FROM escalation_steps WHERE rule = 'notice: unreachable' AND state = 'taken'"
        await s.until(lambda: _many(s, taken, 1), what="the word to the administrator", within=60)

    play(act)


def test_what_only_looked_is_not_said_to_have_failed(play: Play) -> None:
    async def act(s: Scene) -> None:
        await s.fires("DiskUsageHigh", "alpha", severity="warning")
        handed = "SELECT FROM incidents WHERE handed_over_at IS NOT NULL"
        await s.until(lambda: _many(s, handed, 1), what="the end of the plan")
        [why] = [why for why in await s.told("alpha") if why.startswith("notice: spent")]
        assert "attempts spent" not in why

    play(act)


def test_a_restart_that_reached_nobody_takes_no_place_of_the_fleet(play: Play) -> None:
    names = ["broken1", "broken2", "alpha"]

    async def act(s: Scene) -> None:
        def missing(name: str) -> Any:
            bot = s.settings.bots[name]
            return bot.model_copy(
                update={"restart": bot.source.model_copy(update={"url": "http://127.0.0.1:9"})}
            )

        broken = {name: missing(name) for name in ("broken1", "broken2")}
        await s.start(s.settings.model_copy(update={"bots": s.settings.bots | broken}))
        await s.fires("Down", "broken1", "broken2")
        tried = "SELECT FROM runs WHERE ended_at IS NOT NULL AND outcome <> 'done'"
        await s.until(lambda: _at_least(s, tried, 2), what="two failed restarts")
        await s.fires("Down", "alpha")
        await s.until(lambda: "restart" in s.bots["alpha"].verbs(), what="the third bot's restart")

    play(act, *names, start=False)


async def _at_least(s: Scene, query: str, count: int) -> bool:
    return len(await s.rows(query)) >= count


# 10: Prometheus is the truth


def test_an_incident_whose_run_a_stronger_one_replaces_is_decided_anew_at_once(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.bots["alpha"].slow = 2.0
        await s.fires("RiskUtilizationHigh", "alpha", severity="warning")
        running = "SELECT FROM runs WHERE action = 'stop_entries' AND state = 'running'"
        await s.until(lambda: _many(s, running, 1), what="the weaker action")
        await s.fires("CriticalLoss", "alpha")
        replaced = "SELECT FROM runs WHERE verdict = 'replaced'"
        await s.until(lambda: _many(s, replaced, 1), what="the stronger action")
        moved = "SELECT FROM incidents WHERE alert ~ 'Risk' AND waits_for <> 'stop_entries is under way'"
        await s.until(lambda: _many(s, moved, 1), what="the next decision", within=5)

    play(act, actions=CLOSE)


def test_an_alert_of_a_bot_that_settings_do_not_know_stays_open_while_it_fires(play: Play) -> None:
    async def act(s: Scene) -> None:
        await s.fires("Down", "stranger")
        handed = "SELECT FROM incidents WHERE handed_over_at IS NOT NULL AND closed_at IS NULL"
        await s.until(lambda: _many(s, handed, 1), what="a person")
        assert "is not among settings' bots" in str(await s.timeline("stranger", "Down"))
        s.ends("Down", "stranger")
        closed = "SELECT FROM incidents WHERE closed_at IS NOT NULL"
        await s.until(lambda: _many(s, closed, 1), what="closing")

    play(act, webhook_actions=_quick())


def _quick() -> dict[str, Any]:
    tokens = {f"{name}_file": f"{name}_token" for name in ("receive", "read", "act")}
    return {"tokens": tokens, "heartbeat": "1s", "reconcile_interval": "30s"}


def test_an_alert_that_fires_without_an_incident_gets_one_unless_it_is_held_back_on_purpose(
    play: Play,
) -> None:
    async def act(s: Scene) -> None:
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


# 12: what decides comes from our own rules


def test_a_sender_of_webhooks_prevents_no_action_and_downgrades_nothing(play: Play) -> None:
    async def act(s: Scene) -> None:
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


# 16: many at once


def test_twelve_snoozes_at_once_all_succeed(play: Play) -> None:
    async def act(s: Scene) -> None:
        await s.fires("CrashLooping", "alpha")
        incident = await id_of(s, word="CrashLooping")
        await asyncio.gather(*(s.commands.snooze(ANNA, incident, 60, "", False) for _ in range(12)))

    play(act)


def test_a_release_ends_the_pursuit_and_leaves_the_bot_to_its_owner(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.bots["alpha"].fails = [503] * 500
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: s.bots["alpha"].received > 2, what="the pursuit")
        await s.commands.release(ANNA, "alpha")
        taken = "SELECT FROM runs WHERE verdict = 'taken_over'"
        await s.until(lambda: _many(s, taken, 1), what="the end of the pursuit")
        received = s.bots["alpha"].received
        await asyncio.sleep(1.5)
        assert s.bots["alpha"].received == received
        assert any("released" in why for why in await s.told("alpha"))

    play(act, actions=CLOSE)


def test_a_stronger_target_replaces_a_weaker_one(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.bots["alpha"].slow = 0.4
        await s.fires("HighDrawdown", "alpha")
        await s.until(lambda: s.bots["alpha"].received, what="the reduction")
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: flat(s), what="flat")
        await s.until(lambda: _none(s, "SELECT FROM runs WHERE verdict IS NULL"), what="verdicts")

    play(act, actions={"armed": ["close_all_positions", "reduce_position_sizes"]})
