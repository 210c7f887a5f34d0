"""A history is written whole or not at all, and its steps equal direct computations."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from clients.bot_api import ClosedTrade
from exporter.backfill import BotHistory, steps
from exporter.blocks import Busy, all_or_none
from exporter.bot import WatchedBot
from stack.settings import load
from tests.conftest import eventually

ROOT = Path(__file__).parents[2]
START, DAY = 1_780_000_000.0, 86_400.0


def block(directory: Path, name: str) -> None:
    (directory / name).mkdir(parents=True)
    (directory / name / "meta.json").write_text("{}")


def inside(data: Path) -> list[str]:
    return sorted(each.name for each in data.iterdir())


def test_blocks_appear_together_when_all_are_written(tmp_path: Path) -> None:
    with all_or_none(tmp_path, "demo", print) as staging:
        block(staging, "A")
        block(staging, "B")
        (staging / "1.om").write_text("")
        assert not (tmp_path / "A").exists()
    assert inside(tmp_path) == ["A", "B"]


def test_nothing_stays_of_a_history_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block(tmp_path, "before")

    def fill(why: BaseException | None = None) -> None:
        with all_or_none(tmp_path, "demo", print) as staging:
            block(staging, "A")
            block(staging, "B")
            if why is not None:
                raise why

    with pytest.raises(KeyboardInterrupt):
        fill(KeyboardInterrupt())
    assert inside(tmp_path) == ["before"]
    rename = Path.rename

    def full(path: Path, target: Path) -> Path:
        if path.name == "B":
            raise OSError("no space left")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="no space"):
        fill()
    assert inside(tmp_path) == ["before"]


def test_blocks_of_a_killed_backfill_are_removed_and_reported(tmp_path: Path) -> None:
    """Kill the process between its first and its second block."""
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from exporter.blocks import all_or_none\n"
        "rename = Path.rename\n"
        "def once(path, target):\n"
        "    rename(path, target)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "with all_or_none(Path(sys.argv[1]), 'demo', print) as staging:\n"
        "    for name in 'AB':\n"
        "        (staging / name).mkdir()\n"
        "    Path.rename = once\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert "A" in inside(tmp_path)
    told: list[str] = []
    with all_or_none(tmp_path, "demo", told.append) as staging:
        assert [each.name for each in staging.iterdir()] == []
        block(staging, "C")
    assert inside(tmp_path) == ["C"]
    assert "interrupted" in told[0]


def test_two_backfills_of_one_bot_are_not_mixed(tmp_path: Path) -> None:
    with all_or_none(tmp_path, "demo", print):
        with pytest.raises(Busy, match="demo"), all_or_none(tmp_path, "demo", print):
            pytest.fail("both have it")
        with all_or_none(tmp_path, "other", print) as staging:
            block(staging, "A")
    assert inside(tmp_path) == ["A"]


@pytest.mark.parametrize("seed", range(2))
def test_cached_lines_equal_newly_made_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random, settings = Random(seed), _settings(tmp_path)
    closes = sorted(START + random.choice((random.uniform(0, 3 * DAY), 290.0 * n)) for n in range(40))
    filled = [
        {"entry_price": 100.1, "entry_price_requested": 100.0, "size": 1.0, "fees": 0.1},
        {"exit_price": 99.0, "exit_price_requested": 99.5, "size": 2.0},
    ]
    trades = tuple(
        ClosedTrade.model_validate(
            _row(n, at) | {"profit": random.choice((-5.0, 4.0, 0.0))} | random.choice(filled)
        ).closed()
        for n, at in enumerate(closes)
    )
    past = BotHistory(trades, 10_000.0)

    def made() -> list[tuple[float, bytes]]:
        return list(steps(settings, "alpha", past, {"job": "x"}, closes[0], START + 6 * DAY))

    kept = made()
    monkeypatch.setattr(WatchedBot, "steady_until", lambda *_: 0.0)
    assert kept == made()


def test_a_file_of_trades_is_filled_in_before_the_first_start(tmp_path: Path) -> None:
    _settings(tmp_path)
    done = _backfill(tmp_path).wait(120)
    assert done == 0
    assert all(len(name) == 26 for name in inside(tmp_path / "tsdb")), "blocks, and nothing else"
    assert len(inside(tmp_path / "tsdb")) >= 2
    (tmp_path / "tsdb/wal").mkdir()
    before = inside(tmp_path / "tsdb")
    again = _backfill(tmp_path)
    assert again.wait(120) == 1
    assert again.stderr is not None
    assert "has been used by a Prometheus" in again.stderr.read()
    assert inside(tmp_path / "tsdb") == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_backfill_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    _settings(tmp_path)
    process = _backfill(tmp_path)
    eventually(lambda: any((tmp_path / "tsdb").glob(".backfill-*/*")), within=60, what="its first block")
    os.kill(process.pid, how)
    assert process.wait(60) == 1
    assert process.stderr is not None
    assert "nothing was filled in" in process.stderr.read()
    assert inside(tmp_path / "tsdb") == []


def _settings(directory: Path) -> Any:
    now = time.time()
    rows = [_row(n, now - 60 * DAY + n * 7200.0) for n in range(710)]
    (directory / "trades.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (directory / "token").write_text("secret")
    bot = {
        "source": {"type": "push", "token_file": "token"},
        "starting_capital": 10_000,
        "transfers": [{"at": "2026-05-30T03:04:05Z", "amount": 250}],
        "drawdown_baseline": {"at": "2026-05-31T00:00:00Z"},
    }
    collection = {"slippage_recent": "12h", "slippage_before": "1d"}
    config = directory / "monitoring.yaml"
    settings = {"bots": {"alpha": bot}, "collection": collection, "storage": {"retention": "100d"}}
    config.write_text(yaml.safe_dump(settings))
    return load([config])


def _row(number: int, at: float) -> dict[str, Any]:
    return {
        "id": number + 1,
        "symbol": ("BTC/USDT", "ETH/USDT")[number % 2],
        "side": "long",
        "opened_at": at - 600,
        "closed_at": at,
        "profit": -5.0 if number % 3 == 0 else 4.0,
        "stake": 100.0,
    }


def _backfill(directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "stack.cli", "backfill", "--config", str(directory / "monitoring.yaml")]
    command += ["--bot", "alpha", "--trades", str(directory / "trades.jsonl"), "--out"]
    return subprocess.Popen(
        [*command, str(directory / "tsdb")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
