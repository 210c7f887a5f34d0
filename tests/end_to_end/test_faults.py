"""Every fault of the demo bot in `nightdesk up`: the actions, the people notified, and their answers."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from stack.settings import load
from tests.conftest import binary, eventually, free_port
from tests.end_to_end.conftest import PROGRAMS, ROOT, SPEED, Stack
from tests.freqtrade_replay import Recording
from tests.webhook_actions.chromium import Browser
from tests.webhook_actions.escalation.fakes import ACCOUNT, TWILIO_TOKEN, Fakes
from tests.webhook_actions.escalation.harness import Mailbox

CAPITAL = 10_000.0  # of the demo bot
FILLS = 3  # from which slippage is judged
ADMINISTRATOR = "+15550000010"


@dataclass(frozen=True)
class Desk(Stack):
    """The stack, the mailbox and the telephones of the people behind it."""

    mailbox: Mailbox
    fakes: Fakes

    def fault(self, name: str, **arguments: float) -> None:
        """Switch a fault on."""
        token = self.settings.demo.token_file.read_text().strip()
        url = f"{self.settings.services.demo_bot.url}/api/v1/faults/{name}"
        headers = {"Authorization": f"Bearer {token}"}
        requests.post(url, json=arguments, headers=headers, timeout=10).raise_for_status()

    def acted(self, alert: str, action: str) -> dict[str, Any] | None:
        """Return an incident of an alert for which an action ran."""
        found = self.incidents(f"TradingBot{alert}", "demo")
        return next((one for one in found if action in [step["action"] for step in one["runs"]]), None)

    def verdicts(self, alert: str, action: str) -> list[str]:
        """Return the verdicts on an action for an alert."""
        found = self.incidents(f"TradingBot{alert}", "demo")
        return [step["verdict"] for one in found for step in one["runs"] if step["action"] == action]

    def mails(self) -> list[str]:
        """Return the texts of all mails that were sent."""
        bodies = (mail.get_body(("plain", "html")) for mail in self.mailbox.mails)
        return [str(body.get_content()) for body in bodies if body is not None]

    def is_over(self, alert: str) -> bool:
        """Return whether an alert had incidents, and all are closed."""
        found = self.incidents(f"TradingBot{alert}", "demo")
        return bool(found) and all(one["closed_at"] for one in found)

    def kinds(self, alert: str) -> list[str]:
        """Return the kinds of all lines in the timelines of an alert."""
        found = self.incidents(f"TradingBot{alert}", "demo")
        return [entry["kind"] for one in found for entry in one["timeline"]]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Run `nightdesk up` with mail to a real server and telephones at a fake Twilio."""
    for program in PROGRAMS:
        binary(program)
    directory = tmp_path_factory.mktemp("desk")
    mailbox, fakes = Mailbox(), Fakes()
    (directory / "twilio_token").write_text(TWILIO_TOKEN)
    config = directory / "monitoring.yaml"
    with mailbox.serving() as smtp:
        config.write_text(yaml.safe_dump(_settings(smtp, fakes)))
        options = ["--config", str(config), "--data", str(directory / "data"), "--speed", str(SPEED)]
        log = (directory / "up.log").open("wb")
        up = subprocess.Popen(
            [sys.executable, "-m", "stack.cli", "up", *options], cwd=ROOT, stdout=log, stderr=log
        )
        try:
            made = Desk(config, load([config], speed=SPEED), Recording(now=True), mailbox, fakes)
            eventually(lambda: _sees_demo(made, up, directory), within=90, what="the stack")
            yield made
        finally:
            os.kill(up.pid, signal.SIGINT)
            up.wait(60)
            fakes.close()


