"""The last known figures of a bot count while it is down, and no longer once it reports others."""

from pathlib import Path
from typing import Any

from tests.rules.promtool import SLOW, run, write

# A minute each: both bots answer, `b` goes down, `b` is back with less.
UP = {"a": "1x9 1x9 1x9", "b": "1x9 0x9 1x9"}
SCRAPED = {
    'trading_bot_equity{bot="a"}': "100x29",
    'trading_bot_equity{bot="b"}': "50x9 stale _x8 40x9",
    'trading_bot_profit_loss{bot="b"}': "-5x9 stale _x8 -15x9",
    'trading_bot_current_exposure{bot="b"}': "20x9 stale _x8 0x9",
    'trading_bot_pnl_all{bot="b",window="day"}': "-1x9 stale _x8 -11x9",
    'trading_bot_pnl{bot="b",window="day"}': "-2x9 stale _x8 -12x9",
    'trading_bot_pnl{bot="b",window="week"}': "-3x9 stale _x8 -13x9",
    # Its day ends while it is down, its week does not.
    'trading_bot_pnl_window_end_timestamp_seconds{bot="b",window="day"}': "840x9 stale _x8 87240x9",
    'trading_bot_pnl_window_end_timestamp_seconds{bot="b",window="week"}': "87240x9 stale _x8 87240x9",
    'trading_bot_active_positions{bot="b",symbol="X"}': "1x9 stale _x8 0x9",
    'trading_bot_active_positions{bot="b",symbol="Y"}': "2x4 stale _x13 _x9",
    'trading_bot_trades_total{bot="b",symbol="X",side="long",outcome="won"}': "7x9 stale _x8 8x9",
    'trading_bot_win_rate{bot="b"}': "0.6x9 stale _x8 0.5x9",
    'trading_bot_symbol_pnl{bot="b",symbol="X"}': "-4x9 stale _x8 -14x9",
    'trading_bot_market_volatility_ratio{bot="b",symbol="X"}': "0.02x9 stale _x8 0.03x9",
    'trading_bot_market_price_change_ratio{bot="b",symbol="X",window="24h"}': "0.1x9 stale _x8 -0.1x9",
    'nightdesk_exporter_last_success_timestamp_seconds{bot="b",source="http"}': "0+60x9 540x9 1200+60x9",
}
EXPECTED: dict[str, tuple[float | None, ...]] = {
    "sum(bot:trading_bot_equity:known)": (150, 150, 150, 140),
    "sum(currency:trading_bot_equity:sum)": (150, 150, 150, 140),
    "sum(currency:trading_bot_profit_loss:sum)": (-5, -5, -5, -15),
    "sum(currency:trading_bot_current_exposure:sum)": (20, 20, 20, 0),
    "sum(currency:trading_bot_pnl_day:sum)": (-1, -1, None, -11),
    'sum(bot_window:trading_bot_pnl:known{window="day"})': (-2, -2, None, -12),
    'sum(bot_window:trading_bot_pnl:known{window="week"})': (-3, -3, -3, -13),
    "sum(fleet:trading_bot_active_positions:sum)": (1, 1, 1, 0),
    "sum(fleet:trading_bot_trades:sum)": (7, 7, 7, 8),
    "sum(bot:trading_bot_win_rate:known)": (0.6, 0.6, 0.6, 0.5),
    'sum(bot_symbol_side_outcome:trading_bot_trades_total:known{side="long"})': (7, 7, 7, 8),
    'sum(bot_symbol:trading_bot_symbol_pnl:known{symbol="X"})': (-4, -4, -4, -14),
    "sum(bot_symbol:trading_bot_market_volatility_ratio:known)": (0.02, 0.02, 0.02, 0.03),
    "sum(bot_symbol_window:trading_bot_market_price_change_ratio:known)": (0.1, 0.1, 0.1, -0.1),
    "sum(bot:trading_bot_answered_timestamp_seconds:known)": (480, 540, 540, 1680),
}
LOOKED_AT = (8, 13, 17, 28)  # minutes


def test_no_sum_pretends_that_money_left_with_a_bot_that_is_down(rules: Path, tmp_path: Path) -> None:
    series = [{"series": f'trading_bot_up{{bot="{bot}"}}', "values": ups} for bot, ups in UP.items()]
    series += [{"series": name, "values": values} for name, values in SCRAPED.items()]
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {"expr": expr, "eval_time": f"{at}m", "exp_samples": _sample(value)}
            for expr, told in EXPECTED.items()
            for at, value in zip(LOOKED_AT, told, strict=True)
        ],
    }
    file = write(tmp_path / "known.yml", [test], sorted(rules.glob("*.yml")), SLOW)
    assert run([file]) == ""


def _sample(value: float | None) -> list[dict[str, Any]]:
    return [] if value is None else [{"labels": "{}", "value": value}]
