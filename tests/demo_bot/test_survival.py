"""Trades, positions and stored answers survive the death of either process."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import eventually, has_ended
from tests.demo_bot.conftest import Bot, Start

FREQTRADE_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [\w.]+ - (INFO|WARNING|ERROR|CRITICAL) - .+"
)


def child(bot: Bot) -> psutil.Process:
    return psutil.Process(bot.state()["process"]["pid"])


def well_traded(bot: Bot) -> list[dict[str, Any]]:
    eventually(lambda: bot.state()["trades_closed"] >= 1, what="a trade")
    return bot.trades()


def adds_up(state: dict[str, Any]) -> bool:
    profits = state["starting_capital"] + state["profit_realised"] + state["profit_open"]
    return bool(state["equity"] == pytest.approx(profits, abs=1e-9, rel=0))


def test_killing_the_bot_again_and_again_loses_and_repeats_no_trade(start: Start) -> None:
    bot = start("--pace=0.05")
    known: list[dict[str, Any]] = []
    for _ in range(4):
        enough = len(known) + 2
        eventually(lambda enough=enough: bot.state()["trades_closed"] >= enough)
        known = bot.trades()
        child(bot).kill()
        eventually(lambda: bot.ask("GET", "/state").status_code == 503)
        bot.done("start")
        after = bot.trades()
        assert after[: len(known)] == known
        assert [trade["id"] for trade in after] == list(range(1, len(after) + 1))
        assert adds_up(bot.state())
    assert bot.state()["profit_realised"] == pytest.approx(sum(t["profit"] for t in bot.trades()), abs=1e-2)


def test_open_positions_are_open_again_after_a_crash(start: Start) -> None:
    bot = start("--pace=30")  # held for minutes
    held = eventually(lambda: bot.state()["open_positions"])
    before = {p["id"]: (p["symbol"], p["size"], p["entry_price"]) for p in held}
    bot.fault("crash")
    bot.done("start")
    after = {p["id"]: (p["symbol"], p["size"], p["entry_price"]) for p in bot.state()["open_positions"]}
    assert before.items() <= after.items()
    assert "Position re-opened" in bot.log()


def test_an_unfinished_line_in_the_journal_is_cut_off_and_logged(bot: Bot) -> None:
    well_traded(bot)
    bot.done("stop")
    known = bot.trades()
    with (bot.data / "trades.jsonl").open("ab") as file:
        file.write(b'{"id": 99, "profit": 1')
    bot.done("start")
    assert bot.trades()[: len(known)] == known
    assert "cut off an unfinished last line" in bot.log()


def test_a_spoilt_journal_stops_the_start_with_its_reason_in_the_log(bot: Bot) -> None:
    bot.fault("crash")
    journal = bot.data / "trades.jsonl"
    sound = journal.read_bytes()
    journal.write_bytes(sound + b"rubbish\n")
    assert bot.control("start").status_code == 503
    assert "is not a trade" in bot.log()
    journal.write_bytes(sound)
    bot.done("start")


def test_sigterm_ends_both_processes_even_when_the_bot_is_frozen(start: Start) -> None:
    bot = start()
    trader = child(bot)
    bot.fault("hang")
    bot.process.send_signal(signal.SIGTERM)
    bot.process.wait(10)
    eventually(lambda: has_ended(trader), what="its end")


def test_a_restarted_supervisor_remembers_trades_keys_and_the_fault_stay_down(start: Start) -> None:
    bot = start()
    known = well_traded(bot)
    answer = bot.control("reduce_positions", key="before").json()
    bot.fault("stay_down")
    bot.end()
    bot = start()
    assert bot.ask("GET", "/state").status_code == 503
    assert bot.is_on("stay_down") is True
    bot.mend("stay_down")
    bot.done("start")
    assert bot.trades()[: len(known)] == known
    assert bot.control("reduce_positions", key="before").json() == answer


@pytest.mark.parametrize("frozen", [False, True])
def test_a_killed_supervisor_leaves_no_second_trader_in_the_account(start: Start, frozen: bool) -> None:
    bot = start()
    trader = child(bot)
    if frozen:
        bot.fault("hang")
    bot.process.kill()
    bot.process.wait()
    if not frozen:
        eventually(lambda: has_ended(trader), what="the end of the orphan")
    bot = start()
    eventually(lambda: has_ended(trader), what="the end of the old trader")
    assert bot.state()["process"]["pid"] != trader.pid


def test_a_second_supervisor_is_refused_the_same_data(bot: Bot) -> None:
    settings = bot.data.parent / "monitoring.yaml"
    second = subprocess.run(
        [sys.executable, "-m", "demo_bot", f"--config={settings}", f"--data={bot.data}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"is in use by process {bot.process.pid}; stop it, or name another directory" in second.stderr
    assert bot.state()["state"] == "running"


@pytest.mark.parametrize(("content", "word"), [(None, "No such file"), (" \n", "is empty")])
def test_a_missing_token_is_named_before_anything_starts(
    tmp_path: Path, content: str | None, word: str
) -> None:
    (tmp_path / "monitoring.yaml").write_text('{"demo": {"enabled": true, "token_file": "token"}}')
    if content is not None:
        (tmp_path / "token").write_text(content)
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "demo_bot",
            f"--config={tmp_path / 'monitoring.yaml'}",
            f"--data={tmp_path / 'd'}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert word in ended.stderr
    assert "write a token into it" in ended.stderr
    assert not (tmp_path / "d").exists()


def test_the_log_is_written_in_freqtrades_shape_and_tells_the_trades(bot: Bot) -> None:
    well_traded(bot)
    log = bot.log()
    assert all(FREQTRADE_LINE.fullmatch(line) for line in log.splitlines())
    for event in ("Order placed: ", "Position opened: ", "Position closed: "):
        assert f" - demo_bot.trader - INFO - {event}" in log


def test_a_bot_between_ticks_uses_almost_no_cpu(bot: Bot) -> None:
    trader = child(bot)
    used = sum(trader.cpu_times()[:2])
    time.sleep(2)
    assert sum(trader.cpu_times()[:2]) - used < 0.1