def _settings(smtp: int, fakes: Fakes) -> dict[str, Any]:
    twilio = {
        "enabled": True,
        "account": ACCOUNT,
        "token_file": "twilio_token",
        "from": "+15005550006",
        "to": [ADMINISTRATOR],
        "api_url": fakes.url,
    }
    email = {
        "enabled": True,
        "host": "127.0.0.1",
        "port": smtp,
        "starttls": False,
        "from": "desk@example.org",
    }
    names = ("exporter", "demo_bot", "webhook_actions", *PROGRAMS, "grafana")
    return {
        "profile": "experienced",
        "demo": {"enabled": True},
        "services": {name: {"port": free_port()} for name in names},
        "actions": {
            "restart": {"boot": "4s"},
            "armed": ["close_all_positions", "close_risky_positions", "stop_entries"],
        },
        "accounts": {
            "own": {
                "bots": ["demo"],
                "capital": CAPITAL,
                "limits": [{"name": "small", "kind": "maximum", "money": CAPITAL / 20}],
            }
        },
        # A bot that closes a trade every five seconds soon has a history.
        "collection": {"timeout": "500ms", "slippage_recent": "1h"},
        "thresholds": {"warning": {"slippage_fills": FILLS, "slippage_margin": 30}},
        "sla": {"requests_minimum": 1},  # the window is shortened like the others
        "contacts": {"administrator": {"email": ["admin@example.org"], "phone": [ADMINISTRATOR]}},
        "escalation": {
            "levels": [],
            "spent_attempts": {"contact": "administrator", "channels": ["email", "sms"]},
        },
        "channels": {"email": email | {"to": ["owner@example.org"]}, "sms": twilio, "phone": twilio},
    }


def _sees_demo(desk: Desk, up: subprocess.Popen[bytes], directory: Path) -> bool:
    assert up.poll() is None, (directory / "up.log").read_text()
    try:
        engine = requests.get(f"{desk.settings.services.webhook_actions.url}/healthz", timeout=10)
        return engine.ok and len(desk.query("trading_bot_up == 1")) == 1
    except requests.RequestException:
        return False


@pytest.mark.timeout(600)
def test_worse_fills_than_before_are_reported_and_investigated(desk: Desk) -> None:
    # The last one: after a critical loss the bot is halted, and no longer trades.
    past = 'min(trading_bot_slippage_fills{span="before"})'
    eventually(lambda: (desk.value(past) or 0) >= FILLS, within=240, what="a past of the fills")
    assert desk.acted("SlippageHigh", "check_market_conditions") is None
    desk.fault("worse_fills", basis_points=300)
    try:
        eventually(
            lambda: desk.acted("SlippageHigh", "check_market_conditions"), within=120, what="the action"
        )
        [cost] = desk.query('trading_bot_slippage_cost{window="day"}')
        assert cost[1] > 0
    finally:
        desk.demo("DELETE", "faults/worse_fills")


@pytest.mark.timeout(600)
def test_positions_in_danger_are_reported_and_acted_on_until_the_danger_is_over(desk: Desk) -> None:
    for fault in ("unprotected", "funding_drain", "stuck_orders"):
        desk.fault(fault)
    bare = "TradingBotPositionUnprotected"
    eventually(lambda: desk.incidents(bare, "demo"), within=120, what="the alert of a bare position")
    eventually(lambda: any("without a known stop" in text for text in desk.mails()), within=60, what="a mail")
    assert desk.demo("DELETE", "faults/unprotected").ok
    eventually(lambda: desk.is_over("PositionUnprotected"), within=120, what="its end, by a stop")
    eventually(
        lambda: desk.acted("FundingDrain", "review_strategy"), within=120, what="a look at the funding"
    )
    eventually(
        lambda: "verified" in desk.verdicts("OrderStuck", "retry_connection"),
        within=120,
        what="filled orders",
    )
    desk.fault("liquidation_near")
    eventually(
        lambda: "verified" in desk.verdicts("LiquidationNear", "close_risky_positions"),
        within=120,
        what="the close of what was near its liquidation",
    )
    eventually(lambda: desk.is_over("LiquidationNear"), within=120, what="the end of the danger")


