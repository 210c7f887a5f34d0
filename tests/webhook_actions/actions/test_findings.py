"""The findings of the reviewing actions, on a real bot with a real exporter, Prometheus and endpoints."""

import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from clients.observer import Endpoint, Observer
from stack.settings import FreqtradeBot
from tests.conftest import eventually, free_port
from tests.freqtrade_replay import PASSWORD, USER, Recording, serve
from tests.webhook_actions.actions.conftest import Watched
from webhook_actions.actions import Effect, load_actions
from webhook_actions.bots import BotControl
from webhook_actions.bots.freqtrade import FreqtradeAdapter
from webhook_actions.findings import LONGEST, as_text, message, span
from webhook_actions.outcome import Result
from webhook_actions.report.compute import Reporter
from webhook_actions.store.incidents import Incident

Make = Callable[..., Incident]
ACTIONS = load_actions()
LOOKING = sorted(name for name, each in ACTIONS.items() if each.effect is Effect.OBSERVE)
ASKING = sorted(
    {
        "check_market_conditions", "review_strategy", "review_error_logs", "review_entry_conditions",
        "generate_report", "generate_weekly_report",
    }
)  # fmt: skip


def found(demo: Watched, incident: Make, name: str, bot: str = "demo") -> str:
    outcome = ACTIONS[name].run(demo.control(bot), incident(bot=bot))
    assert outcome.done, outcome
    assert 0 < len(outcome.detail) <= LONGEST
    return outcome.detail


def traded(demo: Watched) -> None:
    """Wait until trades, lost ones among them, are in Prometheus."""
    lost = 'sum(trading_bot_trades_total{bot="$bot",outcome="lost"})'
    eventually(lambda: (demo.value(lost) or 0) > 2, within=40, what="lost trades")


def known(demo: Watched, *metrics: str) -> None:
    """Wait until Prometheus has a value of each of these metrics of the demo bot."""
    for metric in metrics:
        eventually(
            lambda name=metric: demo.value(f'sum({name}{{bot="$bot"}})') is not None, within=60, what=metric
        )


@contextmanager
def answering(status: int = 200, delay: float = 0, certificate: Path | None = None) -> Iterator[int]:
    """Serve an endpoint on loopback; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sleep(delay)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a key and a self-signed certificate for localhost, in one file."""
    both = tmp_path / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, *names, "-keyout", both, "-out", both], check=True, capture_output=True)
    return both


def with_endpoints(demo: Watched, *endpoints: tuple[str, str]) -> BotControl:
    prometheus = demo.settings.services.prometheus.url
    observer = Observer([prometheus], [Endpoint(name, url) for name, url in endpoints], 1)
    return replace(demo.control(), observer=observer)


def test_losing_trades_are_analysed_by_symbol_side_hour_and_holding_time(
    demo: Watched, incident: Make
) -> None:
    traded(demo)
    text = found(demo, incident, "analyze_losing_trades")
    trades = demo.bot.trades()
    counted = re.match(r"last (\d+) trades: (\d+) won \+[\d,.]+, (\d+) lost -[\d,.]+, win rate", text)
    assert counted, text
    assert len(trades) - 5 <= int(counted[1]) <= len(trades)
    for line in (
        "by symbol: ",
        "by side: ",
        "by hour of closing, UTC: ",
        "by holding time: ",
        "held on average: ",
    ):
        assert f"\n{line}" in text
    assert "largest loss: " in text


