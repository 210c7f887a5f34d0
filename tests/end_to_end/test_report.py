"""The daily report of a running stack arrives by mail and agrees with the dashboards."""

from email.message import EmailMessage
from typing import Any

import pytest
import requests

from tests.conftest import eventually
from tests.dashboards.reading import View, every, read
from tests.end_to_end.conftest import Stack

# The overview's query for each figure of the report, for one bot.
SHOWN = {
    "P&L since the start": "P&L",
    "Equity": "Equity now",
    "Win rate since the start": "Win rate",
    "Sharpe ratio": "Sharpe ratio",
}


def reported(stack: Stack, path: str) -> requests.Response:
    token = stack.settings.webhook_actions.tokens.read_file.read_text().strip()
    url = f"{stack.settings.services.webhook_actions.url}/api/v1/{path}"
    return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def mails(stack: Stack, subject: str) -> list[EmailMessage]:
    return [mail for mail in stack.mailbox.mails if mail["Subject"].startswith(subject)]


def test_the_daily_report_of_all_bots_arrives_as_one_mail_with_their_charts(stack: Stack) -> None:
    (mail,) = eventually(lambda: mails(stack, "Daily report: 2 bots"), within=240, what="the report")
    images = {part.get_filename() for part in mail.walk() if part.get_content_maintype() == "image"}
    said = mail.get_body(("plain",)).get_content()
    assert {f"{place}-{name}.png" for place in (0, 1) for name in ("equity", "drawdown")} <= images, said
    (paper,) = mail.iter_attachments()
    assert paper.get_payload(decode=True).startswith(b"%PDF-")
    shown = mail.get_body(("html",)).get_content()
    assert all(f"Daily report: {bot}" in shown for bot in ("demo", "recorded"))


def test_a_report_says_what_the_dashboards_say(stack: Stack) -> None:
    eventually(lambda: mails(stack, "Daily report: 2 bots"), within=240, what="the report")
    listed = reported(stack, "reports?bot=recorded").json()[0]
    report = reported(stack, f"reports/{listed['id']}").json()
    figures = {figure["name"]: figure["value"] for figure in report["figures"]}
    url, overview = stack.settings.services.prometheus.url, every(stack.settings)["overview"]
    seen: dict[str, list[Any]] = {}
    for reading in read(url, overview, View(report["end"], chosen={"bot": "recorded"})):
        seen.setdefault(reading.panel, []).extend(reading.values.values())
    for figure, panel in SHOWN.items():
        known = [] if figures[figure] is None else [figures[figure]]
        assert seen.get(panel, []) == pytest.approx(known), figure
    assert figures["Equity"] is not None
    # The trades come from the exporter: their profit is the increase of the counter of money.
    at = {"query": 'max(trading_bot_pnl{bot="recorded",window="total"})', "time": report["end"]}
    total = requests.get(f"{url}/api/v1/query", params=at, timeout=10).json()["data"]["result"][0]["value"]
    answer = reported(stack, "bots/recorded/report?period=month")
    assert answer.ok, answer.text
    month = answer.json()
    closed = {figure["name"]: figure["value"] for figure in month["figures"]}
    assert closed["P&L of closed trades"] == pytest.approx(float(total[1]))
    assert closed["Trades"] == stack.value('sum(trading_bot_trades_total{bot="recorded"})')


@pytest.mark.parametrize(
    ("form", "begins"), [("html", b"<!doctype html>"), ("pdf", b"%PDF-"), ("json", b"{")]
)
def test_a_report_is_computed_when_it_is_asked_for(stack: Stack, form: str, begins: bytes) -> None:
    answer = reported(stack, f"bots/demo/report?period=day&format={form}")
    assert answer.status_code == 200
    assert answer.content.startswith(begins)


def test_what_is_no_bot_and_no_period_is_refused(stack: Stack) -> None:
    assert reported(stack, "bots/nobody/report").status_code == 404
    assert reported(stack, "bots/demo/report?period=year").status_code == 422
    url = f"{stack.settings.services.webhook_actions.url}/api/v1/bots/demo/report"
    assert requests.get(url, timeout=10).status_code == 401


def test_the_exporter_serves_trades_only_to_readers(stack: Stack) -> None:
    url = f"{stack.settings.services.exporter.url}/api/v1/bots/recorded/trades"
    token = stack.settings.webhook_actions.tokens.read_file.read_text().strip()
    assert requests.get(url, timeout=10).status_code == 401
    told = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).json()
    assert (
        told["total"] == len(told["trades"]) == stack.value('sum(trading_bot_trades_total{bot="recorded"})')
    )
    times = [trade["closed_at"] for trade in told["trades"]]
    assert times == sorted(times)
