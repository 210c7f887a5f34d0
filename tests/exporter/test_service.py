"""The exporter as a process: what it serves and refuses, how it starts and stops."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conftest import eventually, free_port
from tests.exporter.harness import TOKEN, ScriptedBot, parsed, serve
from tests.exporter.test_http import STATE, trade
from tests.freqtrade_replay import PASSWORD, USER, Recording
from tests.freqtrade_replay import serve as serve_freqtrade

ROOT = Path(__file__).parents[2]


@dataclass
class Exporter:
    """A running exporter."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def up(self, bot: str) -> float | None:
        """Return a bot's present `up`, None before its first poll."""
        for line in self.get("/metrics?collect[]=trading")[1].splitlines():
            if line.startswith(f'trading_bot_up{{bot="{bot}"}}'):
                return float(line.split()[-1])
        return None


def command(config: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "exporter", "--config", str(config)),
        *("--speed", "30", "--data", str(config.parent / "data")),
    ]


def configure(directory: Path, bots: dict[str, object], port: int, **more: object) -> Path:
    (directory / "token").write_text(TOKEN)
    (directory / "password").write_text(PASSWORD)
    settings = {
        "demo": {"enabled": False},
        "bots": bots,
        "collection": {"timeout": "1s"},
        "services": {"exporter": {"port": port}},
    }
    settings |= more
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump(settings))
    return config


def http(url: str) -> dict[str, object]:
    return {"source": {"type": "http", "url": url, "token_file": "token"}}


@contextmanager
def running(
    directory: Path, bots: dict[str, object], replica: int = 1, port: int | None = None, **more: object
) -> Iterator[Exporter]:
    port = port or free_port()
    log = directory / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command(configure(directory, bots, port, **more)), "--replica", str(replica)],
            cwd=ROOT,
            stdout=out,
            stderr=out,
        )
        exporter = Exporter(f"http://127.0.0.1:{port}", process, log)

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return exporter.get("/healthz")[0] == 200
            except OSError:
                return False

        try:
            eventually(answers, what="the exporter's start")
            yield exporter
        finally:
            process.terminate()
            process.wait(timeout=15)


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """An exporter that watches good bots, a hanging one, one without a secret, and an absent one."""
    good = ScriptedBot(STATE, [trade(1, 150.0), trade(2, -70.0), trade(3, 20.0)])
    with ExitStack() as stack:
        with serve(ScriptedBot()) as gone:
            pass
        url = stack.enter_context(serve(good))
        freqtrade = stack.enter_context(serve_freqtrade(Recording(now=True)))
        bots = {
            "good": http(url),
            "hangs": http(stack.enter_context(serve(ScriptedBot(hangs=True)))),
            "secretless": {"source": {"type": "http", "url": url, "token_file": "nowhere/token"}},
            "gone": http(gone),
            "freq": {
                "source": {
                    "type": "freqtrade",
                    "url": freqtrade,
                    "username": USER,
                    "password_file": "password",
                }
            },
        }
        found = stack.enter_context(running(tmp_path_factory.mktemp("exporter"), bots))
        for name in bots:
            eventually(lambda name=name: found.up(name) is not None, what=f"the first poll of {name}")
        yield found


def test_a_bot_that_hangs_or_fails_hides_no_other(exporter):
    up = {name: exporter.up(name) for name in ("good", "hangs", "secretless", "gone", "freq")}
    assert up == {"good": 1, "hangs": 0, "secretless": 0, "gone": 0, "freq": 1}
    text = exporter.get("/metrics?collect[]=trading")[1]
    reasons = {("hangs", "timeout"), ("secretless", "auth"), ("gone", "refused")}
    for name, reason in reasons:
        assert f'trading_bot_source_error{{bot="{name}",reason="{reason}"}} 1.0' in text
    assert text.count("trading_bot_source_error{") == 3
    assert "nowhere/token" in exporter.log.read_text()


def test_a_hanging_bot_does_not_slow_the_polls_of_another(exporter):
    def polls(bot: str) -> float:
        series = parsed(exporter.get(f"/metrics?collect[]=exporter&bot[]={bot}")[1])
        return sum(count for (name, _), count in series.items() if name.endswith("polls_total"))

    before, hanging = polls("good"), polls("hangs")
    eventually(lambda: polls("hangs") >= hanging + 3, what="three time-outs")
    assert polls("good") - before > 3


def test_groups_and_bots_narrow_what_is_served(exporter):
    text = exporter.get("/metrics?collect[]=trading&bot[]=good")[1]
    assert "trading_bot_equity" in text
    assert "trading_bot_api_requests_total" in text
    assert "trading_bot_market_rsi" not in text
    assert 'bot="freq"' not in text
    only = exporter.get("/metrics?collect[]=market&collect[]=model")[1]
    assert {line.split("_")[2] for line in only.splitlines() if not line.startswith("#")} <= {
        "market", "model", "prediction", "predictions", "last", "data", "missing", "outlier",
    }  # fmt: skip


def test_without_narrowing_everything_is_served_and_reads_well(exporter):
    text = exporter.get("/metrics")[1]
    assert len(parsed(text.replace("bot=", "of="))) > 100
    assert "nightdesk_exporter_poll_success" in text
    assert "trading_bot_host_memory_usage_ratio" in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("collect[]=tradign", ("tradign", "trading, model, market, system, logs, exporter")),
        ("collect[]=api", ("api",)),
        ("collect[]=trading&bot[]=nobody", ("nobody", "good", "freq")),
    ],
)
def test_an_unknown_group_or_bot_is_named_with_what_is_allowed(exporter, query, said):
    status, text = exporter.get(f"/metrics?{query}")
    assert status == 400
    assert all(word in text for word in said)


def test_the_page_lists_bots_states_and_links(exporter):
    status, text = exporter.get("/")
    assert status == 200
    assert "/metrics?bot[]=good" in text
    assert "running" in text
    assert "no answer within 1s" in text


def test_a_port_in_use_is_named_and_ends_with_1(exporter, tmp_path):
    port = int(exporter.url.rsplit(":", 1)[1])
    ended = subprocess.run(
        command(configure(tmp_path, {}, port)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "--port-offset" in ended.stderr


def test_unusable_settings_end_with_2_and_name_the_key(tmp_path):
    config = tmp_path / "monitoring.yaml"
    config.write_text("colection: {}\n")
    ended = subprocess.run(command(config), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "did you mean collection" in ended.stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_on_request(tmp_path, stop):
    with serve(ScriptedBot(hangs=True)) as url, running(tmp_path, {"hangs": http(url)}) as exporter:
        exporter.process.send_signal(stop)
        assert exporter.process.wait(timeout=15) == 0
        assert "Traceback" not in exporter.log.read_text()