def test_the_trades_of_a_freqtrade_are_analysed_too(demo: Watched, incident: Make, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    recording = Recording()
    with serve(recording) as url:
        access = FreqtradeBot(type="freqtrade", url=url, username=USER, password_file=tmp_path / "password")
        bot = replace(demo.control(), adapter=FreqtradeAdapter(access, 2, lambda: None))
        text = ACTIONS["analyze_losing_trades"].run(bot, incident()).detail
    lost = [t for t in recording.trades if t["profit_abs"] < 0]
    assert f"last {len(recording.trades)} trades: " in text
    assert f"{len(lost)} lost {sum(t['profit_abs'] for t in lost):+,.2f}" in text
    worst = min(lost, key=lambda trade: trade["profit_abs"])
    assert f"largest loss: {worst['pair']} long {worst['profit_abs']:+,.2f}" in text


def test_a_bot_that_cannot_be_asked_is_analysed_from_its_counters(demo: Watched, incident: Make) -> None:
    traded(demo)
    bot = replace(demo.control(), adapter=demo.control("quiet").adapter)

    def analysed() -> str | None:
        detail = ACTIONS["analyze_losing_trades"].run(bot, incident()).detail
        return (
            detail if "by hour" in detail else None
        )  # the losses of an hour need a counter that rose in that hour

    text = eventually(analysed, within=60, what="a loss between two scrapes")
    assert text.startswith("its trades are unknown: it has no API")
    assert re.search(r"\n\w+/\w+ (long|short): \d+ of \d+ lost", text), text
    assert re.search(r"\nlost by hour of the day, UTC, within a week: \d\dh \d+", text), text
    assert "held on average: " in text


def test_the_network_is_measured_step_by_step(demo: Watched, incident: Make, certificate: Path) -> None:
    calls = 'sum(rate(trading_bot_response_time_seconds_bucket{bot="$bot"}[5m]))'
    eventually(lambda: demo.value(calls), within=60, what="calls of the bot, counted twice")
    with ExitStack() as stack:
        good = stack.enter_context(answering())
        broken = stack.enter_context(answering(503))
        unknown = stack.enter_context(answering(certificate=certificate))
        bot = with_endpoints(
            demo,
            ("good", f"http://127.0.0.1:{good}/ping?x=1"),
            ("broken", f"http://127.0.0.1:{broken}/"),
            ("nobody", f"http://127.0.0.1:{free_port()}/"),
            ("self-signed", f"https://localhost:{unknown}/"),
            ("nameless", "http://no-such-host.invalid/"),
        )
        outcome = ACTIONS["check_network"].run(bot, incident())
    assert outcome.done
    lines = dict(line.split(": ", 1) for line in outcome.detail.splitlines()[:5])
    assert re.match(r"200 after .* \(dns .*, tcp .*, http .*\)", lines["good"])
    assert lines["broken"].startswith("503 after")
    assert lines["nobody"].startswith("fails at tcp: ConnectionRefusedError")
    assert lines["self-signed"].startswith("fails at tls: SSLCertVerificationError")
    assert lines["nameless"].startswith("fails at dns: gaierror")
    assert "demo: answers" in outcome.detail
    assert "p95 of its calls" in outcome.detail


def test_a_certificate_that_is_trusted_is_timed_as_a_step_of_its_own(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with answering(certificate=certificate) as port:
        reach = Observer([""], [], 2).reach(Endpoint("tls", f"https://localhost:{port}/"))
    assert reach.healthy, reach
    assert list(reach.seconds) == ["dns", "tcp", "tls", "http"]
    assert all(seconds >= 0 for seconds in reach.seconds.values())


def test_an_endpoint_that_says_nothing_fails_within_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        endpoint = Endpoint("mute", f"http://127.0.0.1:{mute.getsockname()[1]}/")
        reach = Observer([""], [], 0.3).reach(endpoint)
    assert reach.error is not None
    assert reach.error.startswith("tls: TimeoutError") or reach.error.startswith("http: TimeoutError")
    assert not reach.healthy


def test_connections_are_optimised_by_switching_to_the_fastest_healthy_endpoint(
    demo: Watched, incident: Make
) -> None:
    demo.bot.fault("slow_api")
    with answering() as fast, answering(delay=0.4) as slow, answering(500) as broken:
        bot = with_endpoints(
            demo,
            ("slow", f"http://127.0.0.1:{slow}/"),
            ("broken", f"http://127.0.0.1:{broken}/"),
            ("fast", f"http://127.0.0.1:{fast}/api/v3/ping?x=1"),
        )
        outcome = ACTIONS["optimize_connections"].run(bot, incident())
    assert outcome.done
    # A bot could not use the probed address.
    assert outcome.detail.startswith(f"switched to fast: switch_endpoint: now at http://127.0.0.1:{fast}/\n")
    assert re.search(r"\nfast: .*\nslow: .*\nbroken: answered 500$", outcome.detail)
    assert demo.bot.is_on("slow_api") is False


def test_without_a_healthy_endpoint_the_bot_chooses(demo: Watched, incident: Make) -> None:
    demo.bot.fault("slow_api")
    bot = with_endpoints(demo, ("nobody", f"http://127.0.0.1:{free_port()}/"))
    outcome = ACTIONS["optimize_connections"].run(bot, incident())
    assert outcome.done
    assert outcome.detail.startswith("optimize_connections: calls take")
    assert "nobody: tcp: ConnectionRefusedError" in outcome.detail
    assert demo.bot.is_on("slow_api") is False


def test_the_market_report_is_by_symbol_with_the_age_of_the_data(demo: Watched, incident: Make) -> None:
    eventually(lambda: demo.value('trading_bot_market_rsi{bot="$bot"}'), within=40, what="market figures")
    text = found(demo, incident, "check_market_conditions")
    assert re.search(r"^\w+/USDT: volatility [\d.]+% \([\d.]+% over the day\) an hour", text) or re.search(
        r"^\w+/USDT: volatility [\d.]+% an hour \([\d.]+% over the day\)", text
    ), text
    assert "RSI " in text
    assert "oldest feed: " in text
    assert re.search(r"data of \w+: quality [\d.]+", text)


def test_the_strategy_is_reviewed_with_its_models(demo: Watched, incident: Make) -> None:
    traded(demo)
    known(demo, "trading_bot_prediction_confidence", "trading_bot_expectancy")
    text = found(demo, incident, "review_strategy")
    rate = demo.value('trading_bot_win_rate{bot="$bot"}')
    assert rate is not None
    assert re.search(r"^win rate: [\d.]+%", text)
    assert "expectancy of a trade: " in text
    assert re.search(r"model direction: .*confidence [\d.]+%", text)


def test_the_report_says_what_keeps_a_bot_from_entering(demo: Watched, incident: Make) -> None:
    known(demo, "trading_bot_active_positions", "trading_bot_risk_utilization_ratio")
    known(demo, "trading_bot_predictions_per_hour")
    demo.bot.done("pause")
    assert found(demo, incident, "review_entry_conditions").startswith("state: paused; it does not enter\n")
    demo.bot.done("resume")
    text = found(demo, incident, "review_entry_conditions")
    assert text.startswith("state: running; it may enter\n")
    for line in ("open positions: ", "of the exposure that it may have: ", "predictions an hour: "):
        assert f"\n{line}" in text


def test_the_log_is_reviewed_by_what_it_says_and_by_event_with_what_was_usual(
    demo: Watched, incident: Make
) -> None:
    def line(event: str, severity: str, value: float) -> str:
        labels = f'bot="scripted",category="api",event="{event}",severity="{severity}"'
        return f"trading_bot_log_events_total{{{labels}}} {value}"

    def tell(errors: float, warnings: float) -> None:
        demo.scripted[:] = [line("timeout", "ERROR", errors), line("slow", "WARNING", warnings)]
        demo.scripted.append(line("trade", "INFO", 10 * errors))
        demo.scripted.append(f'trading_bot_log_lines_total{{bot="scripted"}} {12 * errors}')
        if errors:
            said = 'bot="scripted",message="order # was rejected: no funds"'
            demo.scripted.append(f"trading_bot_log_messages_total{{{said}}} {errors}")
        seen = 'sum(trading_bot_log_events_total{bot="scripted",event="timeout"})'
        eventually(lambda: demo.value(seen) == errors, what="the counter")

    tell(0, 0)
    tell(40, 5)
    text = found(demo, incident, "review_error_logs", bot="scripted")
    lines = text.splitlines()
    assert lines[0] == "order # was rejected: no funds: 40 within 15 m, 0 in the hour before"
    assert re.match(r"ERROR api timeout: \d\d within 15 m, 0 in the hour before$", lines[1]), text
    assert lines[2].startswith("WARNING api slow: ")
    assert lines[3].startswith("lines of the log within 15 m: ")
    assert len(lines) == 4


@pytest.mark.parametrize("name", ["generate_report", "generate_weekly_report"])
def test_a_report_covers_the_period_of_a_bot(demo: Watched, incident: Make, name: str) -> None:
    traded(demo)
    outcome = ACTIONS[name].run(demo.control(), incident())
    (report,) = outcome.reports
    assert (report.bot, report.period) == ("demo", "day" if name == "generate_report" else "week")
    assert report.figure("Trades").value > 0
    assert re.match(rf"demo, {report.period}: P&L [+-][\d,.]+ USDT \(Nightdesk has seen", outcome.detail)


def test_a_requested_report_ends_now_although_a_summary_was_due_just_before(
    demo: Watched, incident: Make
) -> None:
    now = datetime.now(UTC)
    due = (now - timedelta(minutes=5)).replace(second=0, microsecond=0)
    daily = demo.settings.summaries.daily.model_copy(update={"at": f"{due:%H:%M}"})
    summaries = demo.settings.summaries.model_copy(update={"daily": daily})
    settings = demo.settings.model_copy(update={"summaries": summaries, "timezone": "UTC"})
    bot = replace(demo.control(), reporter=Reporter(settings))
    ends = [
        datetime.fromtimestamp(ACTIONS["generate_report"].run(bot, incident(alert)).reports[0].end, UTC)
        for alert in ("TradingBotDown", "TradingBotDailySummary")
    ]
    assert ends[0] >= now
    assert ends[1] == due


def test_a_summary_that_is_about_no_bot_reports_all_and_the_month(demo: Watched, incident: Make) -> None:
    about = incident("TradingBotMonthlySummary", bot="")
    outcome = ACTIONS["generate_report"].run(demo.control(""), about)
    assert [(report.bot, report.period) for report in outcome.reports] == [
        ("demo", "month"),
        ("quiet", "month"),
    ]
    # The report of a bot that never reported contains no figure as if it were known.
    quiet = outcome.reports[1]
    assert quiet.figure("P&L").value is None
    assert "No trade closed in this period." in quiet.notes


@pytest.mark.parametrize("name", ["log_issue", "log_event", "log_achievement", "notify_admin"])
def test_a_logged_event_has_the_alerts_text(
    demo: Watched, incident: Make, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    annotations = {
        "summary": "demo is full",
        "recommended_actions": "Make room.",
        "runbook_url": "https://x/y",
    }
    about = incident("TradingBotDiskUsageHigh", **annotations)
    with caplog.at_level("INFO", "webhook_actions"):
        outcome = ACTIONS[name].run(demo.control(), about)
    assert outcome.detail.endswith("demo is full\nMake room.\nhttps://x/y")
    assert len(caplog.records) == (0 if name == "notify_admin" else 1)


@pytest.mark.parametrize("name", ASKING)
def test_an_unreachable_prometheus_is_worth_another_look(demo: Watched, incident: Make, name: str) -> None:
    blind = replace(demo.control(), observer=Observer([f"http://127.0.0.1:{free_port()}"], [], 1))
    outcome = ACTIONS[name].run(blind, incident())
    assert outcome.result is Result.RETRY
    assert "Prometheus at http://127.0.0.1" in outcome.detail


@pytest.mark.parametrize("name", LOOKING)
def test_a_report_on_an_unknown_bot_says_so(demo: Watched, incident: Make, name: str) -> None:
    name_of_it = 'a "quoted" \\ name'
    outcome = ACTIONS[name].run(demo.control(name_of_it), incident(bot=name_of_it))
    assert outcome.done
    assert outcome.detail


def test_findings_that_are_too_long_end_with_a_whole_line() -> None:
    text = as_text(f"line {number} {'x' * 90}" for number in range(100))
    assert len(text) <= LONGEST
    assert text.endswith(f"{'x' * 90}\n…")


def test_an_alert_without_annotations_still_has_a_message(incident: Make) -> None:
    assert message(incident()) == "TradingBotDown of demo"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "12 ms"), (2.5, "2.5 s"), (90, "1.5 m"), (5400, "1.5 h"), (129600, "1.5 d")],
)
def test_a_duration_has_a_suitable_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text
