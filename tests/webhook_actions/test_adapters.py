"""Each adapter, tested with the real program or its recorded answers."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients.http import Answer
from clients.observer import Observer
from clients.trading import Position
from stack.settings import FreqtradeBot, HttpBot, load
from stack.settings.load import DEFAULTS
from tests.freqtrade_replay import PASSWORD, USER, Recording, serve
from tests.webhook_actions.bot_doubles import Clock, Fault, FaultyTransport, freqtrade_adapter
from tests.webhook_actions.bot_doubles import Freqtrade as FreqtradeDouble
from tests.webhook_actions.harness import Bots
from webhook_actions.actions import load_actions
from webhook_actions.actions.restart_bot import restart_bot
from webhook_actions.bots import BotControl, control
from webhook_actions.bots.command import CommandAdapter
from webhook_actions.bots.freqtrade import FreqtradeAdapter
from webhook_actions.bots.http import HttpAdapter
from webhook_actions.bots.protocol import Adapter, BotStatus, Order, OrderRefused, Target, Verb
from webhook_actions.outcome import Outcome, Result

NO_SENSES = Observer(["http://127.0.0.1:9"], [], 0.5)  # an address where nothing listens


def free() -> None:
    """Allow every request."""


@pytest.fixture
def bots() -> Iterator[Bots]:
    made = Bots("alpha")
    yield made
    made.server.shutdown()


def over(adapter: Adapter, boot: float = 5, sleep: Callable[[float], None] = lambda _: None) -> BotControl:
    """Return a control over one adapter."""
    return BotControl("alpha", "step-1", adapter, adapter, NO_SENSES, 0, boot, keep=0.5, sleep=sleep)


def http(bots: Bots, token: Path) -> HttpAdapter:
    return HttpAdapter(
        HttpBot(type="http", url=f"http://127.0.0.1:{bots.port}/alpha", token_file=token), 0.5, free
    )


@pytest.mark.parametrize(
    ("status", "result", "orders"),
    [
        (200, Result.DONE, 1),
        (503, Result.RETRY, 1),
        (401, Result.FAILED, 0),
        (409, Result.FAILED, 1),
        (404, Result.CANNOT, 0),
        (422, Result.CANNOT, 0),
    ],
)
def test_the_bot_api_says_whether_trying_again_makes_sense_and_whether_something_may_have_been_done(
    bots: Bots, tmp_path: Path, status: int, result: Result, orders: int
) -> None:
    (tmp_path / "token").write_text("secret")
    bots.by_name["alpha"].status = status
    outcome = http(bots, tmp_path / "token").restart(0, "step-7")
    assert (outcome.result, outcome.orders) == (result, orders)
    assert bots.by_name["alpha"].restarts == ["step-7"]


def test_a_bot_that_hangs_or_is_gone_is_worth_another_try(bots: Bots, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    bots.by_name["alpha"].pause = 2
    hung = http(bots, tmp_path / "token").restart(0, "key")
    assert (hung.result, hung.orders) == (Result.RETRY, 1)
    gone = HttpBot(type="http", url="http://127.0.0.1:9/", token_file=tmp_path / "token")
    refused = HttpAdapter(gone, 0.5, free).restart(0, "key")
    assert (refused.result, refused.orders) == (Result.RETRY, 0)


def test_a_missing_token_file_is_named(bots: Bots, tmp_path: Path) -> None:
    outcome = http(bots, tmp_path / "nothing").restart(0, "key")
    assert outcome.result is Result.FAILED
    assert "nothing cannot be read" in outcome.detail


def test_a_restarted_bot_is_waited_for_as_long_as_it_may_boot(bots: Bots, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    adapter = http(bots, tmp_path / "token")
    bots.by_name["alpha"].answers = False
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        bots.by_name["alpha"].answers = len(waits) == 3

    bot = over(adapter, boot=30, sleep=sleep)
    assert bot.wait_until_it_answers().done
    assert len(waits) == 3
    bots.by_name["alpha"].answers = False
    silent = over(adapter, boot=0)
    assert "silent for 0s" in silent.wait_until_it_answers().detail


@pytest.fixture
def freqtrade(tmp_path: Path) -> Iterator[tuple[Recording, FreqtradeAdapter]]:
    (tmp_path / "password").write_text(PASSWORD)
    recording = Recording()
    with serve(recording) as url:
        bot = FreqtradeBot(type="freqtrade", url=url, username=USER, password_file=tmp_path / "password")
        yield recording, FreqtradeAdapter(bot, 2, free, sleep=lambda _: None)


def posted(recording: Recording) -> list[str]:
    """Return the control calls that reached the recording, in order."""
    return [verb for verb, _ in recording.orders]


def test_freqtrade_is_restarted_by_stop_and_start(freqtrade: tuple[Recording, FreqtradeAdapter]) -> None:
    recording, adapter = freqtrade
    assert adapter.answers().done
    assert adapter.restart(0, "key").done
    assert posted(recording) == ["stop", "start"]
    assert adapter.answers().done


def test_a_freqtrade_that_its_owner_stopped_is_left_alone(
    freqtrade: tuple[Recording, FreqtradeAdapter],
) -> None:
    recording, adapter = freqtrade
    recording.state = "stopped"
    outcome = adapter.restart(0, "key")
    assert outcome.result is Result.CANNOT
    assert "stopped" in outcome.detail
    assert posted(recording) == []


@pytest.mark.parametrize(
    ("faults", "posted"),
    [
        ([Fault.LOST_AFTER], "stop start"),
        ([Fault.LOST_BEFORE], "stop start"),
        ([Fault.NONE, Fault.LOST_BEFORE, Fault.ERROR], "stop start start start"),
    ],
)
def test_a_freqtrade_that_a_restart_may_have_stopped_is_started_again(
    tmp_path: Path, faults: list[Fault], posted: str
) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    bot = FreqtradeDouble(Clock(), [])
    wire = FaultyTransport(bot.serve, bot.clock, iter([Fault.NONE, *faults]))
    outcome = freqtrade_adapter(wire, tmp_path / "password", free).restart(0, "key")
    assert (outcome.done, bot.state) == (True, "running")
    assert " ".join(wire.posted) == posted


def test_a_restart_that_is_refused_half_way_says_that_the_bot_is_left_stopped(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    bot = FreqtradeDouble(Clock(), [])

    def guard() -> None:
        if bot.state == "stopped":
            raise OrderRefused("ann paused all actions")

    adapter = freqtrade_adapter(FaultyTransport(bot.serve, bot.clock, iter(())), tmp_path / "password", guard)
    with pytest.raises(OrderRefused, match="ann paused all actions; this restart stopped the bot"):
        adapter.restart(0, "key")


def test_a_wrong_freqtrade_password_is_final(
    freqtrade: tuple[Recording, FreqtradeAdapter], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("wrong")
    outcome = freqtrade[1].restart(0, "key")
    assert outcome.result is Result.FAILED
    assert "wrong" not in outcome.detail


SOURCES = {
    "file": "{type: file, state: /nowhere/state.json, trades: /nowhere/trades.jsonl}",
    "push": "{type: push, token_file: /nowhere/token}",
}


def control_of(kind: str, directory: Path, more: str = "") -> BotControl:
    """Return the control of a bot that only reports, by the settings."""
    config = directory / "monitoring.yaml"
    program = f'programs: {{show: ["{sys.executable}", "-c", "print(1)"]}}'
    config.write_text(f"bots: {{quiet: {{source: {SOURCES[kind]}{more}}}}}\nactions: {{{program}}}\n")
    return control(load([config]), "quiet", "key", free)


@pytest.mark.parametrize("kind", SOURCES)
def test_a_bot_that_only_reports_cannot_be_restarted_and_the_outcome_says_so(
    kind: str, tmp_path: Path
) -> None:
    outcome = restart_bot(control_of(kind, tmp_path), None)  # type: ignore[arg-type]  # it is not looked at
    assert outcome.result is Result.CANNOT
    assert "neither `control` nor `restart`" in outcome.detail


@pytest.mark.parametrize("kind", SOURCES)
def test_a_bot_that_only_reports_is_restarted_as_settings_say(kind: str, tmp_path: Path) -> None:
    bot = control_of(kind, tmp_path, ", restart: {type: command, program: show}")
    restarted = restart_bot(bot, None)  # type: ignore[arg-type]  # it is not looked at
    assert restarted.done
    assert "it answers" not in restarted.detail, "nobody was asked"
    assert "it has no API to ask" in restarted.detail


@pytest.mark.parametrize("kind", SOURCES)
def test_a_bot_that_only_reports_is_restarted_through_its_own_control(
    kind: str, bots: Bots, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret")
    address = f'type: http, url: "http://127.0.0.1:{bots.port}/alpha", token_file: token'
    bot = control_of(kind, tmp_path, f", control: {{{address}}}")
    bots.by_name["alpha"].status = 409
    assert bot.restart().result is Result.FAILED
    assert bots.by_name["alpha"].restarts == ["key"]


@pytest.mark.parametrize("status", [503, 409])
def test_a_close_is_worth_another_attempt_while_the_exchange_may_take_it(
    bots: Bots, tmp_path: Path, status: int
) -> None:
    (tmp_path / "token").write_text("secret")
    bots.by_name["alpha"].status = status
    outcome = over(http(bots, tmp_path / "token")).bring_to(Target(others=0.0))
    assert (outcome.result, outcome.orders) == (Result.RETRY, 1)
    assert bots.by_name["alpha"].restarts == [None]  # a stored answer would only grow old


def test_a_guard_is_asked_before_each_order_and_never_before_a_look(bots: Bots, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    access = HttpBot(type="http", url=f"http://127.0.0.1:{bots.port}/alpha", token_file=tmp_path / "token")

    def guard() -> None:
        raise OrderRefused("ann paused all actions")

    adapter = HttpAdapter(access, 0.5, guard)
    adapter.answers()
    adapter.standing()
    for act in (
        lambda: adapter.restart(0, "key"),
        lambda: adapter.bring_to(Target(others=0.0), "key"),
        lambda: adapter.carry_out(Order(Verb.PAUSE), "key"),
        lambda: CommandAdapter(["/bin/true"], "alpha", 20, guard).restart(0, "key"),
    ):
        with pytest.raises(OrderRefused, match="ann paused"):
            act()
    assert bots.by_name["alpha"].restarts == []


def test_a_repeatable_order_has_no_idempotency_key(bots: Bots, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    bot = over(http(bots, tmp_path / "token"))
    assert bot.pause().done
    assert bot.resume().done
    assert bots.by_name["alpha"].restarts == [None, None]


def test_a_bot_that_knows_no_pause_is_closed_all_the_same(bots: Bots, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    bots.by_name["alpha"].status = 404
    outcome = over(http(bots, tmp_path / "token")).bring_to(Target(others=0.0, paused=True))
    assert (outcome.result, outcome.orders) == (Result.CANNOT, 0)
    assert bots.by_name["alpha"].restarts == [None, None]


def test_one_position_that_cannot_be_read_leaves_all_of_them_unknown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    access = HttpBot(type="http", url="http://bot", token_file=tmp_path / "token")
    said = b'{"state": "running", "open_positions": [{"symbol": "BTC", "profit": null}, {"symbol": 5}]}'
    standing = HttpAdapter(access, 0.5, free, ask=lambda _: Answer(200, said)).standing()
    assert standing == BotStatus("running", None, None)


def test_a_bots_own_word_for_its_state_is_its_state(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    access = HttpBot(type="http", url="http://bot", token_file=tmp_path / "token")
    said = b'{"state": "warming up", "open_positions": []}'
    standing = HttpAdapter(access, 0.5, free, ask=lambda _: Answer(200, said)).standing()
    assert standing == BotStatus("warming up", (), None)


def test_figures_that_are_null_or_nan_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    access = HttpBot(type="http", url="http://bot", token_file=tmp_path / "token")
    said = (
        b'{"state": "running", "open_positions": '
        b'[{"symbol": "BTC", "side": "long", "size": NaN, "price": 1, "profit": null}]}'
    )
    standing = HttpAdapter(access, 0.5, free, ask=lambda _: Answer(200, said)).standing()
    assert standing == BotStatus("running", (Position("BTC", "long", None, None, price=1.0),), None)


def test_an_unreadable_state_is_reported_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    access = HttpBot(type="http", url="http://bot", token_file=tmp_path / "token")
    outcome = HttpAdapter(access, 0.5, free, ask=lambda _: Answer(200, b"{}")).standing()
    assert outcome == Outcome.failed("GET state: state cannot be read; see docs/bot-api.md")


@pytest.mark.parametrize("kind", ["docker, container: x", "command, program: show"])
def test_a_bot_that_can_only_be_restarted_says_so_of_all_else(kind: str, tmp_path: Path) -> None:
    bot = control_of("file", tmp_path, f", restart: {{type: {kind}}}")
    for outcome in (bot.pause(), bot.bring_to(Target(paused=True)), bot.retry_connection(), bot.standing()):
        assert isinstance(outcome, Outcome)
        assert outcome.result is Result.CANNOT, outcome


@pytest.mark.parametrize("kind", SOURCES)
def test_how_long_an_action_may_take_covers_its_waits_and_its_boot(kind: str, tmp_path: Path) -> None:
    plain = control_of(kind, tmp_path)
    program = control_of(kind, tmp_path, ", boot: 10m, restart: {type: command, program: show}")
    assert program.longest > 10 + 600 + 600  # the wait, the program's own boot, and ours
    assert plain.longest < 120, "who looks after a crash waits as long for what was under way"
    assert plain.longest < plain.longest_to_look < 300


def test_the_table_of_actions_is_that_of_the_code() -> None:
    written = (Path(__file__).parents[2] / "docs" / "actions.md").read_text()
    printed = subprocess.run(
        [sys.executable, "-m", "webhook_actions.table"], capture_output=True, text=True, check=True
    ).stdout
    assert written == printed, "run `make docs`"


def test_every_action_of_the_settings_is_there_and_has_a_limit() -> None:
    settings, actions = load([DEFAULTS]), load_actions()
    named = {name for alert in settings.alerts.values() for name in alert.actions or ()}
    for level in ("critical", "warning", "info"):
        named |= set(getattr(settings.severities, level).actions)
    assert named <= actions.keys()
    assert actions.keys() == settings.actions.limits.keys() - {"default"}
