"""A report of a day, a week or a month agrees with the dashboards of the same time."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from clients.observer import Observer
from stack.settings import load
from stack.settings.load import DEFAULTS
from tests.dashboards.reading import View, every, panels, run
from tests.webhook_actions.report.prometheus import remembering
from webhook_actions.report import Period
from webhook_actions.report.history import History, figures

END = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
HOUR, EVERY, DAYS = 3600, 240, 62  # seconds of an hour, seconds between samples, and days of stored samples
SHOWN = ("P&L", "P&L over time", "Equity over time", "Drawdown over time", "Up", "Win rate", "Sharpe ratio")
DOWN = range(5, 11)  # hours before the end


def samples() -> str:
    """Return a bot's samples until the end; they change on the hour, which both read."""
    end = int(END.timestamp())
    lines = []
    for name, value in (
        ("up", lambda hour: 0 if hour in DOWN else 1),
        ("profit_loss", lambda hour: round(900 * math.sin(hour / 90) - hour, 2)),
        ("equity", lambda hour: round(10_000 + 900 * math.sin(hour / 90) - hour, 2)),
        ("drawdown_ratio", lambda hour: round(0.02 + 0.02 * math.sin(hour / 35), 4)),
        ("win_rate", lambda hour: round(0.5 + 0.1 * math.cos(hour / 50), 4)),
        ("sharpe_ratio", lambda hour: round(1.5 + math.cos(hour / 70), 4)),
    ):
        lines.append(f"# TYPE trading_bot_{name} gauge")
        for at in range(end - DAYS * 86_400, end + 1, EVERY):
            lines.append(f'trading_bot_{name}{{bot="a"}} {value(math.ceil((end - at) / HOUR))} {at}')
    return "\n".join([*lines, "# EOF\n"])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with remembering(tmp_path_factory.mktemp("months"), samples()) as found:
        yield found


def shown(url: str, period: Period) -> dict[str, list[float]]:
    """Return the points that the overview's panels draw of the period, by the panel's title."""
    hours = round(period.seconds / HOUR)
    view = View(END.timestamp(), period.seconds, finest=1, points=hours, chosen={"bot": "a"})
    found: dict[str, list[float]] = {}
    for panel in panels(every(load([DEFAULTS]))["overview"]):
        if panel["title"] in SHOWN:
            [points] = run(url, view, panel, panel["targets"][0]).points.values()
            found[panel["title"]] = points
    return found


@pytest.mark.parametrize("name", ["day", "week", "month"])
def test_a_report_says_what_the_overview_shows_of_the_same_time(url: str, name: str) -> None:
    period = Period.parse(name, END)
    observer = Observer([url], [], 30)
    told = {
        each.name: each.value
        for each in figures(History(observer, "a", period), History(observer, "a", period.before))
    }
    seen = shown(url, period)
    assert len(seen["P&L over time"]) == period.seconds / HOUR + 1
    assert told["P&L"] == pytest.approx(seen["P&L over time"][-1] - seen["P&L over time"][0])
    assert told["P&L since the start"] == pytest.approx(seen["P&L"][-1])
    assert told["Equity"] == pytest.approx(seen["Equity over time"][-1])
    assert told["Deepest drawdown"] == pytest.approx(max(seen["Drawdown over time"]))
    assert told["Win rate since the start"] == pytest.approx(seen["Win rate"][-1])
    assert told["Sharpe ratio"] == pytest.approx(seen["Sharpe ratio"][-1])
    hours_up = sum(seen["Up"][1:]) / (len(seen["Up"]) - 1)
    assert told["Available"] == pytest.approx(hours_up, abs=EVERY / period.seconds)


@pytest.mark.parametrize("name", ["day", "week", "month"])
def test_the_period_before_ends_where_the_period_begins(url: str, name: str) -> None:
    period = Period.parse(name, END)
    observer = Observer([url], [], 30)
    [made, *_] = figures(History(observer, "a", period), History(observer, "a", period.before))
    seen = shown(url, Period(name, period.before.start, END))["P&L over time"]
    middle = seen[round(period.before.seconds / HOUR)]
    assert made.before == pytest.approx(middle - seen[0])
    assert made.value == pytest.approx(seen[-1] - middle)
