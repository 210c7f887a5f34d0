"""The guard between two polls, and its series when the bot dies."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from clients.freqtrade import OpenTrade, Profit, Status
from clients.http import Http
from exporter.fleet import Fleet
from exporter.limits.figures import Figures
from exporter.reading import Reading
from exporter.sources.freqtrade.money import OpenMoney
from stack.settings import load
from tests.exporter.harness import ScriptedBot, Series, Watch, http_settings, names, serve, value, watch
from tests.exporter.limits.desk import Desk, at
from tests.exporter.test_freqtrade import Clock, watched
from tests.freqtrade_replay import Recording

SEEN = {
    "guard_up",
    "guard_known_timestamp_seconds",
    "guard_equity",
    "guard_drawdown_ratio",
    "guard_open_positions",
    "guard_position_liquidation_distance_ratio",
    "guard_position_unprotected",
}
HELD = {
    "symbol": "BTC/USDT", "side": "long", "size": 1.0, "price": 100.0, "profit": 0.0,
    "liquidation_price": 80.0,
}  # fmt: skip


def money(made: float, **more: object) -> dict[str, Any]:
    """Return the state of a bot that began with 1000."""
    return {
        "starting_capital": 1000.0,
        "profit_realised": 0.0,
        "profit_open": made,
        "open_positions": [HELD],
    } | more


@pytest.fixture
def bot() -> ScriptedBot:
    return ScriptedBot(state=money(0.0))


@pytest.fixture
def desk(bot: ScriptedBot, tmp_path: Path) -> Iterator[Watch]:
    with serve(bot) as url, watch(http_settings(url, tmp_path), guard=2.0) as found:
        yield found


def guard(series: Series) -> dict[str, float | None]:
    """Return the guard's money series."""
    return {name: value(series, name) for name in ("guard_up", "guard_equity", "guard_drawdown_ratio")}


def test_a_loss_is_seen_between_two_polls_and_what_polls_say_stays_as_it_was(desk, bot):
    polled = desk.poll()
    assert guard(polled) == {"guard_up": 1, "guard_equity": 1000, "guard_drawdown_ratio": 0}
    bot.state, bot.calls = money(-200.0, state="running"), []
    seen = desk.look()
    assert guard(seen) == {"guard_up": 1, "guard_equity": 800, "guard_drawdown_ratio": 0.2}
    assert value(seen, "guard_open_positions") == 1
    assert (value(seen, "equity"), value(seen, "drawdown_ratio")) == (1000, 0)
    assert bot.calls == ["/api/v1/state"]
    assert {name for name in names(seen) if name.startswith("guard_")} == SEEN


def test_the_nearest_liquidation_of_a_symbol_and_side_is_seen_between_two_polls(desk, bot):
    def near(series: Series) -> float | None:
        return value(series, "guard_position_liquidation_distance_ratio", symbol="BTC/USDT", side="long")

    assert near(desk.poll()) == pytest.approx(0.2)
    bot.state = money(0.0, open_positions=[HELD, HELD | {"liquidation_price": 97.0, "margin_ratio": 0.4}])
    seen = desk.look()
    assert near(seen) == pytest.approx(0.03)
    assert value(seen, "guard_position_margin_ratio", symbol="BTC/USDT", side="long") == 0.4
    bot.state = money(0.0, open_positions=[HELD | {"liquidation_price": 0.0}])
    assert near(desk.look()) is None, "a price of 0 is not known, and not far away"
    bot.state = money(0.0, open_positions=[])
    assert near(desk.look()) is None


def test_a_stop_that_is_taken_away_or_that_nobody_would_act_on_is_seen_between_two_polls(desk, bot):
    def unprotected(series: Series) -> float | None:
        return value(series, "guard_position_unprotected", symbol="BTC/USDT", side="long")

    stopped_out = HELD | {"stop_price": 90.0}
    bot.state = money(0.0, open_positions=[stopped_out], state="running")
    assert unprotected(desk.poll()) == 0
    bot.state = money(0.0, open_positions=[HELD], state="running")
    assert unprotected(desk.look()) == 1
    bot.state = money(0.0, open_positions=[stopped_out], state="running")
    assert unprotected(desk.look()) == 0
    bot.state = money(0.0, open_positions=[stopped_out], state="stopped")
    assert unprotected(desk.look()) == 1


def test_the_guard_waits_for_the_first_successful_poll(desk, bot):
    desk.look()
    assert bot.calls == []
    bot.status = 503
    assert guard(desk.poll()) == {"guard_up": 0, "guard_equity": None, "guard_drawdown_ratio": None}


