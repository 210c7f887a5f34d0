"""A report's queries to a real Prometheus, at the edges of the known time of a fixed day."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from clients.observer import Observer
from tests.webhook_actions.report.prometheus import remembering
from webhook_actions.report import standing
from webhook_actions.report.charts import unbroken
from webhook_actions.report.edge import edge
from webhook_actions.report.history import History
from webhook_actions.report.model import Edge, Open
from webhook_actions.report.period import Period

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
BEGAN = MIDNIGHT + timedelta(hours=10, milliseconds=678)  # the first scrape, at a fraction of a second
OUTAGE = (180, 300)  # later minutes without scrapes
MINUTES = 480
STOOD = BEGAN + timedelta(minutes=MINUTES)


def samples() -> str:
    """Return a bot's samples, one a minute: its P&L is the minutes since its begin."""
    lines = []
    for name, value in (("up", lambda minute: 1), ("profit_loss", float), ("equity", lambda m: 1000.0 + m)):
        lines.append(f"# TYPE trading_bot_{name} gauge")
        for minute in range(MINUTES):
            if not OUTAGE[0] <= minute < OUTAGE[1]:
                at = (BEGAN + timedelta(minutes=minute)).timestamp()
                lines.append(f'trading_bot_{name}{{bot="a"}} {value(minute)} {at:.3f}')
    return "\n".join([*lines, *standings(), "# EOF\n"])


def standings() -> list[str]:
    """Return the last samples of a bot with a position, of one that is down and of a flat one."""
    at = f"{STOOD.timestamp():.3f}"
    found = []
    for name, labels, value in (
        ("current_exposure", 'bot="flat"', 0),
        ("active_positions", 'bot="held",symbol="BTC"', 1),
        ("active_positions", 'bot="held",symbol="ETH"', 0),
        ("active_positions", 'bot="held",symbol="SOL"', 2),
        ("position_profit", 'bot="held",symbol="BTC",side="short"', -3),
        ("position_unprotected", 'bot="held",symbol="BTC",side="short"', 1),
        ("position_value", 'bot="held",symbol="BTC",side="short"', 250),
        ("edge_trades", 'bot="held"', 140),
        ("edge_fading", 'bot="held"', 1),
        ("edge_gone", 'bot="held"', 0),
        ("edge_win_rate", 'bot="held",of="live"', 0.5),
        ("edge_win_rate", 'bot="held",of="reference"', 0.6),
        ("edge_fee_ratio", 'bot="held",of="live"', 0.001),
        ("edge_trades", 'bot="flat"', 9),
        ("edge_fading", 'bot="flat"', 0),
        ("edge_gone", 'bot="flat"', 0),
        ("state", 'bot="held",state="paused"', 1),
        ("state", 'bot="held",state="running"', 0),
        ("up", 'bot="down"', 0),
        ("up", 'bot="flat"', 1),
        ("up", 'bot="held"', 1),
    ):
        found.append(f"trading_bot_{name}{{{labels}}} {value} {at}")
    return found


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observer]:
    with remembering(tmp_path_factory.mktemp("past"), samples()) as url:
        yield Observer([url], [], 10)


def history(past: Observer, end: datetime, period: str = "day") -> History:
    return History(past, "a", Period.parse(period, end))


@pytest.mark.parametrize("name", ["day", "week", "month"])
@pytest.mark.parametrize("after", [1, 59, 60, 61, 90, 600, 6000])
def test_a_bot_is_known_from_its_first_sample_however_short_ago(
    past: Observer, after: int, name: str
) -> None:
    seen = history(past, BEGAN + timedelta(seconds=after), name)
    assert seen.known_from() == pytest.approx(BEGAN.timestamp(), abs=1)


def test_a_bot_that_was_seen_before_the_period_is_known_from_its_begin(past: Observer) -> None:
    seen = history(past, BEGAN + timedelta(days=1, minutes=30))
    assert seen.known_from() == pytest.approx(seen.period.start.timestamp(), abs=61)


def test_a_bot_is_not_known_before_its_first_sample(past: Observer) -> None:
    assert history(past, BEGAN - timedelta(seconds=1)).known_from() is None


@pytest.mark.parametrize("minutes", [1, 30, 170])
def test_profit_is_counted_from_the_first_sample_on(past: Observer, minutes: int) -> None:
    made = history(past, BEGAN + timedelta(minutes=minutes, seconds=5)).made()
    assert made == pytest.approx(minutes, abs=0.1)


@pytest.mark.parametrize("fraction", [0, 0.001, 0.4, 0.678, 0.999])
def test_profit_of_a_period_that_begins_at_a_fraction_of_a_second_is_known(
    past: Observer, fraction: float
) -> None:
    end = BEGAN.replace(microsecond=round(fraction * 1e6)) + timedelta(days=1, minutes=60)
    seen = history(past, end)
    assert seen.made() == pytest.approx(MINUTES - 1 - 60, abs=1)


def test_a_line_is_not_drawn_through_an_outage(past: Observer) -> None:
    seen = history(past, BEGAN + timedelta(minutes=MINUTES))
    pieces = unbroken(seen.line("equity"))
    assert len(pieces) == 2
    resumes = (BEGAN + timedelta(minutes=OUTAGE[1])).timestamp()
    assert pieces[1][0][0] == pytest.approx(resumes, abs=200)
    # Prometheus still answers for five minutes; these samples do not belong to the outage.
    assert pieces[0][-1][0] < (BEGAN + timedelta(minutes=OUTAGE[0] + 6)).timestamp()


def test_a_line_of_few_points_is_one_piece(past: Observer) -> None:
    points = history(past, BEGAN + timedelta(minutes=30)).line("equity")
    assert len(unbroken(points)) == 1
    assert unbroken(points[:1]) == (points[:1],)
    assert unbroken(()) == ()


def test_a_bots_final_state_is_its_last_before_the_end(past: Observer) -> None:
    end = STOOD + timedelta(minutes=1)
    held, down, flat, gone = (
        History(past, bot, Period.parse("day", end)) for bot in ("held", "down", "flat", "gone")
    )
    assert [standing.state(each) for each in (held, down, flat, gone)] == ["paused", "down", "up", "unknown"]
    assert standing.positions(held) == (
        Open(symbol="BTC", side="short", value=250.0, profit=-3.0, unprotected=True),
        Open(symbol="SOL"),
    )
    assert standing.positions(flat) == ()
    assert standing.positions(down) is None
    assert standing.positions(gone) is None


def test_a_state_long_before_the_end_is_not_the_final_state(past: Observer) -> None:
    late = History(past, "held", Period.parse("day", STOOD + timedelta(hours=1)))
    assert standing.state(late) == "unknown"
    assert standing.positions(late) is None


def test_live_trades_are_told_beside_their_reference_of_bots_that_have_one(past: Observer) -> None:
    def of(bot: str) -> Edge | None:
        return edge(History(past, bot, Period.parse("day", STOOD + timedelta(seconds=30))))

    assert of("down") is None
    calm, held = of("flat"), of("held")
    assert calm is not None
    assert (calm.verdict, calm.trades) == ("intact", 9)
    assert held is not None
    assert held.verdict == "fading"
    told = {one.name: (one.live, one.reference) for one in held.figures}
    assert told["Win rate"] == (0.5, 0.6)
    assert told["Fees"] == (0.001, None)
    assert told["Expectancy"] == (None, None)
