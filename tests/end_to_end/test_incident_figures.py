"""In a real incident the dashboards agree with the bots, in two currencies."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from stack.render import render
from stack.settings import Settings, load
from tests.conftest import binary, eventually, free_port
from tests.dashboards.reading import Reading, View, ask, every, panels, read

ROOT = Path(__file__).parents[2]
SPEED = 20  # a scrape of the trading group every three seconds
FALLEN, DOWN, ABROAD = "demo", "demo_2", "demo_3"
TOKEN = "a token of the tests"


@dataclass(frozen=True)
class Account:
    """A bot's last answer: its state and all its closed trades."""

    state: Mapping[str, Any]
    trades: Sequence[Mapping[str, Any]]

    @property
    def profits(self) -> list[float]:
        return [trade["profit"] for trade in self.trades]

    @property
    def won(self) -> list[float]:
        return [profit for profit in self.profits if profit > 0]

    @property
    def lost(self) -> float:
        return -sum(profit for profit in self.profits if profit < 0)

    @property
    def made(self) -> float:
        return float(self.state["profit_realised"] + self.state["profit_open"])

    @property
    def drawdown(self) -> float:
        """The fall of the equity from the highest point that closed trades reached."""
        highest = max(accumulate(self.profits, initial=self.state["starting_capital"]))
        return max(0.0, 1 - self.state["equity"] / highest)


@dataclass(frozen=True)
class Incident:
    """The bots' answers before one of them went down, and the dashboards' values after that."""

    settings: Settings
    accounts: Mapping[str, Account]
    shown: Callable[[str, str], Mapping[str, Sequence[Reading]]]

    def legend(self, board: str, title: str, ref: str) -> str:
        """Return the panel's name of a query's series."""
        (panel,) = (one for one in panels(every(self.settings)[board]) if one["title"] == title)
        return next(str(one["legendFormat"]) for one in panel["targets"] if one["refId"] == ref)

    def of(self, currency: str) -> list[Account]:
        return [one for one in self.accounts.values() if one.state["currency"] == currency]


def _call(settings: Settings, bot: str, method: str, path: str, body: object = None) -> Any:
    url = f"{str(settings.bots[bot].source.url).rstrip('/')}/api/v1/{path}"  # type: ignore[union-attr]  # of HTTP
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.request(method, url, headers=headers, json=body, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


def _account(settings: Settings, bot: str) -> Account:
    """Make a bot stop trading, and return its answer."""
    _call(settings, bot, "POST", "control/pause")
    _call(settings, bot, "POST", "control/close_positions", {"scope": "all"})
    state, trades, more = _call(settings, bot, "GET", "state"), list[Mapping[str, Any]](), True
    while more:
        page = _call(settings, bot, "GET", f"trades?since_id={len(trades)}")
        trades += page["trades"]
        more = page["more"]
    assert state["trades_closed"] == len(trades)
    return Account(state, trades)


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Incident]:
    """Run three demo bots, their exporter and Prometheus through the incident."""
    folder = tmp_path_factory.mktemp("incident")
    (folder / "secrets").mkdir()
    for name in ("demo_bot_token", "read_token"):
        (folder / "secrets" / name).write_text(TOKEN)
    names = ("demo_bot", "exporter", "prometheus", "webhook_actions", "alertmanager")
    config = folder / "monitoring.yaml"
    demo = {"enabled": True, "bots": 3, "history": "3d"}
    ports = {name: {"port": free_port()} for name in names}
    config.write_text(yaml.safe_dump({"demo": demo, "services": ports}))
    settings = load([config], speed=SPEED)
    render(settings, folder / "build")
    ours = ["--config", str(config), "--data", str(folder / "data")]
    prometheus = [
        str(binary("prometheus")),
        f"--config.file={folder / 'build/prometheus/prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={settings.services.prometheus.address}",
        "--log.level=error",
    ]
    commands = [
        [sys.executable, "-m", "demo_bot", *ours, "--pace", "0.5"],
        [sys.executable, "-m", "exporter", *ours, "--speed", str(SPEED)],
        prometheus,
    ]
    with (folder / "log").open("wb") as log:
        running = [subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) for command in commands]
        try:
            yield _play(settings)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(30)