@pytest.mark.parametrize("again", ["look", "poll"])
def test_the_money_of_a_bot_that_died_is_what_was_seen_last_until_it_answers(desk, bot, again):
    desk.poll()
    bot.state = money(-200.0)
    desk.look()
    bot.status = 503
    assert guard(desk.look()) == {"guard_up": 0, "guard_equity": 800, "guard_drawdown_ratio": 0.2}
    assert guard(desk.poll()) == {"guard_up": 0, "guard_equity": 800, "guard_drawdown_ratio": 0.2}
    bot.status, bot.state = 200, money(-10.0)
    assert guard(getattr(desk, again)()) == {"guard_up": 1, "guard_equity": 990, "guard_drawdown_ratio": 0.01}


def test_an_unknown_equity_is_absent_and_never_the_one_before(desk, bot):
    desk.poll()
    bot.state = money(0.0, equity="much", profit_open=None)
    assert guard(desk.look()) == {"guard_up": 1, "guard_equity": None, "guard_drawdown_ratio": None}


def test_a_bot_that_answers_too_many_requests_is_only_polled_for_a_minute(bot, tmp_path):
    clock = Clock(time.time())
    with serve(bot) as url, watch(http_settings(url, tmp_path), guard=2.0, clock=clock) as desk:
        desk.poll()
        bot.status, bot.state, bot.calls = 429, b'{"error": "too many requests"}', []
        assert guard(desk.look())["guard_up"] == 1
        desk.look()
        assert len(bot.calls) == 1
        clock.now += 61
        desk.look()
        assert len(bot.calls) == 2


def test_a_history_that_a_poll_works_on_is_not_read_meanwhile(desk, bot):
    desk.poll()
    bot.state = money(-200.0)

    async def look_while_it_computes() -> tuple[bool, bool]:
        async with desk.poller._computing:
            looking = asyncio.create_task(desk.poller.guard.look())
            await asyncio.sleep(0.3)
            during = looking.done()
        await asyncio.wait_for(looking, 5)
        return during, looking.done()

    assert desk.runner.run(look_while_it_computes()) == (False, True)


def opened(id_: int, profit: float | None, **more: object) -> dict[str, object]:
    return {"trade_id": id_, "pair": f"C{id_}/USDT", "amount": 1.0, "profit_abs": profit} | more


def entries(*trades: dict[str, object]) -> list[OpenTrade]:
    return [each for each in Status.model_validate({"trades": list(trades)}).trades if each is not None]


def made(then: list[OpenTrade], now: list[OpenTrade] | None) -> float | None:
    """Return the profit of a Freqtrade whose total was 100 at its last poll."""
    of = OpenMoney()
    of.told(Profit(profit_all_coin=100.0, profit_closed_coin=70.0), then, Reading(0.0, pnl={"total": 70.0}))
    seen = of.now(now, 2.0)
    return None if seen is None else seen.profit_loss


@pytest.mark.parametrize(
    ("then", "now", "wanted"),
    [
        ([opened(1, 30.0)], [opened(1, -20.0)], 50.0),
        ([opened(1, 30.0)], [opened(1, 30.0), opened(2, -1.5)], 98.5),
        ([opened(1, 30.0)], [], 100.0),  # closed since, with its last seen profit
        ([opened(1, 30.0)], [opened(1, 5.0, realized_profit=20.0)], 95.0),  # half was sold since
        ([opened(1, 30.0)], [opened(1, 5.0, total_profit_abs=31.0)], 101.0),
        ([opened(1, 30.0)], [opened(1, None)], 100.0),  # no rate at the moment: its last profit
        ([opened(1, 30.0)], [opened(1, 30.0), opened(2, None)], None),
        ([opened(1, None)], [opened(1, 1.0)], None),
        ([opened(1, 30.0)], [opened(1, 30.0), opened(2, None, amount=0.0)], 100.0),  # waits to be filled
    ],
)
def test_between_two_profit_answers_freqtrades_open_trades_move_the_profit(then, now, wanted):
    assert made(entries(*then), entries(*now)) == wanted


def test_freqtrades_profit_is_unknown_where_an_open_trade_cannot_be_read():
    assert made(entries(opened(1, 30.0)), None) is None


