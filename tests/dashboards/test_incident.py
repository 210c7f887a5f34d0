"""In an incident the dashboards show the same money as the bots' own figures."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.conftest import END, serving, settings_of
from tests.dashboards.reading import Reading, View, every, read


@dataclass(frozen=True)
class Account:
    """A bot's figures at its last answer; `down` is for how many seconds it has not answered."""

    equity: float
    profit: float
    closed_today: float
    today: float | None
    drawdown: float
    positions: int
    exposure: float
    trades: int
    currency: str = "USDT"
    down: int = 0


BOTS = {
    "calm": Account(10_134.0, 134.0, 12.0, None, 0.01, 2, 300.0, 1_333),
    "silent": Account(10_000.4, -0.4, -3.0, -3.5, 0.02, 1, 150.0, 2_257, down=1200),
    "fallen": Account(7_950.0, -2_050.0, -1_900.0, -1_920.0, 0.205, 4, 800.0, 400),
    "euro": Account(5_010.0, 10.0, 4.0, None, 0.0, 1, 100.0, 55, currency="EUR"),
}
SCRAPED = ("equity", "profit_loss", "drawdown_ratio", "current_exposure")


def told(name: str, bot: Account) -> Iterator[tuple[str, float]]:
    """Yield the series of a bot that the rules keep while it is down, and their values."""
    kept = {
        "equity": bot.equity, "profit_loss": bot.profit, "drawdown_ratio": bot.drawdown,
        "current_exposure": bot.exposure, "active_positions": bot.positions, "trades": bot.trades,
        "answered_timestamp_seconds": END - bot.down,
    }  # fmt: skip
    for figure, value in kept.items():
        yield f'bot:trading_bot_{figure}:known{{bot="{name}"}}', value
        if not bot.down and figure in SCRAPED:
            yield f'trading_bot_{figure}{{bot="{name}"}}', value
    for figure, of_day in {"pnl": bot.closed_today, "pnl_all": bot.today}.items():
        if of_day is not None:
            yield f'bot_window:trading_bot_{figure}:known{{bot="{name}",window="day"}}', of_day
    yield f'trading_bot_up{{bot="{name}"}}', float(not bot.down)
    if not bot.down:
        yield f'trading_bot_state{{bot="{name}",state="running"}}', 1


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Reading]]:
    """Return the readings of every dashboard, by `board: panel`."""
    folder = tmp_path_factory.mktemp("incident")
    source = {"type": "http", "url": "http://127.0.0.1:1", "token_file": "token"}
    bots = {name: {"source": source, "currency": bot.currency} for name, bot in BOTS.items()}
    boards = every(settings_of(folder, bots=bots, demo={"enabled": False}))
    samples = {
        series: [(at, value) for at in range(END - 300, END + 1, 60)]
        for name, bot in BOTS.items()
        for series, value in told(name, bot)
    }
    found: dict[str, list[Reading]] = {}
    with serving(samples, folder) as url:
        for name in ("overview", "fleet", "performance", "risk"):
            for one in read(url, boards[name], View(END, back=300)):
                found.setdefault(f"{name}: {one.panel}", []).append(one)
    return found


def total(currency: str, figure: str) -> float:
    """Return the sum of a figure over the bots of a currency."""
    return float(sum(getattr(bot, figure) for bot in BOTS.values() if bot.currency == currency))


@pytest.mark.parametrize(
    ("panel", "figure"),
    [
        ("overview: Equity now", "equity"),
        ("overview: P&L", "profit"),
        ("overview: Exposure", "exposure"),
        ("fleet: Equity", "equity"),
        ("fleet: P&L", "profit"),
        ("performance: P&L", "profit"),
        ("performance: Closed today", "closed_today"),
        ("risk: Exposure", "exposure"),
    ],
)
def test_no_tile_pretends_that_the_money_of_a_bot_that_is_down_is_gone(
    shown: dict[str, list[Reading]], panel: str, figure: str
) -> None:
    fresh_usdt, known_usdt, fresh_eur, known_eur = shown[panel]
    assert known_usdt.only() == pytest.approx(total("USDT", figure))
    assert known_usdt.by("down").keys() == {"1"}, "and says how many bots' money is the last known"
    assert known_usdt.by("of").keys() == {"3"}
    assert fresh_eur.only() == pytest.approx(total("EUR", figure))
    assert (fresh_usdt.values, known_eur.values) == ({}, {})


@pytest.mark.parametrize("panel", ["overview: P&L today", "risk: P&L today"])
def test_pnl_today_is_the_change_since_midnight_and_counts_unknown_bots(
    shown: dict[str, list[Reading]], panel: str
) -> None:
    usdt, _, lacking, *euro = shown[panel]
    assert usdt.values == {}, "not the sum of all bots"
    assert lacking.only() == -3.5 - 1_920.0
    assert (lacking.by("unknown").keys(), lacking.by("of").keys()) == ({"1"}, {"3"})
    assert [one.values for one in euro[:2]] == [{}, {}]
    assert math.isnan(euro[2].only()), "of a currency of which nothing is known, and never 0"


def test_the_deepest_drawdown_and_the_silent_bot_are_named(shown: dict[str, list[Reading]]) -> None:
    assert shown["overview: Drawdown"][0].by("bot") == {"fallen": 0.205}
    assert shown["risk: Drawdown"][0].by("bot") == {"fallen": 0.205}
    _, lacking, _, silent = shown["overview: Bots"]
    assert lacking.by("of") == {"4": 3}
    assert silent.by("bot") == {"silent": 1000 * (END - 1200)}


def test_counts_keep_what_a_bot_that_is_down_had(shown: dict[str, list[Reading]]) -> None:
    for title, figure in (("Total trades", "trades"), ("Active positions", "positions")):
        fresh, known = shown[f"overview: {title}"]
        assert fresh.values == {}
        assert known.only() == sum(getattr(bot, figure) for bot in BOTS.values())
        assert (known.by("down").keys(), known.by("of").keys()) == ({"1"}, {"4"})


@pytest.mark.parametrize(
    ("panel", "currency"),
    [("overview: Equity over time, USDT", "USDT"), ("overview: Equity over time, EUR", "EUR")],
)
def test_a_chart_of_money_has_the_bots_of_its_currency_alone(
    shown: dict[str, list[Reading]], panel: str, currency: str
) -> None:
    expected = {name: bot.equity for name, bot in BOTS.items() if bot.currency == currency}
    assert shown[panel][0].by("bot") == expected


def test_the_tables_cells_are_the_accounts_figures(shown: dict[str, list[Any]]) -> None:
    cells = [one.by("bot") for one in shown["overview: Each bot"]]
    for figure in ("drawdown", "positions", "trades"):
        assert {name: getattr(bot, figure) for name, bot in BOTS.items()} in cells, figure


def test_a_stack_without_any_bot_has_a_board_too(tmp_path: Path) -> None:
    boards = every(settings_of(tmp_path, bots={}, demo={"enabled": False}))
    assert boards["overview"]["panels"]
