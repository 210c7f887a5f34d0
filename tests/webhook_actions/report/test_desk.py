"""A desk's report: the worst bot first, currencies apart, short enough for a chat."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from stack.settings import Settings, load
from stack.settings.load import DEFAULTS
from tests.webhook_actions.report.sample_reports import empty, full
from webhook_actions.report import Report
from webhook_actions.report.desk import Desk, Total, worst_first
from webhook_actions.report.sending import message


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load([DEFAULTS])


def report(bot: str, made: float | None, equity: float | None = 1000.0, currency: str = "USDT") -> Report:
    """Return a report without open incidents of a bot with this profit."""
    known = {"P&L": made, "Equity": equity}
    figures = tuple(
        figure.model_copy(update={"value": known[figure.name]}) if figure.name in known else figure
        for figure in full().figures
    )
    return full().model_copy(update={"bot": bot, "currency": currency, "figures": figures})


def with_open(made: Report, severity: str = "critical") -> Report:
    still = full().incidents[0].model_copy(update={"closed_at": None, "severity": severity})
    return made.model_copy(update={"incidents": (still,)})


def test_the_bot_with_the_largest_loss_ratio_comes_first() -> None:
    small = report("small", -50.0, equity=50.0)  # half of what it had
    large = report("large", -90.0, equity=9_910.0)
    won = report("won", 500.0)
    assert [one.bot for one in worst_first([won, large, small])] == ["small", "large", "won"]


def test_unknown_comes_before_known_and_open_incidents_before_all() -> None:
    lost, unknown = report("lost", -900.0), report("unknown", None)
    critical, warned = with_open(report("open", 500.0)), with_open(report("warned", 900.0), "warning")
    ordered = [one.bot for one in worst_first([warned, lost, critical, unknown])]
    assert ordered == ["open", "unknown", "lost", "warned"]


@pytest.mark.parametrize(("made", "equity"), [(-5.0, None), (-5.0, -5.0), (-5.0, -10.0)])
def test_a_loss_of_an_unknown_ratio_comes_before_every_known_gain(made: float, equity: float | None) -> None:
    first, _ = worst_first([report("won", 0.1), report("lost", made, equity)])
    assert first.bot == "lost"


def test_the_order_does_not_depend_on_the_order_before() -> None:
    reports = [report(f"bot{n}", 7.0 * n - 30) for n in range(10)]
    mixed = random.Random(3).sample(reports, len(reports))
    assert worst_first(mixed) == worst_first(reports)


def test_money_of_two_currencies_is_not_added_up() -> None:
    desk = Desk([report("a", 0.1), report("b", 0.2), report("c", None), report("d", -1.0, None, "EUR")], 10)
    assert desk.totals == [Total("USDT", pytest.approx(0.3), 3, 1), Total("EUR", -1.0, 1, 0)]
    assert desk.made == "+0.30 USDT, 1 of 3 bots not known; \N{MINUS SIGN}1.00 EUR"


def test_a_currency_of_which_nothing_is_known_is_not_zero() -> None:
    desk = Desk([report("a", 1.0), report("b", None, None, "EUR")], 10)
    assert desk.made == "+1.00 USDT; \u2013 EUR, 1 of 1 bots not known"
    assert [desk.tone(total) for total in desk.totals] == ["won", ""]


def test_a_gain_of_which_a_part_is_not_known_is_not_green() -> None:
    [total] = Desk([report("a", 1.0), report("b", None)], 10).totals
    assert Desk([report("a", 1.0), report("b", None)], 10).tone(total) == ""
    [total] = Desk([report("a", -1.0), report("b", None)], 10).totals
    assert Desk([report("a", -1.0), report("b", None)], 10).tone(total) == "lost"


def test_an_incident_of_several_bots_is_listed_once() -> None:
    desk = Desk([with_open(report("a", 1.0)), with_open(report("b", 2.0))], 10)
    assert desk.status == f"still open: {full().incidents[0].summary}"


@pytest.mark.parametrize("count", [2, 12, 200])
def test_a_chat_can_carry_the_text_of_any_number_of_bots(settings: Settings, count: int) -> None:
    said = Desk([report(f"bot-{n:03}", float(n)) for n in range(count)], 10).text()
    assert len(said) <= 1000
    assert "bot-000: +0.00 USDT" in said
    lines = sum(line.startswith("bot-") for line in said.splitlines())
    assert lines == count or f"{count - lines} more in the file" in said


def test_one_mail_has_all_bots_and_a_page_of_each_of_the_worst(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"reports": settings.reports.model_copy(update={"sent": 2})})
    ghost = empty().model_copy(update={"period": "week"})
    told = message(settings, [report("a", 5.0), report("b", -7.0), report("c", 1.0), ghost])
    assert told.subject.startswith("Weekly report: 4 bots, 2026-11-25: \N{MINUS SIGN}1.00 USDT")
    assert told.html is not None
    for bot in ("a", "b", "c", "ghost"):
        assert f">{bot}</a>" in told.html or f"<td>{bot}" in told.html
    assert [f"Weekly report: {bot}" in told.html for bot in "abc"] == [False, True, False]
    assert {image.name for image in told.images} == {
        f"1-{name}.png" for name in ("equity", "drawdown", "trades", "symbols")
    }
    assert all(f'src="cid:{image.cid}"' in told.html for image in told.images)
    [paper] = told.files
    assert paper.name == "desk-week-2026-11-25.pdf"
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (apt install poppler-utils)")
    (tmp_path / "desk.pdf").write_bytes(paper.content)
    read = ["pdftotext", "-layout", tmp_path / "desk.pdf", "-"]
    pages = subprocess.run(read, capture_output=True, text=True, check=True).stdout.split("\f")
    assert all(bot in pages[0] for bot in ("a ", "b ", "c ", "ghost"))
    assert [any(f"report: {bot}" in page for page in pages[1:]) for bot in "abc"] == [False, True, False]


def test_the_report_of_one_bot_is_not_a_desk(settings: Settings) -> None:
    told = message(settings, [full()])
    assert told.subject == "Weekly report: momentum, 2026-11-25: +742.16 USDT"
    assert "the worst first" not in (told.html or "")


def test_a_desk_says_once_what_was_done_to_all_bots_and_how_soon_people_answered() -> None:
    said = Desk([report("a", 1.0), report("b", 2.0)], 10).text()
    did = "8 times: 4 proven to have helped, 2 not proven to, 2 without a proof"
    assert said.count(f"Done: restart_bot {did}") == 1
    assert said.count("Answered, critical: 5 of 7 within 5.0 m, half of them in 1.8 m") == 1
