"""A reader who follows a page word by word has CriticalLoss armed, and it fires when the bot loses."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import exporter.client
from stack.settings.bots import Bot
from tests.conftest import eventually, free_port
from tests.docs.trial import ROOT, Trial, blocks, trial
from tests.freqtrade_replay import PASSWORD, USER, Recording
from tests.freqtrade_replay import serve as serve_freqtrade

FIRES = "TradingBotCriticalLoss"
PUSHED_TO = "127.0.0.1:8000"
# The code that a page leaves to the reader; equity falls from 1000 to 300 once the file exists.
OWN = """
import time
from pathlib import Path


class exchange:
    fetch_ticker = staticmethod(lambda symbol: {})


class model:
    predict = staticmethod(lambda ticker: 0.9)


def trading():
    time.sleep(0.5)
    return True


def realised():
    return 12.5


def unrealised():
    return -712.5 if Path("lost").exists() else -12.5


opened, closed = time.time() - 60, time.time() - 1
times = {"opened_at": opened, "closed_at": closed}
trades = [{"id": 7, "symbol": "BTC/USDT", "side": "long", "profit": 12.5, "stake": 100.0} | times]
"""


@contextmanager
def living(found: Trial, program: str) -> Iterator[None]:
    """Run the user's bot, which must not end by itself."""
    process = found.run(program)
    try:
        yield
        assert process.poll() is None, (found.root / "bot.log").read_text()
    finally:
        process.kill()
        process.wait()


def followed(directory: Path, page: str, program: str, port: int, replaced: dict[str, str]) -> None:
    """Check that a page's alert is armed, let the bot lose, and wait until it fires."""
    with trial(directory, page, port, replaced) as found, living(found, program):
        found.says("my_bot", "is armed: it fires beyond a drawdown of 15.0%, now ")
        assert (FIRES, "my_bot") not in found.firing()
        (directory / "lost").touch()
        eventually(lambda: (FIRES, "my_bot") in found.firing(), what="CriticalLoss")
        found.says("my_bot", "fires, beyond a drawdown of 15.0%")


def test_a_bot_made_from_the_page_about_pushing(tmp_path: Path):
    (program,), port = blocks("docs/push.md", "python"), free_port()
    assert PUSHED_TO in program
    followed(tmp_path, "docs/push.md", OWN + program.replace(PUSHED_TO, f"127.0.0.1:{port}"), port, {})


def test_a_bot_made_from_the_docstring_of_the_client(tmp_path: Path):
    lines = [line[4:] for line in str(exporter.client.__doc__).splitlines() if line.startswith("    ")]
    made = [lines[0], "while trading():", *(f"    {line}" for line in lines[1:])]
    program, port = "\n".join(["from exporter.client import Bot", *made, ""]), free_port()
    assert PUSHED_TO in program
    followed(tmp_path, "docs/push.md", OWN + program.replace(PUSHED_TO, f"127.0.0.1:{port}"), port, {})


def test_a_bot_made_from_the_page_about_the_bot_api(tmp_path: Path):
    (program,), port = blocks("docs/bot-api.md", "python"), str(free_port())
    assert "9000" in program
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/my_bot_token").write_text("token\n")
    served = OWN + program.replace("9000", port)
    followed(tmp_path, "docs/bot-api.md", served, free_port(), {"9000": port})


def test_a_bot_that_writes_the_state_of_the_page_into_a_file(tmp_path: Path):
    smallest: dict[str, Any] = json.loads(blocks("docs/bot-api.md", "json")[0])
    (line,) = blocks("docs/file-source.md", "json")
    (tmp_path / "trades.jsonl").write_text(line)
    program = f"""
import json, time
from pathlib import Path

while True:
    state = {smallest!r}
    lost = Path("lost").exists()
    state |= {{"time": time.time(), "last_activity_at": time.time()}}
    state |= {{"profit_open": -700.0, "equity": 300.0}} if lost else {{}}
    Path("state.new").write_text(json.dumps(state))
    Path("state.new").replace("state.json")
    time.sleep(0.5)
"""
    followed(tmp_path, "docs/file-source.md", program, free_port(), {"/var/lib/my_bot": str(tmp_path)})


def test_a_freqtrade_watched_as_its_page_says(tmp_path: Path):
    (config,) = blocks("docs/freqtrade.md", "json")
    served = json.loads("{" + config + "}")["api_server"]
    recording = Recording(now=True)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/freqtrade_password").write_text(PASSWORD)
    with serve_freqtrade(recording) as url:
        replaced = {f"http://127.0.0.1:{served['listen_port']}": url, served["username"]: USER}
        with trial(tmp_path, "docs/freqtrade.md", free_port(), replaced) as found:
            name = "my_freqtrade"
            found.says(name, "is armed: it fires beyond a drawdown of 15.0%, now ")
            recording.answers["profit"]["profit_all_coin"] = -300.0
            eventually(lambda: (FIRES, name) in found.firing(), what="CriticalLoss")
            found.says(name, "fires, beyond a drawdown of 15.0%")


@pytest.mark.parametrize(
    "page",
    sorted(str(file.relative_to(ROOT)) for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]),
)
def test_every_bot_in_the_manual_has_a_known_capital(page: str):
    for block in blocks(page, "yaml"):
        if not block.startswith("bots:"):
            continue  # the block is only a part of the settings
        for name, bot in yaml.safe_load(block)["bots"].items():
            settings = Bot.model_validate(bot, context={"root": ROOT})
            assert settings.source.type == "freqtrade" or settings.starting_capital is not None, name
