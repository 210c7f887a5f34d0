"""What a report asks of a real Prometheus, at the edges of what that knows of a fixed day."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clients.observer import Observer
from tests.conftest import binary, eventually, free_port
from tests.storage.conftest import answers
from webhook_actions.report.charts import unbroken
from webhook_actions.report.history import History
from webhook_actions.report.period import Period

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
BEGAN = MIDNIGHT + timedelta(hours=10, milliseconds=678)  # the first scrape, at a fraction of a second
OUTAGE = (180, 300)  # minutes after that in which nothing was scraped
MINUTES = 480


def samples() -> str:
    """Return what was scraped of a bot each minute: its P&L is the minutes since it began."""
    lines = []
    for name, value in (("up", lambda minute: 1), ("profit_loss", float), ("equity", lambda m: 1000.0 + m)):
        lines.append(f"# TYPE trading_bot_{name} gauge")
        for minute in range(MINUTES):
            if not OUTAGE[0] <= minute < OUTAGE[1]:
                at = (BEGAN + timedelta(minutes=minute)).timestamp()
                lines.append(f'trading_bot_{name}{{bot="a"}} {value(minute)} {at:.3f}')
    return "\n".join([*lines, "# EOF\n"])


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observer]:
    directory = tmp_path_factory.mktemp("past")
    (directory / "past.om").write_text(samples())
    (directory / "prometheus.yml").write_text("scrape_configs: []\n")
    make = [binary("promtool"), "tsdb", "create-blocks-from", "openmetrics", "past.om", "data"]
    subprocess.run(make, cwd=directory, check=True, capture_output=True)
    port = free_port()
    command: list[str | Path] = [
        binary("prometheus"),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: answers(f"{url}/-/ready"), what="Prometheus")
            yield Observer([url], [], 10)
        finally:
            process.terminate()


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
    # What Prometheus still answers for five minutes is not the outage's.
    assert pieces[0][-1][0] < (BEGAN + timedelta(minutes=OUTAGE[0] + 6)).timestamp()


def test_a_line_of_few_points_is_one_piece(past: Observer) -> None:
    points = history(past, BEGAN + timedelta(minutes=30)).line("equity")
    assert len(unbroken(points)) == 1
    assert unbroken(points[:1]) == (points[:1],)
    assert unbroken(()) == ()
