"""A report is right in every form: nothing comes from other sites, no unknown figure seems known."""

import base64
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stack.settings import Settings, load
from stack.settings.load import DEFAULTS
from tests.webhook_actions.report.sample_reports import empty, full
from webhook_actions.report import Report
from webhook_actions.report.html import html, page
from webhook_actions.report.model import Open
from webhook_actions.report.pdf import pdf
from webhook_actions.report.words import Words, text

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load([DEFAULTS])


class Read(HTMLParser):
    """A page's text, and the addresses of its links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.sources, self.links = "", [], []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [given["href"]] if tag == "a" else []
        self.sources += [given[name] for name in ("src", "background") if name in given]

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def test_the_page_holds_its_charts_and_loads_nothing(settings: Settings) -> None:
    read = Read(page(settings, full()))
    assert len(read.sources) == 4
    for source in read.sources:
        kind, _, content = source.partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(content).startswith(PNG)
    assert not re.search(r"@import|url\(", page(settings, full()))
    assert all(link.startswith("http://127.0.0.1:") for link in read.links)


def test_every_figure_is_on_the_page_with_the_one_before(settings: Settings) -> None:
    words = Read(page(settings, full())).text
    for part in (
        "Weekly report: momentum",
        "Wed 18 Nov 2026 20:00 – Wed 25 Nov 2026 20:00, Europe/Berlin",
        "+742.16 USDT",
        "\u2212103.40",
        "Deepest drawdown",
        "4.3%",
        "momentum is down: <no sign of life>",
        "restart_bot: proven to have helped",
        "Review error logs, since the share of failed calls was above 2.0%: 3.1%",
        "at most 1.0 s",
        "missed",
        "met 61.0% of the time, not now",
        "Performance score 77.4%",
        "fading, by 1,240 live trades",
        "\u22120.042%",
        "0.231%",
    ):
        assert part in words, part


def test_an_unknown_figure_is_a_dash_and_never_a_zero(settings: Settings) -> None:
    read = Read(page(settings, empty()))
    assert read.sources == []
    assert "all but its trades is unknown" in read.text
    assert not re.search(r"\b0(\.0+)?\b", re.sub(r"\d\d:\d\d|\d{4}", "", read.text.split("}")[-1]))
    assert "P&L: – EUR" in text(empty())


@pytest.mark.parametrize("report", [full(), empty()], ids=["full", "empty"])
def test_a_chat_can_carry_the_text_below_a_file(report: Report) -> None:
    assert len(text(report)) <= 1024


def test_a_report_says_of_which_period_it_is_and_how_it_stood_at_its_end(settings: Settings) -> None:
    report, [ended] = full(), full().incidents
    bot = (
        "paused, 2 open positions, 1 without a known stop; halted since Wed 18 Nov 2026 21:00: critical loss"
    )
    assert f"{Words(report).span}\nStatus: {bot}; no incident is open" in text(report)
    still = report.model_copy(update={"incidents": (ended.model_copy(update={"closed_at": None}),)})
    assert f"Status: {bot}; still open: {ended.summary}" in text(still)
    shown = Read(html(settings, report, {})).text
    assert f"Status: {bot}" in shown
    rows = [
        "BTC/USDT long",
        "1,200.00",
        "\u221212.50",
        "no known stop",
        "ETH/USDT short",
        "+4.00",
        "has a stop",
    ]
    assert [part for part in rows if part not in shown] == []


@pytest.mark.parametrize(
    ("positions", "said"),
    [
        (None, "open positions not known"),
        ((), "no open positions"),
        ((Open(symbol="BTC/USDT"),), "1 open position"),
    ],
)
def test_positions_that_are_not_known_are_not_none(
    positions: tuple[Open, ...] | None, said: str, settings: Settings
) -> None:
    report = empty().model_copy(update={"state": "down", "positions": positions})
    assert f"Status: down, {said}; no incident is open" in text(report)
    assert ("Open positions" in html(settings, report, {})) is bool(positions)


def test_a_report_that_an_earlier_release_kept_says_only_what_it_knows() -> None:
    assert "Status: no incident is open" in text(empty())


def test_live_trades_stand_beside_their_reference_wherever_a_bot_has_one(settings: Settings) -> None:
    assert "Live against backtest: fading, by 1,240 live trades" in text(full()).splitlines()
    assert "Live against backtest" not in text(empty()) + page(settings, empty())


def test_every_suggestion_is_named(settings: Settings) -> None:
    [first] = full().proposals
    second = first.model_copy(update={"action": "reduce_position_sizes", "priority": "high"})
    both = full().model_copy(update={"proposals": (second, first)})
    for shown in (text(both), Read(html(settings, both, {})).text):
        assert "Reduce position sizes, since" in shown
        assert "Review error logs, since" in shown


def test_a_report_says_how_soon_people_answered_against_what_is_wanted(settings: Settings) -> None:
    assert "Answered, critical: 3 of 4 within 5.0 m, half of them in 1.6 m" in text(full())
    shown = html(settings, full(), {})
    assert "How soon people answered" in shown
    assert "; answered after 1.6 m" in shown
    assert "How soon people answered" not in html(settings, empty(), {})
    unanswered = full().incidents[0].model_copy(update={"answered_after": None})
    shown = html(settings, full().model_copy(update={"incidents": (unanswered,)}), {})
    assert "; nobody answered" in shown


def test_a_report_says_what_was_done_whether_it_helped_and_who_was_woken(settings: Settings) -> None:
    did = "4 times: 2 proven to have helped, 1 not proven to, 1 without a proof"
    assert f"Done: restart_bot {did}" in text(full())
    assert "Calls and SMS, all bots: 1 call, 3 SMS, 2 of them at night" in text(full())
    assert did in html(settings, full(), {})
    assert "What Nightdesk did" not in html(settings, empty(), {})


@pytest.mark.parametrize(("report", "pages"), [(full(), range(2, 5)), (empty(), range(1, 2))])
def test_the_pdf_has_its_pages_and_its_figures(
    settings: Settings, report: Report, pages: range, tmp_path: Path
) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (apt install poppler-utils)")
    (tmp_path / "report.pdf").write_bytes(pdf(settings, report))
    told = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "report.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    assert told.count("\f") in pages
    assert report.bot in told
    for figure in report.figures:
        assert figure.name in told
    if report.known_from:
        assert "+742.16 USDT" in told
        assert "restart_bot: proven to have helped" in told


def test_names_that_look_like_markup_are_only_names(settings: Settings) -> None:
    odd = full().model_copy(update={"bot": "<script>x</script> & 机器人"})
    assert "<script>x" not in page(settings, odd)
    assert pdf(settings, odd).startswith(b"%PDF-")
