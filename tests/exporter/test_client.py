"""The client reports a bot to a real exporter, and never disturbs the bot."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from exporter import client
from exporter.client import Bot
from tests.conftest import eventually, free_port
from tests.exporter.harness import value
from tests.exporter.pushing import TOKENS, Desk, desk
from tests.exporter.test_push import closed, won


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("client")) as found:
        yield found


def test_a_bots_figures_reach_prometheus(exporter: Desk):
    file = exporter.directory / "one"
    with Bot(exporter.url, "one", token_file=file, interval=0.05) as bot:
        held = {
            "symbol": "BTC/USDT",
            "side": "long",
            "size": Decimal("0.5"),
            "price": 100.0,
            "stop_price": 96,
        }
        order = {"symbol": "ETH/USDT", "placed_at": datetime.now(UTC)}
        bot.state(state="running", equity=Decimal("1000.5"), open_positions=[held], open_orders=[order])
        bot.trade(**closed(1, 5.0, closed_at=datetime.now(UTC)))
        bot.model("entry", accuracy=0.75)
        bot.market("BTC/USDT", rsi=60)
        bot.feed("BTC/USDT")
        for _ in range(3):
            with bot.api_call():
                pass
        with pytest.raises(KeyError), bot.api_call():
            raise KeyError
        with bot.prediction("entry") as prediction:
            prediction.confidence = 0.9
    assert bot.last_error is None
    series = exporter.until("one", lambda found: value(found, "equity") is not None)
    assert value(series, "equity") == 1000.5
    assert value(series, "position_value", symbol="BTC/USDT", side="long") == 50
    assert value(series, "position_unprotected", symbol="BTC/USDT", side="long") == 0
    assert (value(series, "order_age_seconds", symbol="ETH/USDT") or 0) < 60
    assert won(series) == 1
    assert value(series, "model_accuracy", model="entry") == 0.75
    assert value(series, "market_rsi", symbol="BTC/USDT") == 60
    assert value(series, "api_requests_total", outcome="ok") == 3
    assert value(series, "api_requests_total", outcome="error") == 1
    assert value(series, "response_time_seconds_bucket", le="0.005") == 4
    assert value(series, "prediction_duration_seconds_count", model="entry") == 1
    assert value(series, "prediction_confidence", model="entry") == 0.9
    assert (value(series, "uptime_seconds") or 0) < 60
    assert (value(series, "data_freshness_seconds", feed="BTC/USDT") or 0) < 60


def test_trades_wait_while_the_exporter_is_away(tmp_path: Path):
    found = Desk(tmp_path)
    found.configure()
    with Bot(found.url, "one", token=TOKENS["one"], interval=0.05) as bot:
        for number in range(1200):
            bot.trade(**closed(number))
        eventually(lambda: bot.last_error, what="the first try")
        found.start()
        try:
            series = found.until("one", lambda series: won(series) == 1200)
            assert value(series, "up") == 1
        finally:
            found.stop()
    assert bot.dropped == 0


def test_the_buffer_is_bounded_and_what_is_dropped_is_counted():
    with Bot(f"http://127.0.0.1:{free_port()}", "one", token="x", interval=60, buffer=100) as bot:
        for number in range(250):
            bot.trade(**closed(number))
        assert bot.dropped == 150
        assert [trade["id"] for trade in bot._trades] == list(range(150, 250))


def test_an_exporter_that_hangs_never_makes_the_bot_wait():
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        bot = Bot(f"http://127.0.0.1:{silent.getsockname()[1]}", "one", token="x", interval=0.01, timeout=30)
        bot.trade(**closed(1))
        asked, _ = silent.accept()
        told = threading.Thread(target=lambda: [bot.trade(**closed(n)) for n in range(2, 500)])
        told.start()
        told.join(10)
        assert not told.is_alive()
        assert len(bot._trades) == 499
        asked.close()


@pytest.mark.parametrize(
    "misuse",
    [
        lambda bot: bot.state(equity=object()),
        lambda bot: bot.trade(1, 2, 3),
        lambda bot: bot.trade(id=lambda: None),
        lambda bot: bot.model(),
        lambda bot: bot.model(["unhashable"], accuracy=1),
        lambda bot: bot.market(None, rsi={1, 2}),
        lambda bot: bot.feed("x", "y", "z"),
    ],
)
def test_misuse_is_logged_and_never_raised(misuse, caplog: pytest.LogCaptureFixture):
    bot = Bot("nonsense", "one", interval=60)
    misuse(bot)
    assert "was not sent" in caplog.text


@pytest.mark.parametrize("url", ["", "nonsense", "http://", "http://[", "file:///etc/passwd", None, 7])
def test_a_nonsensical_address_or_token_troubles_nobody(url, tmp_path: Path):
    bot = Bot(url, "one", token_file=tmp_path / "nothing", interval=0.01)
    bot.state(state="running")
    with bot.api_call():
        pass
    eventually(lambda: bot.last_error, what="a try")
    bot.close()


def test_later_changes_of_the_bots_lists_are_not_sent():
    bot = Bot("nonsense", "one", interval=60)
    positions = [{"symbol": "A"}]
    bot.state(open_positions=positions)
    positions.append({"symbol": "B"})
    assert bot._state["open_positions"] == [{"symbol": "A"}]


def test_a_refused_trade_is_not_tried_for_ever_and_good_ones_beside_it_arrive(exporter: Desk, caplog):
    with Bot(exporter.url, "two", token=TOKENS["two"], interval=0.02) as bot:
        bot.trade(**closed(1, float("nan")))
        bot.trade(**closed(2))
        eventually(lambda: bot.refused, what="the refusal")
    assert not bot._trades
    assert "trades[0] (id 1).profit: 'nan'" in caplog.text
    exporter.until("two", lambda series: won(series) == 1)


def test_a_wrong_token_is_logged_once_and_nothing_is_lost(exporter: Desk, caplog):
    (exporter.directory / "client_token").write_text("wrong")
    bot = Bot(exporter.url, "two", token_file=exporter.directory / "client_token", interval=0.02)
    bot.trade(**closed(77, 1.0, symbol="ETH/USDT"))
    eventually(lambda: bot.last_error, what="the refusal")
    time.sleep(0.3)
    assert caplog.text.count("the exporter answered 401") == 1
    (exporter.directory / "client_token").write_text(TOKENS["two"])
    eventually(lambda: not bot._trades, what="the push")
    bot.close()


def test_a_redirect_takes_the_token_nowhere():
    seen: list[str] = []

    class OtherHost(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers["Authorization"] and self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            seen.append("followed")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), OtherHost)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Bot(f"http://127.0.0.1:{server.server_address[1]}", "one", token="x", interval=0.01) as bot:
        bot.trade(**closed(1))
        eventually(lambda: bot.last_error, what="the answer")
    server.shutdown()
    server.server_close()
    assert seen
    assert "followed" not in seen


def test_a_forked_child_sends_its_own_figures(exporter: Desk):
    bot = Bot(exporter.url, "two", token=TOKENS["two"], interval=0.02)
    bot.feed("parent")
    child = os.fork()
    if child == 0:
        bot.trade(**closed(88, 1.0, symbol="FORK"))
        bot.close()
        os._exit(0 if not bot._trades else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    bot.close()


def test_the_file_alone_runs_anywhere(tmp_path: Path):
    alone = tmp_path / "client.py"
    alone.write_text(Path(client.__file__).read_text())
    program = "import sys; sys.path.insert(0, '.'); import client; print(client.Bot('x', 'y').dropped)"
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "0\n"), ran.stderr