def _play(settings: Settings) -> Incident:
    url = settings.services.prometheus.url

    def known(query: str) -> dict[str, float]:
        try:
            found = ask(url, "query", query=query)["result"]
        except requests.RequestException:  # it is not ready yet
            return {}
        return {one["metric"]["bot"]: float(one["value"][1]) for one in found}

    eventually(lambda: len(known("trading_bot_up == 1")) == 3, within=120, what="three bots")
    _call(settings, FALLEN, "POST", "faults/drawdown", {"ratio": 0.3})
    accounts = {name: _account(settings, name) for name in settings.demo_bots}
    worth = {name: pytest.approx(one.state["equity"]) for name, one in accounts.items()}
    trades = {name: len(one.profits) for name, one in accounts.items()}
    eventually(lambda: known("bot:trading_bot_equity:known") == worth, within=90, what="equity as it is now")
    eventually(lambda: known("bot:trading_bot_trades:known") == trades, within=90, what="all trades")
    counted = "sum by (bot) (bot_symbol_side_outcome:trading_bot_trades_total:known)"
    eventually(lambda: known(counted) == trades, within=90, what="all trades by symbol, side and outcome")
    market = "count by (bot) (bot_symbol:trading_bot_market_liquidity_score:known)"
    eventually(lambda: DOWN in known(market), within=90, what="its market, which is scraped less often")
    for fault in ("stay_down", "crash"):
        _call(settings, DOWN, "POST", f"faults/{fault}")
    eventually(lambda: known("trading_bot_up == 0").keys() == {DOWN}, within=90, what="that one is down")
    gone = f'absent(trading_bot_equity{{bot="{DOWN}"}}) * on() group_left(bot) trading_bot_up{{bot="{DOWN}"}}'
    eventually(lambda: known(gone).keys() == {DOWN}, within=90, what="its samples are gone")
    time.sleep(4 * float(settings.collection.trading.interval))  # charts show their last whole step
    at, boards = time.time(), every(settings)

    def shown(board: str, bot: str) -> dict[str, list[Reading]]:
        found: dict[str, list[Reading]] = {}
        for one in read(url, boards[board], View(at, back=60, finest=3, chosen={"bot": bot})):
            found.setdefault(one.panel, []).append(one)
        return found

    return Incident(settings, accounts, shown)


def _numbers(readings: Sequence[Reading]) -> list[float]:
    """Return the numbers of a tile, from any of its queries."""
    return sorted(value for one in readings for value in one.values.values())


ALL = ".+"


@pytest.mark.parametrize("board", ["overview", "fleet", "performance", "risk"])
def test_tiles_of_all_bots_are_the_sums_of_what_the_bots_said(incident: Incident, board: str) -> None:
    usdt, euro = incident.of("USDT"), incident.of("EUR")
    assert (len(usdt), len(euro)) == (2, 1)
    table = {
        "Equity now": [sum(one.state["equity"] for one in each) for each in (usdt, euro)],
        "Equity": [sum(one.state["equity"] for one in each) for each in (usdt, euro)],
        "P&L": [sum(one.made for one in each) for each in (usdt, euro)],
        "Exposure": [0.0, 0.0],
        "Total trades": [sum(len(one.profits) for one in incident.accounts.values())],
        "Active positions": [0.0],
    }
    shown = incident.shown(board, ALL)
    looked_at = table.keys() & shown.keys()
    assert looked_at, "the board has figures of money"
    for panel in looked_at:
        told = _numbers(shown[panel])
        assert told == pytest.approx(sorted(table[panel]), abs=1e-6), panel