@pytest.mark.parametrize(
    ("fault", "arguments", "alerts", "action", "proven"),
    [
        ("api_errors", {}, ("ApiErrorRate",), "switch_api_endpoint", True),
        ("stale_data", {}, ("DataStale", "DataStaleWarning"), "retry_connection", True),
        ("slow_api", {"seconds": 3}, ("ApiResponseTimeHigh",), "optimize_connections", True),
        ("drift", {}, ("ModelDrift",), "retrain_model", True),
        ("log_errors", {"per_second": 20}, ("LogErrorBurst",), "review_error_logs", False),
        ("loop_hang", {}, ("LoopHung",), "restart_bot", True),
        ("hang", {}, ("Down",), "restart_bot", True),
        ("drawdown", {"ratio": 0.06}, ("LossLimit",), "stop_entries", True),
        ("drawdown", {}, ("CriticalLoss",), "close_all_positions", True),
    ],
)
def test_a_fault_leads_to_its_action_and_that_is_proven_or_a_person_hears(
    desk: Desk, fault: str, arguments: dict[str, float], alerts: tuple[str, ...], action: str, proven: bool
) -> None:
    desk.fault(fault, **arguments)
    try:
        eventually(lambda: any(desk.acted(alert, action) for alert in alerts), within=120, what=action)
        if proven:
            eventually(
                lambda: any("verified" in desk.verdicts(alert, action) for alert in alerts),
                within=120,
                what="the proof",
            )
        else:
            eventually(
                lambda: any("escalated" in desk.kinds(alert) for alert in alerts), within=120, what="a call"
            )
    finally:
        desk.demo("DELETE", f"faults/{fault}")


@pytest.mark.timeout(600)
def test_a_bot_that_stays_down_rings_and_is_answered_by_the_mails_link_and_on_the_page(
    desk: Desk, tmp_path: Path
) -> None:
    assert desk.demo("POST", "faults/stay_down").ok
    assert desk.demo("POST", "faults/crash").ok

    def handed_over() -> dict[str, Any] | None:
        return next((one for one in desk.incidents("TradingBotDown", "demo") if one["handed_over_at"]), None)

    incident = eventually(handed_over, within=240, what="giving up")
    eventually(lambda: _spent(desk.fakes.texts("sms")), within=30, what="an SMS over Twilio")
    assert set(desk.fakes.to("sms")) == {ADMINISTRATOR}

    def link() -> str | None:
        to_admin = [number for number, to in enumerate(desk.mailbox.to()) if to == "admin@example.org"]
        told = [text for text in map(desk.mailbox.text, to_admin) if "restart_bot" in text and "Down" in text]
        found = re.search(r"Look and acknowledge: (\S+/i/\S+)", told[-1]) if told else None
        return found[1] if found else None

    with Browser(tmp_path / "chromium") as browser:
        browser.go(eventually(link, within=30, what="a mail with a link"))
        browser.click("button.main")
        eventually(
            lambda: "acknowledged" in _timeline(desk, incident["id"]), what="the acknowledgement by mail"
        )
        other = desk.incidents("TradingBotCriticalLoss", "demo")[-1]
        browser.go(desk.settings.services.webhook_actions.url + "/")
        browser.fill("#name", "anna")
        browser.fill("#secret", desk.settings.webhook_actions.tokens.act_file.read_text().strip())
        browser.click("button.main")
        browser.reads("Log out")
        browser.click(f"#incident-{other['id']} button.main")
        eventually(
            lambda: "acknowledged" in _timeline(desk, other["id"]), what="the acknowledgement on the page"
        )


def _spent(texts: list[str]) -> bool:
    return any("demo" in text for text in texts)


def _timeline(desk: Desk, incident: int) -> list[str]:
    every = desk.incidents("TradingBotDown", "demo") + desk.incidents("TradingBotCriticalLoss", "demo")
    return [entry["kind"] for one in every if one["id"] == incident for entry in one["timeline"]]
