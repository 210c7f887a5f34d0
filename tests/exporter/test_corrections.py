"""A bot may correct a trade: the new figures count everywhere, also after a restart."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.trade_history import TradeHistory
from tests.exporter.harness import ScriptedBot, Series, http_settings, serve, value, watch
from tests.exporter.pushing import Desk, desk
from tests.exporter.test_freqtrade import PACE, Clock, watched
from tests.exporter.test_http import NOW, STATE
from tests.exporter.test_http import trade as told
from tests.exporter.test_ledger import figures
from tests.exporter.test_push import closed, state
from tests.exporter.trades import CAPITAL, DAY, START, closings, ledger, trade
from tests.freqtrade_replay import Recording

WRONG, RIGHT = -1500.0, -0.375
LOST = {"symbol": "BTC/USDT", "side": "long", "outcome": "lost"}
WON = LOST | {"outcome": "won"}


def counted(series: Series) -> float:
    return sum(count for (name, _), count in series.items() if name == "trading_bot_trades_total")


@settings(deadline=None, max_examples=60)
@given(closings.filter(bool), st.data())
def test_after_a_correction_every_figure_is_as_with_the_right_trades_from_the_start(trades, data):
    place = data.draw(st.integers(0, len(trades) - 1))
    wrong = trade(
        trades[place].key[0],
        START + data.draw(st.integers(0, 200 * 86_400)),
        data.draw(st.floats(-1500, 1500)),
        opened_at=trades[place].opened_at,
    )
    past, found, now = TradeHistory(), ledger([]), START + 201 * DAY
    found.add(past.add([*trades[:place], wrong, *trades[place + 1 :]])[0], CAPITAL)
    figures(found, now)  # cached figures must not go stale
    assert past.add([trades[place]]) == ([], wrong != trades[place])
    found.correct(past.trades(), CAPITAL)
    assert figures(found, now) == figures(ledger(trades), now)


def test_a_correction_moves_no_counter_back_and_counts_no_trade_twice():
    past, found = TradeHistory(), ledger([])
    found.add(past.add([trade(1, START, -5.0), trade(2, START, -1.0)])[0], CAPITAL)
    past.add([trade(1, START, 5.0)])
    found.correct(past.trades(), CAPITAL)
    assert found.counts == {("BTC/USDT", "long", "lost"): 2}
    assert (found.trades, found.win_rate, found.gross_lost) == (2, 0.5, 1.0)


def corrected(recording: Recording, number: int, profit: float) -> None:
    """Make Freqtrade read a trade's fees again: /trades and its sums follow."""
    rows = [each for each in recording.trades if each["trade_id"] == number]
    rows[-1]["close_profit_abs"] = profit
    recording.answers["profit"]["profit_closed_coin"] = round(
        sum(each["close_profit_abs"] for each in recording.trades), 8
    )


def test_a_trade_that_freqtrade_corrects_takes_its_place(tmp_path: Path):
    recording, right, clock = Recording(), Recording(), Clock()
    number = recording.trades[6]["trade_id"]
    corrected(recording, number, WRONG)
    corrected(right, number, RIGHT)
    with watched(right, tmp_path, clock) as bot:
        expected = bot.poll()
    with watched(recording, tmp_path, clock) as bot:
        wrong = bot.poll()
        clock.now += PACE
        corrected(recording, number, RIGHT)
        series = bot.poll()
        span = bot.poller.past.between(0, float("inf"))
    assert value(wrong, "pnl", window="day") < -1500
    for name in ("win_rate", "expectancy", "profit_factor", "recovery_factor", "max_drawdown_ratio",
                 "max_consecutive_losses", "drawdown_ratio", "equity"):  # fmt: skip
        assert value(series, name) == value(expected, name) is not None
    for window in ("day", "week", "month", "total"):
        assert value(series, "pnl", window=window) == pytest.approx(value(expected, "pnl", window=window))
    assert counted(series) == counted(wrong) == 26
    assert RIGHT in [row["profit"] for row in span.trades]
    assert WRONG not in [row["profit"] for row in span.trades]


