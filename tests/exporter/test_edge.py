"""The edge watch: figures equal an independent computation, a lost edge is found, a null path is calm."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clients.backtest import TradeResult
from clients.trading import Trade
from demo_bot.trade_history import BAD_TIME, invent
from exporter.analytics.edge import Cone, Limits, LiveTrades
from exporter.analytics.edge_limits import FALSE_A_YEAR, calibrated, cone_of, limit_of
from exporter.catalogue import Histogram
from exporter.edge import EdgeWatch
from stack.settings import Edge
from tests.conftest import eventually
from tests.exporter.edge_references import HOUR, freqtrade_result, live, profits
from tests.exporter.harness import ScriptedBot, http_settings, names, own, serve, value, watch
from tests.exporter.trades import START

Samples = dict[tuple[str, tuple[str, ...]], float]
A_YEAR = 365 * 3.0
REFERENCE = profits(500)


def watched(reference: dict[str, Any], **more: Any) -> EdgeWatch:
    return EdgeWatch("b", Edge.model_validate({"reference": reference, **more}), wait=True)


def of_file(directory: Path, found: Iterable[float] = REFERENCE) -> dict[str, Any]:
    file = freqtrade_result(directory / "backtest-result.zip", Steady=list(found))
    return {"type": "freqtrade", "file": file}


def samples(edge: EdgeWatch) -> Samples:
    found: Samples = {}
    for each in edge.samples():
        assert not isinstance(each.value, Histogram)
        found[each.metric.name, each.labels] = each.value
    return found


def taken(edge: EdgeWatch, trades: list[Trade]) -> Samples:
    edge.take(trades, lambda: trades)
    return samples(edge)


def alarms(found: Samples) -> tuple[float, float]:
    return found["edge_fading", ()], found["edge_gone", ()]


def fed(limits: Limits, found: Iterable[float]) -> LiveTrades:
    trades = LiveTrades(limits)
    for number, profit in enumerate(found):
        trades.add(TradeResult(number * HOUR, float(profit), number * HOUR - 60, 0.001, 0.0005))
    return trades


def summed(shortfalls: NDArray[np.float64], limit: float) -> tuple[NDArray[np.float64], bool]:
    """Return the CUSUM after each trade and whether the last one alarms, by its definition with numpy."""
    sums, alarm = np.zeros(len(shortfalls) + 1), False
    for place, shortfall in enumerate(shortfalls):
        sums[place + 1] = np.clip(sums[place] + shortfall, 0.0, limit)
        alarm = bool(sums[place + 1] >= limit or (alarm and sums[place + 1] > limit / 2))
    return sums, alarm


@pytest.mark.parametrize("seed", range(5))
def test_all_figures_equal_an_independent_computation(seed: int):
    limits = calibrated(tuple(REFERENCE), A_YEAR)
    found = np.concatenate([profits(150, seed=seed + 10), profits(150, wins=0.5, seed=seed + 20)])
    trades = fed(limits, found)
    assert trades.expectancy == pytest.approx(np.mean(found), rel=1e-9)
    assert trades.win_rate == pytest.approx(np.mean(found > 0), rel=1e-9)
    equity = np.concatenate([[0.0], np.cumsum(found)])
    assert trades.equity == pytest.approx(equity[-1], abs=1e-9)
    assert trades.drawdown == pytest.approx((np.maximum.accumulate(equity) - equity).max(), abs=1e-9)
    assert trades.per_day == pytest.approx(24, rel=1e-9)
    wins, losses = REFERENCE[REFERENCE > 0].mean(), -REFERENCE[REFERENCE <= 0].mean()
    fallen = {"expectancy": REFERENCE.mean(), "win_rate": REFERENCE.mean() / (wins + losses)}
    for figure, alarm, used in trades.used:
        of = found if figure == "expectancy" else (found > 0).astype(float)
        expected = REFERENCE.mean() if figure == "expectancy" else np.mean(REFERENCE > 0)
        allowed = fallen[figure] / (4 if alarm == "fading" else 2)
        limit = limits.cusums[figure, alarm].limit
        sums, _ = summed(expected - allowed - of, limit)
        assert used * limit == pytest.approx(sums[-1], abs=1e-9)


def test_an_alarm_lasts_until_its_sum_is_back_at_half_of_the_limit():
    limits = calibrated(tuple(REFERENCE), A_YEAR)
    limit, seen = limits.cusums["expectancy", "gone"], set()
    found = np.concatenate([profits(80, wins=0.3), profits(200, wins=0.95)])
    for count in range(1, len(found) + 1):
        trades = fed(limits, found[:count])
        shortfalls = limit.expected - limit.allowed - found[:count]
        _, of_expectancy = summed(shortfalls, limit.limit)
        rate = limits.cusums["win_rate", "gone"]
        _, of_wins = summed(rate.expected - rate.allowed - (found[:count] > 0), rate.limit)
        assert trades.alarms("gone") == (of_expectancy or of_wins)
        seen.add(trades.alarms("gone"))
    assert seen == {True, False}
    assert not trades.alarms("gone"), "good trades end it"


def test_the_cone_equals_quantiles_of_paths_and_is_continuous():
    cone = cone_of(REFERENCE)
    dice = np.random.default_rng(3)
    for number in (1, 7, 40, 500, 700, 6000):
        paths = dice.choice(REFERENCE, (2000, number)).cumsum(axis=1)
        wanted = np.quantile(paths[:, -1], (0.01, 0.05, 0.5, 0.95, 0.99))
        assert cone.profits(number) == pytest.approx(wanted, abs=0.4 * REFERENCE.std() * number**0.5 + 0.002)
    edges = [cone.profits(number)[0] for number in range(1, 6000)]
    assert max(abs(np.diff(edges))) < 3 * REFERENCE.std()
    two = Cone(0.5, (1, 4), ((0.0,), (1.0,)), ((1.0,), (3.0,)))
    assert two.profits(4) == (4 * 0.5 + 2 * 1.0,)
    assert two.profits(2) == pytest.approx((1.0 + 2**0.5 * (2**0.5 - 1),), rel=1e-9)
    assert (two.drawdowns(1), two.drawdowns(9)) == ((1.0,), (3.0,))


def test_drawdowns_equal_those_of_paths():
    cone, dice = cone_of(REFERENCE), np.random.default_rng(3)
    for number in (40, 1000):
        paths = np.pad(dice.choice(REFERENCE, (4000, number)).cumsum(axis=1), ((0, 0), (1, 0)))
        falls = (np.maximum.accumulate(paths, axis=1) - paths).max(axis=1)
        assert cone.drawdowns(number) == pytest.approx(np.quantile(falls, (0.95, 0.99)), rel=0.1)


@pytest.mark.parametrize("rate", [0.02, 1e-3, 2e-5])
def test_a_limit_is_reached_as_often_as_wanted(rate: float):
    """Counts alarms of paths side by side, each starting again from 0; the last rate is extrapolated."""
    shortfalls = 0.75 * REFERENCE.mean() - REFERENCE
    limit = limit_of(shortfalls, rate)
    paths, steps = 5000, 1000 if rate > 1e-4 else 4000
    sums, counted, dice = np.zeros(paths), 0, np.random.default_rng(5)
    for _ in range(steps):
        sums = np.maximum(0.0, sums + dice.choice(shortfalls, paths))
        counted += int((sums >= limit).sum())
        sums[sums >= limit] = 0.0
    assert 0.8 * rate < counted / paths / steps < 1.12 * rate


def test_calibration_is_the_same_each_time():
    calibrated.cache_clear()
    first = calibrated(tuple(REFERENCE), A_YEAR)
    calibrated.cache_clear()
    assert calibrated(tuple(REFERENCE), A_YEAR) == first


def test_null_paths_alarm_no_more_often_than_allowed():
    limits, years, wrong = calibrated(tuple(REFERENCE), A_YEAR), 60, {"fading": 0, "gone": 0}
    trades, before, dice = LiveTrades(limits), dict.fromkeys(FALSE_A_YEAR, False), np.random.default_rng(9)
    for number, profit in enumerate(dice.choice(REFERENCE, int(years * A_YEAR))):
        trades.add(TradeResult(number * HOUR, float(profit)))
        for alarm in FALSE_A_YEAR:
            wrong[alarm] += trades.alarms(alarm) and not before[alarm]
            before[alarm] = trades.alarms(alarm)
    assert {alarm: count / years <= FALSE_A_YEAR[alarm] for alarm, count in wrong.items()} == {
        "fading": True,
        "gone": True,
    }
    assert wrong["fading"] > 0, "limits so wide that nothing is ever found would pass too"


@pytest.mark.parametrize("seed", range(5))
def test_a_trader_whose_expectancy_is_halved_midway_is_found(tmp_path: Path, seed: int):
    edge, before = watched(of_file(tmp_path)), profits(100, seed=seed + 50)
    assert alarms(taken(edge, live(before))) == (0, 0)
    halved = profits(150, less=REFERENCE.mean() / 2, seed=seed + 100)
    assert alarms(taken(edge, live([*before, *halved])))[0] == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_trader_who_has_lost_all_expectancy_is_gone(tmp_path: Path, seed: int):
    edge, before = watched(of_file(tmp_path)), profits(100, seed=seed + 50)
    none = profits(60, less=REFERENCE.mean(), seed=seed + 100)
    assert alarms(taken(edge, live([*before, *none])))[1] == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_trader_like_the_reference_is_calm(tmp_path: Path, seed: int):
    assert alarms(taken(watched(of_file(tmp_path)), live(profits(300, seed=seed + 50)))) == (0, 0)


def test_the_bad_time_in_the_demos_invented_history_is_found_and_the_time_before_is_calm():
    year = 365 * 86_400.0
    told = [
        Trade(
            (each.id, each.opened_at),
            each.symbol,
            each.side,
            each.opened_at,
            each.closed_at,
            each.profit,
            each.stake,
        )
        for each in invent(7, "USDT", 10_000.0, START, START + year, UTC)
    ]
    bad = [
        place
        for place, each in enumerate(told)
        if BAD_TIME[0] <= (each.closed_at - START) / year < BAD_TIME[1]
    ]
    own = {"type": "own", "trades": 1500}
    assert alarms(taken(watched(own), told[: bad[0]])) == (0, 0)
    assert alarms(taken(watched(own), told[: bad[0] + 150])) == (1, 1)


def test_a_restart_in_the_middle_gives_the_same_state(tmp_path: Path):
    trades, at_once, one_by_one = (
        live(profits(200, wins=0.75, seed=4)),
        *(watched(of_file(tmp_path)) for _ in "ab"),
    )
    whole = taken(at_once, trades)
    for count in range(1, 121):
        one_by_one.take(trades[count - 1 : count], lambda end=count: trades[:end])
    restarted = watched(of_file(tmp_path))
    restarted.take(trades[:120], lambda: trades[:120])
    assert samples(restarted) == samples(one_by_one)
    for each in (restarted, one_by_one):
        each.take(trades[120:], lambda: trades)
        assert samples(each) == whole


def test_a_late_trade_and_a_corrected_one_count_as_if_they_had_come_in_time(tmp_path: Path):
    trades = live(profits(100, wins=0.6, seed=4))
    whole, edge = taken(watched(of_file(tmp_path)), trades), watched(of_file(tmp_path))
    early = [*trades[:50], *trades[51:]]
    assert taken(edge, early) != whole
    edge.take([trades[50]], lambda: [*early, trades[50]])
    assert samples(edge) == whole
    others = live(profits(100, wins=0.6, seed=5))
    edge.take([], lambda: others, again=True)
    assert samples(edge) == taken(watched(of_file(tmp_path)), others)


def test_trades_before_since_do_not_count(tmp_path: Path):
    trades = live(profits(100, seed=4))
    since = datetime.fromtimestamp(trades[40].closed_at, UTC)
    found = taken(watched(of_file(tmp_path), since=since), trades)
    assert found["edge_trades", ()] == 60
    assert found == taken(watched(of_file(tmp_path)), trades[40:])


def test_the_first_own_trades_are_the_reference_and_the_others_are_compared(tmp_path: Path):
    first, then = live(REFERENCE), live(profits(80, wins=0.5, seed=4), first=500)
    edge = watched({"type": "own", "trades": 500})
    assert taken(edge, first[:499]) == {}
    found = taken(edge, [*first, *then])
    assert found["edge_trades", ()] == 80
    assert found["edge_expectancy_ratio", ("reference",)] == pytest.approx(REFERENCE.mean(), rel=1e-9)
    assert alarms(found) == (1, 1)


def test_own_trades_that_lose_are_no_reference_and_are_told_once(caplog: pytest.LogCaptureFixture):
    edge, trades = watched({"type": "own", "trades": 30}), live(profits(60, wins=0.2))
    assert taken(edge, trades) == {("edge_errors_total", ("reference",)): 1}
    edge.take([], lambda: trades)
    assert samples(edge) == {("edge_errors_total", ("reference",)): 1}
    assert len(caplog.messages) == 1
    assert "its first 30 trades: loses 0.7" in caplog.text
    assert "name a reference that makes money" in caplog.text


def test_the_currency_of_the_bot_changes_nothing(tmp_path: Path):
    found = profits(100, seed=4)
    in_dollars, in_bitcoin = (
        taken(watched(of_file(tmp_path)), live(found, stake=stake)) for stake in (100.0, 0.0017)
    )
    assert in_dollars == pytest.approx(in_bitcoin, rel=1e-9)


def test_figures_beside_the_edge(tmp_path: Path):
    found = taken(watched(of_file(tmp_path)), live(profits(100, seed=4)))
    beside = {
        (name.removeprefix("edge_"), *labels): each
        for (name, labels), each in found.items()
        if name in ("edge_fee_ratio", "edge_slippage_ratio", "edge_holding_seconds", "edge_trades_per_day")
    }
    assert beside == pytest.approx(
        {
            ("fee_ratio", "live"): 0.001,
            ("fee_ratio", "reference"): 0.001,
            ("slippage_ratio", "live"): 0.0005,
            ("slippage_ratio", "reference"): 0.0,
            ("holding_seconds", "live"): HOUR,
            ("holding_seconds", "reference"): HOUR,
            ("trades_per_day", "live"): 3.0,
            ("trades_per_day", "reference"): 3.0,
        },
        rel=1e-9,
    )
    assert len(found) <= 30, "the number of series of a bot is bounded"


def test_a_trade_without_a_stake_is_left_out_and_counted(tmp_path: Path):
    trades = [*live(profits(50, seed=4)), *live([0.01], first=50, stake=None)]
    found = taken(watched(of_file(tmp_path)), trades)
    assert found["edge_trades", ()] == 50
    assert found["edge_errors_total", ("stake",)] == 1


def test_a_reference_whose_trades_all_win_and_never_fall_short_has_limits():
    limits = calibrated(tuple(0.01 + 0.0001 * np.arange(-5, 6)), A_YEAR)
    assert all(each.limit > 0 for each in limits.cusums.values())
    assert {figure for figure, _ in limits.cusums} == {"expectancy"}, "a rate of 1 has no losses to count"
    assert fed(limits, [0.0] * 10).alarms("gone")


def test_an_alarm_stays_while_the_bot_does_not_answer(tmp_path: Path):
    bot, told = ScriptedBot(), live(profits(150, wins=0.4, seed=4), first=1)
    bot.trades = [
        {
            "id": each.key[0],
            "symbol": each.symbol,
            "side": each.side,
            "opened_at": each.opened_at,
            "closed_at": each.closed_at,
            "profit": each.profit,
            "stake": each.stake,
        }
        for each in told
    ]
    with (
        serve(bot) as url,
        watch(http_settings(url, tmp_path, edge={"reference": of_file(tmp_path)})) as seen,
    ):
        eventually(lambda: value(seen.poll(), "edge_gone") == 1, within=60, what="the alarm")
        bot.status = 503
        series = seen.poll()
    assert value(series, "up") == 0
    assert (value(series, "edge_gone"), value(series, "edge_trades")) == (1, 150)


def test_a_reference_that_cannot_be_read_costs_its_metrics_only_until_it_is_there(tmp_path: Path):
    state, missing = tmp_path / "state.json", tmp_path / "backtest-result.zip"
    state.write_text(f'{{"version": 1, "time": {time.time()}, "state": "running"}}')
    bot = {
        "source": {"type": "file", "state": state},
        "edge": {"reference": {"type": "freqtrade", "file": missing}},
    }
    with watch(bot, data=tmp_path) as seen:

        def errors() -> float:
            return own(seen.poll(), "edge_errors_total", reason="reference") or 0.0

        eventually(lambda: errors() >= 1, within=30, what="the error")
        series = seen.poll()
        assert value(series, "up") == 1
        assert not any(name.startswith("trading_bot_edge_") for name in names(series))
        freqtrade_result(missing, Steady=REFERENCE)
        eventually(lambda: value(seen.poll(), "edge_trades") == 0, within=60, what="the limits")
        assert value(seen.poll(), "edge_win_rate", of="reference") == np.mean(REFERENCE > 0)
