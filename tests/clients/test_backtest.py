"""References are read as Freqtrade and spreadsheets write them; a bad one names file, value and way out."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from clients.backtest import BadReference, TradeResult, csv_trades, freqtrade_trades, result_of
from clients.reference import reference_of
from tests.exporter.edge_references import freqtrade_result, freqtrade_row, profits, table
from tests.exporter.trades import recorded, recorded_trades

FOUND = [float(each) for each in profits(40)]


@pytest.mark.parametrize("name", ["backtest-result-2026-01-02_03-04-05.zip", "backtest-result.json"])
def test_a_freqtrade_result_of_several_strategies_gives_those_of_one(tmp_path: Path, name: str):
    file = freqtrade_result(tmp_path / name, Slow=[0.02] * 31, Steady=FOUND)
    trades = freqtrade_trades(file, "Steady")
    assert [trade.profit for trade in trades] == FOUND
    first = trades[0]
    assert first.closed_at - (first.opened_at or 0) == 3600
    assert (first.fees, first.slippage) == (0.001, 0.0)


def test_the_only_strategy_needs_no_name(tmp_path: Path):
    assert len(freqtrade_trades(freqtrade_result(tmp_path / "r.json", Steady=FOUND))) == 40


def test_trades_are_in_the_order_of_closing_and_open_ones_left_out(tmp_path: Path):
    rows = [freqtrade_row(number, 0.01 * number) for number in (3, 1, 2)]
    rows.append(freqtrade_row(9, 0.5) | {"is_open": True, "close_date": None})
    (tmp_path / "r.json").write_text(json.dumps({"strategy": {"A": {"trades": rows}}}))
    assert [trade.profit for trade in freqtrade_trades(tmp_path / "r.json")] == [0.01, 0.02, 0.03]


def test_fees_of_a_leveraged_trade_are_of_its_stake_and_an_older_result_has_no_leverage(tmp_path: Path):
    rows = [freqtrade_row(0, 0.01) | {"leverage": 3.0}, freqtrade_row(1, 0.01)]
    del rows[1]["leverage"], rows[1]["is_short"]
    (tmp_path / "r.json").write_text(json.dumps({"strategy": {"A": {"trades": rows}}}))
    assert [trade.fees for trade in freqtrade_trades(tmp_path / "r.json")] == [0.003, 0.001]


def test_a_table_is_read(tmp_path: Path):
    trades = csv_trades(table(tmp_path / "trades.csv", FOUND))
    assert [trade.profit for trade in trades] == FOUND
    assert (trades[0].fees, trades[0].slippage) == (0.001, None)


def test_two_columns_are_enough_and_times_may_be_unix_seconds(tmp_path: Path):
    file = tmp_path / "trades.csv"
    file.write_text("\ufeffclosed_at,profit_ratio\r\n1700000060,-0.01\r\n2023-11-14T22:13:20Z,0.02\r\n")
    assert csv_trades(file) == (TradeResult(1_700_000_000.0, 0.02), TradeResult(1_700_000_060.0, -0.01))


def test_live_trades_of_a_real_freqtrade_have_the_ratios_that_its_backtest_has():
    """Freqtrade divides by the stake with its fee, which is less than a thousandth more."""
    told = {row["trade_id"]: row for row in recorded("trades")["trades"]}
    results = {trade.key[0]: result_of(trade) for trade in recorded_trades()}
    assert len(results) > 20
    for number, result in results.items():
        assert result is not None
        assert result.profit == pytest.approx(told[number]["profit_ratio"], rel=1e-3)
        fees = told[number]["fee_open"] + told[number]["fee_close"]
        assert result.fees == pytest.approx(fees, rel=0.02)


def said(file: Path, strategy: str | None = None) -> str:
    with pytest.raises(BadReference) as refused:
        csv_trades(file) if file.suffix == ".csv" else freqtrade_trades(file, strategy)
    assert str(file) in str(refused.value)
    return str(refused.value)


def test_several_strategies_want_a_name_and_a_wrong_one_the_nearest(tmp_path: Path):
    file = freqtrade_result(tmp_path / "r.zip", Slow=FOUND, Steady=FOUND)
    assert "has 2 strategies; set `strategy` to one of Slow, Steady" in said(file)
    assert "strategy 'Stedy' is not in it; did you mean Steady?" in said(file, "Stedy")


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("{", "cannot be read: Expecting property name"),
        ("[]", "has no `strategy`, so it is not a result of Freqtrade 2021 or newer; backtest anew"),
        ('{"strategy": {}}', "has no `strategy`"),
        ('{"strategy": {"A": {}}}', "strategy 'A' has no trades; backtest with `--export trades`"),
        ('{"strategy": {"A": {"trades": [5]}}}', "trade 1: the whole: '5'"),
    ],
)
def test_a_file_that_is_no_result(tmp_path: Path, told: str, says: str):
    (tmp_path / "r.json").write_text(told)
    assert says in said(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"profit_ratio": None}, "trade 2: profit_ratio: 'None': Input should be a valid number"),
        ({"profit_ratio": float("nan")}, "trade 2: profit_ratio: 'nan': Input should be a finite number"),
        (
            {"profit_ratio": 250.0},
            "trade 2: profit_ratio: '250.0': Input should be less than or equal to 100",
        ),
        ({"close_date": "soon"}, "trade 2: close_date: 'soon': "),
    ],
)
def test_a_bad_trade_is_named(tmp_path: Path, wrong: dict[str, Any], says: str):
    rows = [freqtrade_row(0, 0.01), freqtrade_row(1, 0.01) | wrong]
    (tmp_path / "r.json").write_text(json.dumps({"strategy": {"A": {"trades": rows}}}))
    assert says in said(tmp_path / "r.json")


def test_a_renamed_or_broken_zip_and_a_missing_file(tmp_path: Path):
    file = freqtrade_result(tmp_path / "r.zip", Steady=FOUND).rename(tmp_path / "mine.zip")
    assert "and not mine.json; give the file back the name that Freqtrade gave it" in said(file)
    (tmp_path / "broken.zip").write_bytes(file.read_bytes()[:200])
    assert "File is not a zip file" in said(tmp_path / "broken.zip")
    damaged = bytearray(freqtrade_result(tmp_path / "d.zip", Steady=FOUND).read_bytes())
    damaged[60:400] = bytes(340)
    (tmp_path / "d.zip").write_bytes(damaged)
    assert "cannot be read" in said(tmp_path / "d.zip")
    assert "No such file" in said(tmp_path / "none.json")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert "holds nothing, and not empty.json" in said(tmp_path / "empty.zip")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            "closed_at,profit\n1,0.01\n",
            "'profit_ratio' is missing; the first line names closed_at, profit_ratio",
        ),
        ("closed_at,profit_ratio,pair\n1,0.01,x\n", "'pair' is no column of trades"),
        ("closed_at,profit_ratio\n1700000000,1%\n", "line 2: profit_ratio: '1%': "),
        ("closed_at,profit_ratio\n1700000000,0.01\n,0.01\n", "line 3: closed_at: '': "),
        ("closed_at,profit_ratio\n1700000000\n", "line 2: profit_ratio: 'None': "),
        ("closed_at,profit_ratio\n1700000000,0.01,9\n", "line 2"),
        ("", "'closed_at' is missing"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, lines: str, says: str):
    (tmp_path / "t.csv").write_text(lines)
    assert says in said(tmp_path / "t.csv")


def test_a_table_of_other_bytes_is_refused(tmp_path: Path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00a")
    assert "cannot be read" in said(tmp_path / "t.csv")


def test_a_reference_must_promise_something():
    def refused(found: list[float], at: float = 86_400.0) -> str:
        with pytest.raises(BadReference) as told:
            reference_of([TradeResult(number * at, each) for number, each in enumerate(found)], "F")
        return str(told.value)

    assert refused(FOUND[:29]) == "F: has 29 trades, and 30 are needed; backtest a longer time"
    assert refused([-0.01] * 30).startswith(
        "F: loses 1.000% of the stake a trade, so there is no edge to watch;"
    )
    assert refused([0.01] * 30) == "F: all its trades made 1.000%; name one whose trades differ"
    assert refused(FOUND, at=0.0) == "F: all its trades closed at one time; their times are wrong"