@pytest.mark.parametrize("newcomer", [False, True], ids=["alone", "as_another_closes"])
def test_a_correction_that_lies_deep_in_freqtrades_history_is_found(tmp_path: Path, newcomer: bool):
    recording, clock = Recording(), Clock()
    first = recording.trades[0]
    recording.trades = [
        first | {"trade_id": n, "close_timestamp": first["close_timestamp"] + n} for n in range(1, 1201)
    ]
    recording.answers["profit"]["closed_trade_count"] = 1200
    corrected(recording, 3, WRONG)
    with watched(recording, tmp_path, clock) as bot:
        bot.poll()
        clock.now += PACE
        if newcomer:
            recording.trades.append(first | {"trade_id": 1201, "close_timestamp": int(clock.now * 1000)})
            recording.answers["profit"]["closed_trade_count"] += 1
        corrected(recording, 3, RIGHT)
        series = bot.poll()
        asked = len(recording.calls)
        clock.now += PACE
        bot.poll()
    assert value(series, "symbol_pnl", symbol="SOL/USDT") == pytest.approx(
        first["close_profit_abs"] * (1199 + newcomer) + RIGHT
    )
    assert not [call for call in recording.calls[asked:] if "/trades" in call]


def test_corrections_that_cancel_each_other_out_are_found_within_a_day(tmp_path: Path):
    recording, clock = Recording(), Clock()
    first = recording.trades[0]
    recording.trades = [
        first | {"trade_id": n, "close_timestamp": first["close_timestamp"] + n} for n in range(1, 1201)
    ]
    recording.answers["profit"]["closed_trade_count"] = 1200
    made = first["close_profit_abs"]
    corrected(recording, 3, made)  # to the true value, so that the sums equal the trades
    with watched(recording, tmp_path, clock) as bot:
        before = bot.poll()
        for number, profit in ((3, made - 50.0), (4, made + 50.0)):
            corrected(recording, number, profit)
        clock.now += 86_400
        series = bot.poll()
        asked = len(recording.calls)
        clock.now += PACE
        bot.poll()
    assert value(before, "win_rate") == 1
    assert value(series, "win_rate") == pytest.approx(1199 / 1200)
    assert not [call for call in recording.calls[asked:] if "/trades" in call]


def test_an_id_that_freqtrade_uses_again_corrects_nothing(tmp_path: Path):
    recording, clock = Recording(), Clock()
    again = recording.trades[6] | {"open_timestamp": 1795399295000, "close_timestamp": 1795399296000}
    with watched(recording, tmp_path, clock) as bot:
        before = bot.poll()
        recording.trades.append(again)
        recording.answers["profit"]["closed_trade_count"] += 1
        corrected(recording, again["trade_id"], 7.5)
        clock.now += PACE
        series = bot.poll()
    assert counted(series) == counted(before) + 1
    assert value(series, "expectancy") == pytest.approx((26 * value(before, "expectancy") + 7.5) / 27)


def test_a_later_line_of_a_file_corrects_an_earlier_one_also_through_rotations(tmp_path: Path):
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    journal = tmp_path / "trades.jsonl"
    files = {"source": {"type": "file", "state": tmp_path / "state.json", "trades": journal}}

    def write(profit: float) -> None:
        with journal.open("a") as file:
            file.write(json.dumps(told(7, profit)) + "\n")

    write(WRONG)
    with watch(files, clock=lambda: NOW, silent_after=float("inf")) as bot:
        assert value(bot.poll(), "expectancy") == WRONG
        journal.rename(tmp_path / "trades.jsonl.1")
        write(RIGHT)
        assert value(bot.poll(), "expectancy") == RIGHT
        packed = tmp_path / "trades.jsonl.1.gz"
        packed.write_bytes(gzip.compress((tmp_path / "trades.jsonl.1").read_bytes()))
        (tmp_path / "trades.jsonl.1").unlink()
        older = journal.stat().st_mtime - 60
        os.utime(packed, (older, older))
        series = bot.poll()  # the wrong line is read once more
    assert value(series, "expectancy") == RIGHT
    assert value(series, "trades_total", **LOST) == 1
    with watch(files, clock=lambda: NOW, silent_after=float("inf")) as restarted:
        assert value(restarted.poll(), "expectancy") == RIGHT


