"""The key of an account's exchange: errors name path, value and the way out."""

from pathlib import Path

import pytest

from stack.settings import SettingsError, load

BOTS = "bots: {b: {source: {type: http, url: 'http://127.0.0.1:1', token_file: t}, starting_capital: 1}}\n"


def settings(tmp_path: Path, exchange: str):
    file = tmp_path / "monitoring.yaml"
    file.write_text(f"{BOTS}accounts: {{main: {{bots: [b], exchange: {{{exchange}}}}}}}\n")
    return load([file])


def test_an_account_may_have_an_exchange_and_no_limits(tmp_path):
    one = settings(tmp_path, "venue: binanceusdm, key_file: k, secret_file: s").accounts["main"]
    assert (one.limits, one.exchange.interval, one.exchange.settle) == ([], 30, 10)
    assert one.exchange.key_file == tmp_path / "k"


@pytest.mark.parametrize(
    ("exchange", "error"),
    [
        ("venue: mtgox, key_file: k, secret_file: s", "accounts.main.exchange.venue: 'mtgox'"),
        ("venue: binance, key_file: k", "accounts.main.exchange.secret_file: is missing"),
        (
            "venue: binance, key_file: k, secret_file: s, interval: 1s",
            "exchange.interval: 1s is not in 10s–10m",
        ),
        ("venue: binance, key_file: k, secret_file: s, size: 2", "exchange.size: 2.0 is not in 0.0001–0.5"),
        ("venue: binance, key_file: k, secret_file: s, key: abc", "exchange.key: is not a setting"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, exchange, error):
    with pytest.raises(SettingsError) as found:
        settings(tmp_path, exchange)
    assert error in str(found.value)
    assert "monitoring.yaml:2" in str(found.value)
