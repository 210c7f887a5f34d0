"""Columns and heat map count the trades closed since Prometheus saw the bot, not earlier ones."""

from collections.abc import Mapping

import pytest

from tests.dashboards.conftest import serving, settings_of
from tests.dashboards.reading import Reading, View, every, panels, run

DAY, HOUR, SCRAPE = 86_400, 3600, 60
MIDNIGHT = 19_675 * DAY
SEEN = MIDNIGHT + 9 * HOUR  # when Prometheus began
NOON = MIDNIGHT + 12 * HOUR


def counted(bot: str, symbol: str, counts: Mapping[int, int]) -> dict[str, list[tuple[int, float]]]:
    """Return a bot's counter that has each count from its time on."""
    name = f'trading_bot_trades_total{{bot="{bot}",outcome="won",side="long",symbol="{symbol}"}}'
    times = range(min(counts), NOON + 1, SCRAPE)
    return {name: [(at, counts[max(since for since in counts if since <= at)]) for at in times]}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reading]:
    """Return the values of the dashboards' trade panels at noon."""
    folder = tmp_path_factory.mktemp("trades")
    away = range(SEEN + 1800, SEEN + 2400)
    samples = {
        f'trading_bot_up{{bot="{bot}"}}': [
            (at, float(bot != "back" or at not in away)) for at in range(begin, NOON + 1, SCRAPE)
        ]
        for bot, begin in (("new", SEEN), ("old", SEEN + 1200), ("back", SEEN))
    }
    samples |= counted("new", "A", {SEEN + 600: 1, SEEN + HOUR + 300: 3, SEEN + 2 * HOUR + 300: 4})
    samples |= counted("new", "B", {SEEN + 2 * HOUR + 600: 2})
    samples |= counted("old", "A", {SEEN + 1200: 500, SEEN + 2 * HOUR + 900: 501})
    ((name, points),) = counted("back", "A", {SEEN: 70, SEEN + HOUR + 900: 71}).items()
    samples[name] = [(at, value) for at, value in points if at not in away]
    built = every(settings_of(folder))
    view = View(NOON, back=DAY)
    with serving(samples, folder) as url:
        return {
            f"{name}: {panel['title']}": run(url, view, panel, panel["targets"][0])
            for name in ("activity", "performance")
            for panel in panels(built[name])
        }


def test_an_hours_column_has_a_bots_first_trades_and_not_its_past(shown: dict[str, Reading]) -> None:
    (points,) = shown["activity: Trades per hour by outcome"].points.values()
    assert [round(point) for point in points] == [1, 3, 4]


def test_todays_column_is_the_sum_of_its_hours(shown: dict[str, Reading]) -> None:
    assert shown["performance: Trades per day"].by("bot") == {"new": 6, "old": 1, "back": 1}
    assert shown["activity: Trades per day by side"].only() == 8


def test_the_heat_map_has_each_hour_in_its_row(shown: dict[str, Reading]) -> None:
    assert shown["activity: Activity by hour of day"].by("hour") == {"09": 1, "10": 3, "11": 4}