def test_a_bot_that_raises_its_trades_revision_is_asked_for_all_of_them(tmp_path: Path):
    bot = ScriptedBot(STATE | {"trades_revision": 1}, [told(1, 150.0), told(2, WRONG), told(3, 20.0)])
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched_bot:
        assert value(watched_bot.poll(), "symbol_pnl", symbol="BTC/USDT") == 170 + WRONG
        bot.trades[1]["profit"] = RIGHT
        watched_bot.poll()
        bot.state |= {"trades_revision": 2}
        series = watched_bot.poll()
        asked = len(bot.calls)
        watched_bot.poll()
    assert value(series, "symbol_pnl", symbol="BTC/USDT") == 170 + RIGHT
    assert value(series, "trades_total", **LOST) == 1
    assert not [call for call in bot.calls[asked:] if "/trades" in call]


def push(exporter: Desk, *rows: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return exporter.push("one", "trades", {"trades": rows})


def test_a_pushed_correction_holds_also_after_a_restart_and_is_idempotent(tmp_path: Path):
    opened = {name: closed(7)[name] for name in ("opened_at", "closed_at")}
    later = [closed(7, RIGHT, corrected_at=opened["closed_at"] + n) for n in (60, 120)]
    later[0]["profit"] = -9.0
    with desk(tmp_path, silent_after="1d") as exporter:
        assert push(exporter, closed(7, WRONG), closed(8, 1.0))[1]["accepted"] == 2
        assert exporter.push("one", "state", state())[0] == 200
        exporter.until("one", lambda found: value(found, "symbol_pnl", symbol="BTC/USDT") == 1 + WRONG)
        assert push(exporter, later[1])[1] == {"accepted": 1, "duplicates": 0, "refused": [], "ignored": []}
        assert push(exporter, later[1])[1]["duplicates"] == 1
        status, answer = push(exporter, later[0])  # a retry that comes late
        assert (status, answer["accepted"]) == (422, 0)
        status, answer = push(exporter, closed(7, WRONG))  # without corrected_at it is no correction
        assert (status, answer["accepted"]) == (422, 0)
        assert "corrected_at" in answer["refused"][0]
        for restart in (False, True):
            if restart:
                exporter.kill()
                exporter.start()
            series = exporter.until(
                "one", lambda found: value(found, "symbol_pnl", symbol="BTC/USDT") == 1 + RIGHT
            )
            for window in ("day", "week", "month"):
                assert value(series, "pnl", window=window) > WRONG / 2
            assert (value(series, "trades_total", **LOST), value(series, "trades_total", **WON)) == (1, 1)
        assert push(exporter, closed(7, RIGHT))[1]["duplicates"] == 1
        assert push(exporter, later[0])[0] == 422
        assert profits(exporter) == [RIGHT, 1.0]


def profits(exporter: Desk) -> list[float]:
    """Return the trades that reports get."""
    (exporter.directory / "secrets").mkdir()
    (exporter.directory / "secrets/read_token").write_text("read")
    answer = requests.get(
        f"{exporter.url}/api/v1/bots/one/trades", headers={"Authorization": "Bearer read"}, timeout=10
    )
    return [row["profit"] for row in answer.json()["trades"]]


def test_a_trade_and_its_correction_in_one_push_count_once(tmp_path: Path):
    right = closed(7, RIGHT, corrected_at=closed(7)["closed_at"])
    with desk(tmp_path, silent_after="1d") as exporter:
        assert push(exporter, closed(7, WRONG), right)[1]["accepted"] == 2
        assert exporter.push("one", "state", state())[0] == 200
        series = exporter.until("one", lambda found: value(found, "symbol_pnl", symbol="BTC/USDT") == RIGHT)
    assert value(series, "trades_total", **LOST) == 1
