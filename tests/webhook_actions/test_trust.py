"""Sequences in which money moved twice or not at all, or nobody was notified: each was seen once."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.webhook_actions.scenario import ANNA, Scenario, verify
from tests.webhook_actions.sequences import ALWAYS, CLOSE, REDUCE, Play, at_least, flat, id_of, many, none
from webhook_actions.store import holds, incidents, runs
from webhook_actions.web.commands import Refused

# 1: Nightdesk judged only the last run of an incident


def test_a_money_run_without_a_verdict_blocks_no_later_one(play: Play) -> None:
    async def act(s: Scenario) -> None:
        await s.fires("HighDrawdown", "alpha")
        incident = await id_of(s, word="HighDrawdown")
        async with s.pool.transaction() as connection:  # the rows that a killed engine leaves
            await runs.begin(connection, incident, "alpha", "reduce_position_sizes", "money", 0.01)
        await s.fires("CriticalLoss", "alpha")
        await s.start()
        await s.until(lambda: flat(s), what="flat")
        unjudged = "SELECT FROM runs WHERE verdict IS NULL"
        await s.until(lambda: none(s, unjudged), what="a verdict on each run")

    play(act, start=False, actions={"armed": ["close_all_positions", "reduce_position_sizes"]})


def test_an_action_by_hand_during_the_proof_of_another_leaves_neither_unjudged(play: Play) -> None:
    async def act(s: Scenario) -> None:
        s.bots["alpha"].slow = 0.5
        await s.fires("Down", "alpha")
        incident = await id_of(s, word="Down")
        await s.until(lambda: s.bots["alpha"].received, what="the restart")
        await s.commands.run(ANNA, incident, "clear_cache", "")
        await s.until(lambda: "clear_cache" in s.bots["alpha"].verbs(), what="the action by hand")
        s.prometheus.gone.add(verify("Down", "alpha"))
        both = "SELECT FROM runs WHERE verdict = 'verified' AND action IN ('restart_bot', 'clear_cache')"
        await s.until(lambda: many(s, both, 2), what="both verdicts")

    play(act)


# 2 and 4: orders by hand


def test_a_double_click_and_a_retried_call_are_one_order(play: Play) -> None:
    async def act(s: Scenario) -> None:
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
    async def act(s: Scenario) -> None:
        await s.fires("LowWinRate", "alpha", severity="warning")
        incident = await id_of(s, word="LowWinRate")
        await s.commands.run(ANNA, incident, "close_all_positions", "alpha")
        past = "UPDATE runs SET expires_at = clock_timestamp() - interval '1 second' RETURNING id"
        assert await s.rows(past)
        await s.start()
        await s.until(lambda: many(s, "SELECT FROM runs WHERE outcome = 'refused'", 1), what="the refusal")
        # The alert's planned actions may have run meanwhile; the person's request may not.
        assert [verb for verb, _ in s.bots["alpha"].orders if verb.startswith("close")] == []
        assert any("expired" in text for _, text in await s.timeline("alpha", "LowWinRate"))
        assert any("expired" in why for why in await s.told("alpha"))

    play(act, start=False)


def test_an_attempt_whose_lease_is_over_orders_nothing_and_writes_nothing(play: Play) -> None:
    async def act(s: Scenario) -> None:
        await s.fires("CriticalLoss", "alpha")
        incident = await id_of(s)
        async with s.pool.transaction() as connection:
            await holds.halt(connection, "alpha", incident, "test")
            old = await runs.begin(connection, incident, "alpha", "close_all_positions", "money", 0.01)
        await s.start()  # it finds the run interrupted, and continues it
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
    async def act(s: Scenario) -> None:
        s.bots["alpha"].slow = 0.5  # the pause before the close takes a while
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: s.bots["alpha"].received, what="the first order")
        await s.commands.pause(ANNA, "enough")
        await s.until(lambda: many(s, "SELECT FROM runs WHERE verdict = 'stopped'", 1), what="the stop")
        assert s.bots["alpha"].sizes == {"BTC": 4.0, "ETH": 8.0}
        assert any("paused by anna" in why for why in await s.told("alpha"))
        with pytest.raises(Refused, match="paused by anna"):
            await s.commands.run(ANNA, await id_of(s), "close_all_positions", "alpha")
        await s.commands.resume(ANNA)
        await s.until(lambda: flat(s), what="going on after the pause")

    play(act, actions=CLOSE)


def test_an_acknowledgement_holds_back_money_but_not_after_a_critical_loss(play: Play) -> None:
    async def act(s: Scenario) -> None:
        for word in ("HighDrawdown", "CriticalLoss"):
            await s.fires(word, "alpha" if word == "HighDrawdown" else "beta")
        await s.commands.acknowledge(ANNA, await id_of(s, "alpha", "HighDrawdown"), "mine")
        await s.commands.acknowledge(ANNA, await id_of(s, "beta"), "mine")
        await s.start()
        await s.until(lambda: flat(s, "beta"), what="the close after a critical loss")
        held = "SELECT FROM incidents WHERE blocked = 'acknowledged'"
        await s.until(lambda: many(s, held, 1), what="the reason")
        assert s.bots["alpha"].sizes == {"BTC": 4.0, "ETH": 8.0}
        assert any("acknowledged by anna" in text for _, text in await s.timeline("alpha", "HighDrawdown"))

    play(act, "alpha", "beta", start=False, actions={"armed": ["reduce_position_sizes", *CLOSE["armed"]]})


def test_a_reload_that_disarms_stops_a_close_and_one_that_ends_a_maintenance_lets_it_run(
    play: Play, tmp_path: Path
) -> None:
    async def act(s: Scenario) -> None:
        engine = s.engines[0]
        s.bots["alpha"].slow = 0.5
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: s.bots["alpha"].received, what="the first order")
        disarmed = s.settings.model_copy(
            update={"actions": s.settings.actions.model_copy(update={"armed": []})}
        )
        await s.start(disarmed)
        await engine.stop()
        await s.until(lambda: many(s, "SELECT FROM runs WHERE verdict = 'stopped'", 1), what="the stop")
        assert s.bots["alpha"].sizes, "nothing was closed"

    play(act, actions=CLOSE)

    async def maintained(s: Scenario) -> None:
        await s.fires("CriticalLoss", "alpha")
        blocked = "SELECT FROM incidents WHERE blocked = 'maintenance'"
        await s.until(lambda: many(s, blocked, 1), what="the maintenance")
        await s.engines[0].stop()
        over = s.settings.model_copy(
            update={"routing": s.settings.routing.model_copy(update={"maintenance": []})}
        )
        async with s.pool.transaction() as connection:  # as a start does
            await incidents.wake_all(connection)
        await s.start(over)
        await s.until(lambda: flat(s), what="the close once the maintenance is over")

    play(maintained, actions=CLOSE, routing=ALWAYS)


# 5, 6 and 7: money is held back, pursued, and moved once


def test_the_fleet_limit_holds_back_no_close(play: Play) -> None:
    names = [f"bot{number}" for number in range(6)]

    async def act(s: Scenario) -> None:
        await s.fires("CriticalLoss", *names)
        await s.until(lambda: all(flat(s, name) for name in names), what="six flat bots")

    play(act, *names, actions=CLOSE)


def test_the_fleet_limit_counts_bots_that_fall_at_the_same_moment(play: Play) -> None:
    names = [f"bot{number}" for number in range(6)]

    async def act(s: Scenario) -> None:
        await s.fires("Down", *names)
        await s.start()
        held = "SELECT FROM incidents WHERE handed_over_at IS NOT NULL"
        await s.until(lambda: many(s, held, 4), what="four bots that the limit holds back")
        assert sum("restart" in s.bots[name].verbs() for name in names) <= 2

    play(act, *names, start=False, actions={"fleet": {"bots": 2}})


def test_incidents_that_wait_for_room_look_for_it_one_after_the_other(play: Play) -> None:
    names = [f"bot{number}" for number in range(60)]

    async def act(s: Scenario) -> None:
        for name in names:
            s.bots[name].slow = 5.0
        settings = s.settings.webhook_actions.model_copy(update={"workers": 1})
        await s.fires("DataStale", *names, severity="warning")
        await s.start(s.settings.model_copy(update={"webhook_actions": settings}))
        waiting = "SELECT due_at FROM incidents WHERE waits_for LIKE '%% waits until another action %%'"
        await s.until(lambda: at_least(s, waiting, 55), what="incidents that wait for room")
        due = sorted(at for (at,) in await s.rows(waiting))
        assert (due[-1] - due[0]).total_seconds() > 0.5, "they are not all looked at again at once"

    play(act, *names, start=False, actions={"fleet": {"bots": 100}})


def test_halted_bots_that_hang_hold_back_no_close_of_another(play: Play) -> None:
    names = [f"bot{number:03}" for number in range(200)]

    async def act(s: Scenario) -> None:
        over = threading.Event()
        try:
            async with s.pool.transaction() as connection:
                for name in names:
                    s.bots[name].hangs = over
                    await holds.halt(connection, name, None, "a test")
            await s.start()
            await asyncio.sleep(2.0)  # one check of each by the keeper
            await s.fires("CriticalLoss", "alpha")
            await s.until(lambda: flat(s), what="flat")
        finally:
            over.set()

    play(act, "alpha", *names, start=False, actions=CLOSE)


def test_a_close_is_pursued_through_errors_and_lost_answers_until_the_bot_is_flat(play: Play) -> None:
    async def act(s: Scenario) -> None:
        s.bots["alpha"].fails = [503, 0, 503, 500]
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: flat(s), what="flat", within=40)
        verified = "SELECT FROM runs WHERE verdict = 'verified' AND action = 'close_all_positions'"
        await s.until(lambda: many(s, verified, 1), what="the proof")
        assert any(why.startswith("insist: target") for why in await s.told("alpha")), "people hear at once"

    play(act, actions=CLOSE)


def test_a_flapping_alert_reduces_once_whether_or_not_its_proof_can_be_seen(play: Play) -> None:
    async def act(s: Scenario) -> None:
        s.bots["alpha"].acts, s.bots["alpha"].fails = True, [0] * 20  # it acts, and the answer is lost
        for _ in range(5):
            await s.fires("HighDrawdown", "alpha")
            await asyncio.sleep(0.6)
            s.ends("HighDrawdown", "alpha")
            async with s.pool.transaction() as connection:
                await incidents.wake_all(connection)
            await s.until(lambda: none(s, "SELECT FROM incidents WHERE closed_at IS NULL"), what="the end")
        assert s.bots["alpha"].sizes == {"BTC": 2.0, "ETH": 4.0}

    play(act, actions=REDUCE)


# 8 and 14: messages to people


def test_an_outage_of_prometheus_does_not_suppress_the_later_notice_of_spent_actions(play: Play) -> None:
    async def act(s: Scenario) -> None:
        s.prometheus.away = "it is restarted"
        await s.fires("CrashLooping", "alpha")
        blocked = "SELECT FROM incidents WHERE blocked = 'unreachable'"
        await s.until(lambda: many(s, blocked, 1), what="the outage")
        s.prometheus.away = None
        spent = "SELECT FROM escalation_steps WHERE rule = 'notice: told'"  # there was no action to try
        await s.until(lambda: many(s, spent, 1), what="the administrator's message")

    play(act)


def test_a_long_outage_of_prometheus_is_reported(play: Play) -> None:
    async def act(s: Scenario) -> None:
        s.prometheus.away = "it is gone"
        await s.fires("Down", "alpha")
        taken = "SELECT FROM escalation_steps WHERE rule = 'notice: unreachable' AND state = 'taken'"
        await s.until(lambda: many(s, taken, 1), what="the word to the administrator", within=60)

    play(act)


def test_an_observing_action_is_not_reported_as_failed(play: Play) -> None:
    async def act(s: Scenario) -> None:
        await s.fires("DiskUsageHigh", "alpha", severity="warning")
        handed = "SELECT FROM incidents WHERE handed_over_at IS NOT NULL"
        await s.until(lambda: many(s, handed, 1), what="the end of the plan")
        [why] = [why for why in await s.told("alpha") if why.startswith("notice: told")]
        assert "attempts used" not in why

    play(act)


def test_a_restart_that_reached_nobody_takes_no_place_of_the_fleet(play: Play) -> None:
    names = ["broken1", "broken2", "alpha"]

    async def act(s: Scenario) -> None:
        def missing(name: str) -> Any:
            bot = s.settings.bots[name]
            return bot.model_copy(
                update={"restart": bot.source.model_copy(update={"url": "http://127.0.0.1:9"})}
            )

        broken = {name: missing(name) for name in ("broken1", "broken2")}
        await s.start(s.settings.model_copy(update={"bots": s.settings.bots | broken}))
        await s.fires("Down", "broken1", "broken2")
        tried = "SELECT FROM runs WHERE ended_at IS NOT NULL AND outcome <> 'done'"
        await s.until(lambda: at_least(s, tried, 2), what="two failed restarts")
        await s.fires("Down", "alpha")
        await s.until(lambda: "restart" in s.bots["alpha"].verbs(), what="the third bot's restart")

    play(act, *names, start=False)