def test_of_a_freqtrade_a_look_asks_for_its_open_trades_alone(tmp_path):
    recording = Recording()
    with watched(recording, tmp_path, Clock(), guard=2.0) as bot:
        polled, before = bot.poll(), len(recording.calls)
        assert value(polled, "guard_equity") == value(polled, "equity")
        trade = recording.answers["status"][0]
        fallen = trade | {"profit_abs": trade["profit_abs"] - 500.0, "total_profit_abs": None}
        recording.answers["status"] = [fallen, *recording.answers["status"][1:]]
        seen = bot.look()
        assert [call.rpartition("/")[2] for call in recording.calls[before:]] == ["status"]
    assert value(seen, "guard_equity") == pytest.approx(value(polled, "equity") - 500.0)
    assert value(seen, "equity") == value(polled, "equity")


def test_a_glance_at_a_file_reads_it_only_after_a_change(tmp_path):
    file = tmp_path / "state.json"
    file.write_text(json.dumps(money(0.0)))
    with watch({"source": {"type": "file", "state": file}}, guard=2.0) as desk:
        desk.poll()
        file.write_text(json.dumps(money(-100.0)))
        assert guard(desk.look())["guard_equity"] == 900
        assert desk.runner.run(desk.poller.source.glance()) is None
        file.unlink()
        assert guard(desk.look()) == {"guard_up": 0, "guard_equity": 900, "guard_drawdown_ratio": 0.1}


def figures(made: float) -> dict[str, Figures | None]:
    return {"a": Figures(100_000.0, 0.0, 0.0, made)}


def test_the_guard_changes_no_state_of_a_limit(tmp_path):
    desk = Desk({"kind": "maximum", "money": 5_000.0, "trails": "intraday"}, tmp_path)
    desk.play("2026-03-02T10:00", 100_000, 100_000)
    (high,) = desk.holder.glance(figures(2_000.0), at("2026-03-02T10:00:04", "UTC"))
    assert (high[1].mark, high[1].left) == (Decimal(102_000), Decimal(5_000))
    (low,) = desk.holder.glance(figures(-4_000.0), at("2026-03-02T10:00:06", "UTC"))
    assert (low[1].mark, low[1].left, low[1].used) == (Decimal(100_000), Decimal(1_000), Decimal("0.8"))
    (standing,) = desk.holder.standings()
    assert standing.left is not None
    assert standing.left.left == Decimal(5_000)


def test_a_day_is_begun_by_a_poll_and_not_by_a_look(tmp_path):
    desk = Desk({"kind": "daily", "money": 5_000.0}, tmp_path)
    desk.play("2026-03-02T23:59:50", 97_000, 97_000)
    (before,) = desk.holder.glance(figures(-3_500.0), at("2026-03-03T00:00:02", "UTC"))
    assert before[1].mark == Decimal(97_000)
    desk.play("2026-03-03T00:00:05", 96_500, 96_500)
    (after,) = desk.holder.glance(figures(-4_500.0), at("2026-03-03T00:00:07", "UTC"))
    assert (after[1].mark, after[1].left) == (Decimal(97_000), Decimal(3_500))


async def seen(look: Callable[[], bool]) -> None:
    """Wait until a condition holds, ten seconds at most."""
    for _ in range(200):
        if look():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it was not seen")


def test_a_page_has_the_guards_figures_where_it_is_asked_for_them_alone(bot, tmp_path):
    (tmp_path / "token").write_text("a-token")
    config = tmp_path / "monitoring.yaml"

    async def pages(url: str) -> tuple[str, str, str]:
        source = {"type": "http", "url": url, "token_file": "token"}
        config.write_text(
            yaml.safe_dump({"bots": {"b": {"source": source}, "rare": {"source": source, "guard": False}}})
        )
        http = Http()
        fleet = Fleet(load([config]), http, tmp_path / "data")
        running = asyncio.create_task(fleet.run())
        await seen(lambda: b"guard_drawdown_ratio{" in fleet.metrics(["guard"]))
        await seen(lambda: fleet.metrics().count(b"_up{") == 2)
        bot.state = money(-200.0)
        await seen(lambda: b'guard_equity{bot="b"} 800.0' in fleet.metrics(["guard"]))
        found = (
            fleet.metrics().decode(),
            fleet.metrics(["trading"]).decode(),
            fleet.metrics(["guard"]).decode(),
        )
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await http.aclose()
        return found

    with serve(bot) as url:
        usual, trading, guarded = asyncio.run(pages(url))
    assert "guard" not in usual
    assert "guard" not in trading
    assert 'trading_bot_guard_equity{bot="b"} 800.0' in guarded
    assert 'trading_bot_guard_loss_limit_used_ratio{bot="b",limit="closed trades",account=""}' in guarded
    assert 'trading_bot_guard_equity{bot="rare"} 1000.0' in guarded, "its polls tell, looks do not"
