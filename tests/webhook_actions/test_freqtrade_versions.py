"""Nightdesk controls each Freqtrade version only with what that version can do."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.freqtrade import Config, Logs
from clients.observer import Observer
from tests.webhook_actions.bot_doubles import Clock, FaultyTransport, Freqtrade, Held, freqtrade_adapter
from webhook_actions.bots import BotControl
from webhook_actions.bots.freqtrade_versions import capabilities
from webhook_actions.bots.protocol import BotStatus, Mode, Target, Verb, reached
from webhook_actions.outcome import Outcome, Result

RELEASES = [f"{year}.{month}" for year in range(2022, 2027) for month in range(1, 13)][:58]
AROUND = ["2022.1", "2022.3", "2022.4", "2022.7", "2022.8", "2024.3", "2024.4", "2025.3", "2025.4", "2026.9"]
CLOSED = Target(others=0.0, paused=True)
STOPPED_ENTRIES = Target(paused=True)
HALF = Target({"BTC/USDT long": 2.0})

Make = Callable[..., tuple[BotControl, Freqtrade, FaultyTransport]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    (tmp_path / "password").write_text("secret")

    def made(version: str, **more: object) -> tuple[BotControl, Freqtrade, FaultyTransport]:
        clock = Clock()
        double = Freqtrade(clock, [Held(1, "BTC/USDT", "long", 4.0)], version=version, **more)  # type: ignore[arg-type]
        wire = FaultyTransport(double.serve, clock, itertools.repeat("none"))  # type: ignore[arg-type]
        adapter = freqtrade_adapter(wire, tmp_path / "password", lambda: None)
        observer = Observer(["http://127.0.0.1:9"], [], 0.5)
        control = BotControl(
            "alpha", "run-1", adapter, adapter, observer, 0, 5, 0.5, sleep=clock.sleep, clock=clock.read
        )
        return control, double, wire

    return made


def proof(bot: BotControl, target: Target) -> Outcome:
    standing = bot.standing()
    assert isinstance(standing, BotStatus), standing
    return reached(target, standing)


@pytest.mark.parametrize("version", RELEASES)
def test_entries_are_stopped_with_what_a_version_has_and_allowed_again(make: Make, version: str) -> None:
    bot, double, wire = make(version)
    assert bot.bring_to(STOPPED_ENTRIES).done
    assert proof(bot, STOPPED_ENTRIES).done
    ordered = len(wire.posted)
    assert bot.bring_to(STOPPED_ENTRIES).orders == 0
    assert len(wire.posted) == ordered
    assert bot.resume().done
    assert (double.state, double.max_open_trades, double.locks) == ("running", 5, [])
    assert all(double.has(path.partition("/")[0]) for path in wire.posted)


@pytest.mark.parametrize("version", AROUND)
@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_bot_of_any_version_is_closed_and_enters_nothing(make: Make, version: str, state: str) -> None:
    bot, double, wire = make(version, state=state)
    assert bot.bring_to(CLOSED).done
    assert proof(bot, CLOSED).done
    assert double.held == []
    assert all(double.has(path.partition("/")[0]) for path in wire.posted)


@pytest.mark.parametrize("version", ["2022.1", "2022.4", "2022.7"])
def test_where_only_whole_trades_are_exited_a_reduction_is_refused_and_nothing_is_sold(
    make: Make, version: str
) -> None:
    bot, double, wire = make(version)
    lacks = bot.adapter.lacks((Verb.REDUCE_POSITIONS,))
    assert lacks is not None
    assert "only whole trades" in lacks.detail
    assert bot.bring_to(HALF).result is Result.CANNOT
    assert wire.posted == []
    assert double.quantities() == {"BTC/USDT long": 4.0}


@pytest.mark.parametrize("version", ["2022.8", "2024.3", "2026.10"])
def test_where_parts_are_exited_a_reduction_leaves_its_target(make: Make, version: str) -> None:
    bot, double, _ = make(version)
    assert bot.adapter.lacks((Verb.REDUCE_POSITIONS,)) is None
    assert bot.bring_to(HALF).done
    assert double.quantities() == {"BTC/USDT long": 2.0}


def test_a_build_without_a_release_is_judged_by_the_number_of_its_api() -> None:
    old, new = (
        capabilities(Config(state="running", version="develop-1a2b3c", api_version=number))
        for number in (2.16, 2.17)
    )
    assert (old.partial_exits, new.partial_exits) == (False, True)
    assert not capabilities(Config(state="running")).partial_exits
    assert capabilities(Config(state="running", version="docker-2022.7-1a2b")).stops_entries == ("stopbuy",)


@pytest.mark.parametrize("version", AROUND)
@pytest.mark.parametrize("initial", ["running", "stopped"])
@pytest.mark.parametrize("before", [Mode.RUNNING, Mode.PAUSED])
def test_a_reload_leaves_a_bot_as_it_was_whatever_its_configuration_starts_it_as(
    make: Make, version: str, initial: str, before: Mode
) -> None:
    bot, _, _ = make(version, initial_state=initial)
    if before is Mode.PAUSED:
        assert bot.pause().done
    assert bot.retry_connection().done
    standing = bot.standing()
    assert isinstance(standing, BotStatus)
    assert standing.state != "stopped"
    assert standing.enters == (before is Mode.RUNNING)


@pytest.mark.parametrize("target", [CLOSED, STOPPED_ENTRIES])
def test_a_pause_is_not_lost_in_a_reload(make: Make, target: Target) -> None:
    bot, double, wire = make("2026.9")
    double.serve("POST", "reload_config", None, None)
    outcome = bot.bring_to(target)
    assert (outcome.result, wire.posted) == (Result.RETRY, [])
    while not bot.bring_to(target).done:
        assert double.alive
    for _ in range(5):  # calls after which a reload would have ended
        assert proof(bot, target).done


@pytest.mark.parametrize("version", AROUND)
@pytest.mark.parametrize("before", [Mode.RUNNING, Mode.PAUSED])
def test_a_restart_leaves_a_bot_as_it_was(make: Make, version: str, before: Mode) -> None:
    bot, _, wire = make(version)
    if before is Mode.PAUSED:
        assert bot.pause().done
    assert bot.restart().done
    assert "stop" in wire.posted
    standing = bot.standing()
    assert isinstance(standing, BotStatus)
    assert (standing.state != "stopped", standing.enters) == (True, before is Mode.RUNNING)


def test_while_the_exchange_is_out_nothing_is_reloaded(make: Make) -> None:
    bot, double, wire = make("2026.9", exchange_out=True)
    outcome = bot.retry_connection()
    assert (outcome.result, outcome.orders) == (Result.RETRY, 0)
    assert "its exchange is down" in outcome.detail
    assert wire.posted == []
    assert double.alive
    double.exchange_out = False
    assert bot.retry_connection().done


@pytest.mark.parametrize("skew", [-3600.0, -100.0, 100.0, 3600.0])
def test_an_outage_differs_from_a_past_one_by_the_bots_own_clock(make: Make, skew: float) -> None:
    bot, double, wire = make("2026.9", exchange_out=True, skew=skew)
    assert (bot.retry_connection().result, wire.posted) == (Result.RETRY, [])
    double.was_out_until = 95.0  # although it has logged nothing since
    assert bot.retry_connection().orders == 1


def test_a_bot_that_its_owner_stopped_is_neither_reloaded_nor_restarted(make: Make) -> None:
    bot, _, wire = make("2026.9", state="stopped")
    assert bot.retry_connection().result is Result.CANNOT
    assert bot.restart().result is Result.CANNOT
    assert wire.posted == []


@pytest.mark.parametrize("refusals", [1, 2, 4])
def test_what_comes_back_stopped_is_started_until_it_runs(make: Make, refusals: int) -> None:
    bot, double, _ = make("2026.9", state="stopped", refuses={"start": refusals})
    attempts = [bot.come_back(Mode.RUNNING) for _ in range(2)]
    assert attempts[-1].done
    assert double.state == "running"


def test_a_bot_that_cannot_be_started_is_reported_with_its_unmanaged_positions(make: Make) -> None:
    bot, _, _ = make("2026.9", state="stopped", refuses={"start": 100})
    outcome = bot.come_back(Mode.RUNNING)
    assert outcome.result is Result.RETRY
    assert "it is stopped instead of running" in outcome.detail
    assert "nobody manages its 1 open positions" in outcome.detail


def test_the_state_before_is_known_though_an_open_trade_cannot_be_read(make: Make) -> None:
    bot, double, _ = make("2026.9", initial_state="stopped")
    double.held[0].symbol = None  # type: ignore[assignment]
    assert isinstance(bot.standing(), Outcome)
    assert bot.retry_connection().done
    assert double.state == "running"


@pytest.mark.parametrize("version", AROUND)
def test_a_release_starts_no_bot_that_its_owner_stopped_meanwhile(make: Make, version: str) -> None:
    bot, double, _ = make(version)
    assert bot.pause().done
    double.state = "stopped"
    assert bot.undo(Mode.RUNNING).done is double.has("locks"), "an older one is released once it is started"
    assert (double.state, double.locks) == ("stopped", [])
    double.state = "running"
    assert bot.undo(Mode.RUNNING).done
    assert double.max_open_trades == 5


@pytest.mark.parametrize("version", AROUND)
def test_a_release_undoes_a_close_of_a_bot_that_had_been_stopped(make: Make, version: str) -> None:
    bot, double, _ = make(version, state="stopped")
    assert bot.bring_to(CLOSED).done
    assert double.state != "stopped"
    assert bot.undo(Mode.STOPPED).done
    assert double.state == "stopped"


@pytest.mark.parametrize("version", ["2022.1", "2024.3", "2024.4", "2025.4", "2026.9"])
def test_a_lock_that_a_protection_set_for_an_hour_stops_no_entries(make: Make, version: str) -> None:
    bot, double, _ = make(version)
    protection = {"id": 7, "pair": "*", "side": "*", "active": True, "reason": "MaxDrawdown"}
    double.locks = [protection]
    assert not proof(bot, STOPPED_ENTRIES).done
    assert bot.bring_to(STOPPED_ENTRIES).orders > 0
    assert proof(bot, STOPPED_ENTRIES).done
    double.locks.remove(protection)  # the hour is over
    assert proof(bot, STOPPED_ENTRIES).done


@pytest.mark.parametrize("version", ["2022.1", "2024.3"])
@pytest.mark.parametrize("refused", ["reload_config", "start"])
def test_a_release_that_stopped_a_bot_half_way_starts_it(make: Make, version: str, refused: str) -> None:
    bot, double, _ = make(version, initial_state="stopped")
    assert bot.pause().done
    double.loses = {"reload_config"} if refused == "reload_config" else set()
    double.refuses = {"start": 9}
    outcomes = [bot.undo(Mode.RUNNING, begun=True)]
    assert not outcomes[0].done
    double.loses, double.refuses = set(), {"start": 3}
    while not outcomes[-1].done and len(outcomes) < 9:
        outcomes.append(bot.undo(Mode.RUNNING, begun=True))
    assert (double.state, double.max_open_trades) == ("running", 5)
    assert any("nobody manages its 1 open positions" in each.detail for each in outcomes)


def test_a_bot_that_cannot_report_its_calls_is_not_reloaded(make: Make) -> None:
    bot, double, wire = make("2026.9")
    double.silent = {"logs"}
    assert bot.retry_connection().orders == 0
    assert wire.posted == []


def page(*records: tuple[float, str, str, str]) -> Logs:
    told = [("2026-01-01", at * 1000, logger, level, said) for at, logger, level, said in records]
    return Logs.model_validate({"logs": told})


CALLS = "freqtrade.exchange.common"
LATER = 'fetch_ticker() returned exception: "500". Retrying still for 3 times.'
OVER = 'fetch_ticker() returned exception: "500". Giving up.'


@pytest.mark.parametrize(
    ("records", "out"),
    [
        ([(100.0, CALLS, "WARNING", OVER)], True),  # then the loop sleeps half a minute
        ([(100.0, "freqtrade.exchange.exchange", "ERROR", "Could not load markets.")], True),
        ([(100.0, CALLS, "WARNING", LATER), (106.0, CALLS, "WARNING", LATER)], True),
        ([(100.0, "freqtrade.exchange.exchange", "ERROR", "Unable to initialize markets.")], True),
        ([(100.0, CALLS, "WARNING", LATER)], False),  # a single failure
        (
            [(at, "freqtrade.exchange.exchange", "WARNING", "X/Y is restricted") for at in (100.0, 106.0)],
            False,
        ),
        ([(89.0, CALLS, "WARNING", OVER)], False),  # it ended long ago
        ([(100.0, "freqtrade.freqtradebot", "WARNING", OVER)], False),
        ([], False),
    ],
)
def test_an_outage_shows_in_the_failed_calls_of_a_log(
    records: list[tuple[float, str, str, str]], out: bool
) -> None:
    assert page(*records).exchange_is_out(90.0) is out
