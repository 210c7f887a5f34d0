"""Checks of each account's exchange: the key, its rights and the clock; and the findings of `check`."""

import time
from pathlib import Path

import pytest

from stack.cli import main
from stack.doctor import exchanges
from stack.doctor.finding import Finding, Level
from tests.doctor.conftest import Make
from tests.venue.binance import binance
from tests.venue.engine import Engine
from tests.venue.server import KEY, SECRET, FakeVenue, beside

SOURCE = {
    "source": {"type": "http", "url": "http://127.0.0.1:1", "token_file": "token"},
    "starting_capital": 1,
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    for name, secret in (("key", KEY), ("secret", SECRET), ("token", "t")):
        (tmp_path / name).write_text(f"{secret}\n")


def accounts(url: str, **more: object) -> dict[str, object]:
    exchange = {"venue": "binance", "key_file": "key", "secret_file": "secret", "url": url} | more
    return {"main": {"bots": ["b"], "exchange": exchange}}


def found(make: Make, *, tolerate: tuple[str, ...] = (), **faults: object) -> dict[str, Finding]:
    venue = FakeVenue(Engine(True, 1000.0, {"BTC/USDT": 60_000.0}), time.time, **faults)
    with beside(venue, binance) as url:
        told = exchanges.keys(make(bots={"b": SOURCE}, accounts=accounts(url, tolerate=tolerate)))
        return {one.about: one for one in told}


def test_a_key_that_may_only_read_is_green(make: Make):
    told = found(make)
    assert {about: one.level for about, one in told.items()} == {
        "exchange of main": Level.GREEN,
        "clock of exchange of main": Level.GREEN,
    }


def test_a_key_that_may_withdraw_is_red(make: Make):
    one = found(make, may_withdraw=True)["exchange of main"]
    assert (one.level, one.says) == (Level.RED, "its key may withdraw, so Nightdesk does not use it")


def test_a_key_that_the_exchange_refuses_is_red_in_one_line_without_the_key(make: Make):
    one = found(make, blocked=True)["exchange of main"]
    assert one.level is Level.RED
    assert "refuses the key" in one.says
    assert KEY not in one.says + one.way_out


def test_a_clock_that_is_off_is_red(make: Make):
    assert found(make, ahead=90.0)["clock of exchange of main"].level is Level.RED


def test_an_exchange_that_is_out_is_red(make: Make):
    assert "cannot be reached" in found(make, out=True)["exchange of main"].says


def test_a_market_of_tolerate_that_is_not_listed_is_named(make: Make):
    venue = FakeVenue(Engine(True, 1000.0, {"BTC/USDT": 60_000.0}), time.time)
    with beside(venue, binance) as url:
        told = list(exchanges.keys(make(bots={"b": SOURCE}, accounts=accounts(url, tolerate=["LUNA/USDT"]))))
    assert "does not list LUNA/USDT of tolerate" in [one.says for one in told]


def checked(root: Path, url: str, capsys: pytest.CaptureFixture[str]) -> str:
    (root / "monitoring.yaml").write_text(
        "bots:\n  b:\n    source: {type: http, url: 'http://127.0.0.1:1', token_file: token}\n"
        "    starting_capital: 1\n"
        "accounts:\n  main:\n    bots: [b]\n    exchange:\n"
        f"      venue: binance\n      key_file: key\n      secret_file: secret\n      url: {url}\n"
        "channels: {slack: {enabled: true, url_file: token}}\n"
        "webhook_actions:\n  tokens:\n    {receive_file: token, read_file: token, act_file: token, "
        "reload_file: token}\n"
    )
    main(["check", "--config", str(root / "monitoring.yaml")])
    told = capsys.readouterr()
    return told.out + told.err


@pytest.mark.parametrize("may", [True, False])
def test_check_refuses_a_key_that_may_withdraw_and_names_file_and_line(
    tmp_path: Path, may: bool, capsys: pytest.CaptureFixture[str]
):
    venue = FakeVenue(Engine(True, 1000.0, {"BTC/USDT": 60_000.0}), time.time, may_withdraw=may)
    with beside(venue, binance) as url:
        said = checked(tmp_path, url, capsys)
    refusal = "accounts.main.exchange.key_file: the key may withdraw"
    assert (refusal in said) is may
    if may:
        assert "monitoring.yaml:10" in said


def test_check_warns_of_an_exchange_that_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    said = checked(tmp_path, "http://127.0.0.1:1", capsys)
    assert "warning: accounts.main.exchange: the exchange cannot be reached" in said
