"""Equity and drawdown by the bot's capital: declared, reported, negative, or equity only."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.analytics.curve import Transfer
from exporter.capital import CapitalFile
from exporter.status_page import Row, page
from tests.exporter.harness import ScriptedBot, Series, http_settings, names, serve, value, watch
from tests.exporter.test_freqtrade import PACE, RECORDED_AT, Clock, settings
from tests.exporter.test_http import NOW, STATE
from tests.exporter.test_http import trade as told
from tests.exporter.trades import START, ledger, trade
from tests.freqtrade_replay import Recording
from tests.freqtrade_replay import serve as serve_freqtrade

LIMIT = 0.15  # the limit of CriticalLoss
UNTOLD = {"starting_capital", "equity", "profit_realised", "profit_open"}


def freqtrade(directory: Path, capital: float | None, *profits: float, **more: Any) -> list[Series]:
    """Return the figures of a Freqtrade with such a starting capital at each profit, with open positions."""
    recording, clock = Recording(), Clock()
    recording.answers["balance"]["starting_capital"] = capital
    recording.answers["show_config"] |= {"available_capital": more.pop("available_capital", None)}
    found = []
    with serve_freqtrade(recording) as url, watch(settings(url, directory) | more, clock=clock) as bot:
        for profit in profits:
            recording.answers["profit"]["profit_all_coin"] = profit
            found.append(bot.poll())
            clock.now += PACE
    return found


def test_a_negative_capital_is_a_number_and_a_loss_beyond_it_is_seen(tmp_path):
    calm, lost = freqtrade(tmp_path, -150.0, 30.0, -100.0)
    assert value(calm, "equity") == -120
    assert value(calm, "drawdown_ratio") == 0
    assert value(lost, "equity") == -250
    assert value(lost, "drawdown_ratio") > LIMIT


def test_a_negative_capital_makes_no_critical_loss_of_a_small_one_also_while_nothing_is_open():
    found = ledger([trade(1, START, 30.0), trade(2, START + 1, -1.0)], capital=-150.0)
    assert found.drawdown(START + 2, -121.0, 29.0) == pytest.approx(1 / 101)  # a trade puts 100 at stake
    assert found.drawdown(START + 2, -121.0, 29.0, exposure=199.0) == pytest.approx(1 / 200)
    assert found.max_drawdown is None  # it has no highest value for a ratio


@pytest.mark.parametrize("capital", [None, -150.0, 990.0])
def test_a_declared_capital_overrules_freqtrades(tmp_path, capital):
    calm, lost = freqtrade(tmp_path, capital, 30.0, -200.0, starting_capital=1000)
    assert value(calm, "equity") == 1030
    assert value(calm, "drawdown_ratio") == 0
    assert value(lost, "equity") == 800
    assert value(lost, "drawdown_ratio") == pytest.approx(0.2, abs=0.001)  # its trades' highest was 1000.41


def test_what_freqtrade_calls_its_capital_has_its_owners_transfers_in_it(tmp_path):
    moved = {"at": datetime.fromtimestamp(RECORDED_AT - 600, UTC).isoformat(), "amount": -500}
    calm, lost = freqtrade(tmp_path, 490.0, -5.0, -105.0, transfers=[moved])
    assert value(calm, "equity") == 485
    assert value(calm, "drawdown_ratio") == pytest.approx(5.41 / 490.41, abs=1e-3)
    assert value(lost, "drawdown_ratio") == pytest.approx(105.41 / 490.41, abs=1e-3)
    fixed, _ = freqtrade(tmp_path, 990.0, -5.0, -105.0, transfers=[moved], available_capital=990.0)
    assert value(fixed, "equity") == 485
    assert value(fixed, "drawdown_ratio") == pytest.approx(value(calm, "drawdown_ratio"))


def without(*fields: str, **more: object) -> dict[str, Any]:
    return {name: each for name, each in STATE.items() if name not in fields} | more


def http(directory: Path, *states: dict[str, Any], **more: Any) -> list[Series]:
    bot = ScriptedBot({}, [told(1, 150.0), told(2, -70.0), told(3, 20.0)])
    found = []
    with serve(bot) as url, watch(http_settings(url, directory, **more)) as watched:
        for state in states:
            bot.state = state
            found.append(watched.poll())
    return found


@pytest.mark.parametrize("unknown", [{"starting_capital"}, UNTOLD], ids=["capital", "all_but_equity"])
def test_a_bot_with_equity_is_measured_from_its_first_equity(tmp_path, unknown):
    states = [without(*unknown, equity=equity, profit_open=equity - 1000) for equity in (1000.0, 300.0)]
    if "profit_open" in unknown:
        states = [without(*unknown, equity=equity) for equity in (1000.0, 300.0)]
    calm, lost = http(tmp_path, *states)
    # The earlier trades have their own highest: 150, then −70 and +20.
    assert value(calm, "drawdown_ratio") == pytest.approx(50 / 1050)
    assert value(lost, "drawdown_ratio") == pytest.approx(750 / 1050)


def test_the_first_equity_that_was_seen_is_known_after_a_restart_of_the_exporter(tmp_path):
    bot = ScriptedBot({}, [told(1, 150.0), told(2, -70.0), told(3, 20.0)])
    found = []
    with serve(bot) as url:
        for equity in (1000.0, 300.0):
            bot.state = without(*UNTOLD, equity=equity)
            with watch(http_settings(url, tmp_path), data=tmp_path / "data") as watched:
                found.append(value(watched.poll(), "drawdown_ratio"))
    assert found == [pytest.approx(50 / 1050), pytest.approx(750 / 1050)]


def test_what_was_kept_of_another_source_or_is_damaged_is_no_capital(tmp_path):
    CapitalFile(tmp_path, "http://one").write(1000.0)
    assert CapitalFile(tmp_path, "http://one").read() == 1000.0
    assert CapitalFile(tmp_path, "http://two").read() is None
    (tmp_path / "capital.json").write_text("{")
    assert CapitalFile(tmp_path, "http://one").read() is None
    (tmp_path / "full").write_text("no directory")
    CapitalFile(tmp_path / "full", "http://one").write(1000.0)  # the log says so


def test_a_bots_equity_follows_from_its_profit_and_declared_capital(tmp_path):
    moved = {"at": datetime.fromtimestamp(NOW - 5000, UTC).isoformat(), "amount": 200}
    declared = {"starting_capital": 1000, "transfers": [moved]}
    (series,) = http(tmp_path, without("starting_capital", "equity"), **declared)
    assert value(series, "equity") == 1280
    assert value(series, "drawdown_ratio") == pytest.approx(70 / 1350)


def test_a_bots_own_negative_capital_is_accepted(tmp_path):
    (series,) = http(tmp_path, without("equity", starting_capital=-150.0))
    assert value(series, "equity") == -70
    assert value(series, "drawdown_ratio") == pytest.approx(70 / (70 + 500))  # 500 are in open positions


def test_an_equity_that_cannot_be_is_not_made_up_from_the_rest(tmp_path):
    (series,) = http(tmp_path, STATE | {"equity": float("nan")})
    assert not names(series) & {"equity", "drawdown_ratio"}
    assert value(series, "profit_loss") == 80


def test_what_nobody_knows_stays_absent(tmp_path):
    (series,) = http(tmp_path, without(*UNTOLD))
    assert not names(series) & {"equity", "drawdown_ratio", "max_drawdown_ratio", "profit_loss"}


def test_a_transfer_makes_a_highest_where_the_capital_was_none():
    found = ledger([trade(1, START + 10, -100.0)], capital=0.0, events=[Transfer(START + 1, 1000.0)])
    assert found.max_drawdown == pytest.approx(0.1)
    assert found.drawdown(START + 20, 900.0, -100.0) == pytest.approx(0.1)


def test_the_exporters_page_and_log_say_whose_losses_nobody_would_see(tmp_path, caplog):
    bot = ScriptedBot(without(*UNTOLD), [told(1, 150.0)])
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        watched.poll()
        watched.poll()
        blind = watched.poller.status.warning
        bot.state = without("equity", "profit_open", starting_capital=1000.0)
        watched.poll()
        poor = watched.poller.status.warning
        bot.state = STATE
        watched.poll()
        seen = watched.poller.status.warning
    assert blind == "drawdown alerts cannot fire without starting_capital or equity history"
    assert poor.endswith("while the bot reports neither equity nor profit_open")
    assert seen == ""
    assert [record.getMessage() for record in caplog.records if blind in record.getMessage()] == [
        f"blind: {blind}"
    ]
    row = Row("b", "http", "here", "running", "healthy", (), 1.0, 1.0, "", blind)
    assert f"<small>{blind}</small>" in page([row], {})