def _summed(trades: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for key, value in trades:
        sums[key] = sums.get(key, 0) + value
    return sums


def test_trades_and_profits_by_symbol_side_and_outcome_have_the_bot_that_is_down(incident: Incident) -> None:
    activity, performance = (incident.shown(board, ALL) for board in ("activity", "performance"))
    trades = [trade for one in incident.accounts.values() for trade in one.trades]
    won = sum(trade["profit"] > 0 for trade in trades)
    assert _numbers(activity["Trades"]) == [len(trades)]
    assert _numbers(activity["Won"]) == [pytest.approx(won / len(trades))]
    sides = _summed((trade["side"], 1) for trade in trades)
    assert _numbers(activity["Long and short"]) == sorted(sides.values())
    lost = sum(trade["profit"] < 0 for trade in trades)
    assert set(_numbers(performance["Won and lost"])) == {won, lost, len(trades) - won - lost} - {0}
    symbols = _summed((trade["symbol"], 1) for trade in trades)
    most = _by_symbol(activity["Trades by symbol"])
    assert most == {symbol: symbols[symbol] for symbol in most}
    assert sorted(most.values()) == sorted(symbols.values())[-8:]  # of several with as many, any may be shown
    made = _summed((trade["symbol"], trade["profit"]) for trade in trades)
    shown = performance["Closed P&L by symbol"][0].by("symbol")
    assert shown.keys() <= made.keys()
    assert len(shown) >= 8
    assert shown == {symbol: pytest.approx(made[symbol], abs=1e-6) for symbol in shown}


def test_figures_of_the_bot_that_is_down_are_its_last_and_are_called_so(incident: Incident) -> None:
    one = incident.accounts[DOWN]
    table = {
        ("performance", "Win rate"): [len(one.won) / len(one.trades)],
        ("performance", "Profit factor"): [sum(one.won) / one.lost],
        ("performance", "Expectancy"): [sum(one.profits) / len(one.trades)],
        ("activity", "Pending orders"): [one.state["pending_orders"]],
    }
    boards = {board: incident.shown(board, DOWN) for board in {board for board, _ in table}}
    for (board, title), values in table.items():
        readings = [one for one in boards[board][title] if one.values]
        assert _numbers(readings) == pytest.approx(values), title
        (name,) = (incident.legend(board, title, each.ref) for each in readings)
        assert "last known" in name, title


@pytest.mark.parametrize(
    "title", ["Volatility", "Change over 24 hours", "Volume of 24 hours, USDT", "Liquidity"]
)
def test_the_market_of_the_bot_that_is_down_is_the_last_known(incident: Incident, title: str) -> None:
    told = incident.accounts[DOWN].state["market"].keys()
    readings = [one for one in incident.shown("market", DOWN)[title] if one.values]
    assert told
    assert readings
    assert all(one.by("symbol").keys() <= told for one in readings)


def _by_symbol(readings: Sequence[Reading]) -> dict[str, float]:
    return {symbol: value for one in readings for symbol, value in one.by("symbol").items()}


@pytest.mark.parametrize("bot", [FALLEN, ABROAD])
def test_tiles_of_one_bot_are_what_its_own_trades_give(incident: Incident, bot: str) -> None:
    one = incident.accounts[bot]
    count = len(one.profits)
    table = {
        ("overview", "Equity now"): one.state["equity"],
        ("overview", "P&L"): one.made,
        ("overview", "Drawdown"): one.drawdown,
        ("overview", "Win rate"): len(one.won) / count,
        ("overview", "Total trades"): count,
        ("performance", "P&L"): one.made,
        ("performance", "Win rate"): len(one.won) / count,
        ("performance", "Profit factor"): sum(one.won) / one.lost,
        ("performance", "Expectancy"): sum(one.profits) / count,
        ("risk", "Drawdown"): one.drawdown,
        ("activity", "Trades"): count,
        ("activity", "Won"): len(one.won) / count,
    }
    boards = {board: incident.shown(board, bot) for board in {board for board, _ in table}}
    shown = {place: _numbers(boards[place[0]][place[1]]) for place in table}
    assert shown == {place: pytest.approx([value], abs=1e-6) for place, value in table.items()}


def test_the_fallen_bot_is_the_deepest_and_the_one_that_is_down_is_named(incident: Incident) -> None:
    assert incident.accounts[FALLEN].drawdown > 0.15
    overview = incident.shown("overview", ALL)
    assert overview["Drawdown"][0].by("bot") == {
        FALLEN: pytest.approx(incident.accounts[FALLEN].drawdown, abs=1e-6)
    }
    named = [one.by("bot").keys() for one in overview["Bots"]]
    assert {DOWN} in named


def test_the_table_of_bots_and_the_charts_have_each_bots_own_figures(incident: Incident) -> None:
    overview = incident.shown("overview", ALL)
    cells = [one.by("bot") for one in overview["Each bot"]]
    accounts = incident.accounts.items()
    for figure in (
        {name: pytest.approx(one.drawdown, abs=1e-6) for name, one in accounts},
        {name: len(one.profits) for name, one in accounts},
    ):
        assert figure in cells
    for currency in ("USDT", "EUR"):
        (chart,) = overview[f"Equity over time, {currency}"]
        of_currency = {name: one for name, one in accounts if one.state["currency"] == currency}
        assert chart.by("bot") == {
            name: pytest.approx(one.state["equity"]) for name, one in of_currency.items()
        }
