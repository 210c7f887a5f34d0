"""Counts people's messages while three of twelve bots have a fault each for 23 minutes.

With an answer after eight minutes, and without any.
"""

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from stack.render import ROOT, render
from stack.services import local_services
from stack.settings import Settings, load
from tests.chaos.fleet import wait
from tests.conftest import binary, eventually, free_port
from tests.end_to_end.twelve import BOTS, Twelve
from tests.webhook_actions.escalation.fakes import ACCOUNT, SLACK_PATH, TWILIO_TOKEN, Fakes
from tests.webhook_actions.escalation.harness import Mailbox

SPEED = 30
MINUTE = 60 / SPEED
DOWN, LOSING, FAILING = "bot-03", "bot-05", "bot-08"
ADMINISTRATOR = {"email": ["desk@example.org"], "phone": ["+15550000010"]}
MANAGER = "+15550000020"
# In the order of their start: Prometheus is the last, since a start of three seconds is an outage of 90 here.
_PARTS = ("webhook_actions", "alertmanager", "prometheus")


@dataclass
class Scenario:
    """The bots, the stack that watches them, and the recipients."""

    settings: Settings
    twelve: Twelve
    mailbox: Mailbox
    fakes: Fakes

    def counts(self) -> Counter[str]:
        """Return how many messages the recipients got, by channel."""
        taken = Counter(got.service for got in self.fakes.got)
        return Counter(email=len(self.mailbox.mails)) + taken

    def messages(self) -> list[str]:
        """Return what they got: the subjects of mails, and the texts of the others."""
        return [f"email: {mail['Subject']}" for mail in self.mailbox.mails] + [
            f"{got.service}: {got.text}" for got in self.fakes.got
        ]

    def about_the_well(self) -> list[str]:
        """Return the messages that name a healthy bot."""
        well = re.compile("|".join(name for name in BOTS if name not in (DOWN, LOSING, FAILING)))
        return [text for text in self.messages() if well.search(text)]

    def incidents(self, state: str = "open") -> list[dict[str, Any]]:
        """Return the incidents from the engine's API."""
        token = self.settings.webhook_actions.tokens.read_file.read_text().strip()
        url = f"{self.settings.services.webhook_actions.url}/api/v1/incidents?state={state}"
        answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        return list(answer.json()["incidents"])

    def acknowledge(self, incident: int) -> None:
        """Acknowledge an incident, as its person does."""
        token = self.settings.webhook_actions.tokens.act_file.read_text().strip()
        url = f"{self.settings.services.webhook_actions.url}/api/v1/incidents/{incident}/acknowledge"
        headers = {"Authorization": f"Bearer {token}"}
        requests.post(url, json={"by": "anna"}, headers=headers, timeout=10).raise_for_status()


@contextmanager
def _running(directory: Path, twelve: Twelve) -> Iterator[Scenario]:
    for program in ("prometheus", "alertmanager"):
        binary(program)
    mailbox, fakes = Mailbox(), Fakes()
    (directory / "twilio_token").write_text(TWILIO_TOKEN)
    (directory / "slack_url").write_text(f"{fakes.url}{SLACK_PATH}")
    for name in ("bot", "receive", "read", "act", "reload"):
        (directory / f"{name}_token").write_text(f"{name}-secret")
    config = directory / "monitoring.yaml"
    with ExitStack() as started:
        smtp = started.enter_context(mailbox.serving())
        started.callback(fakes.close)
        config.write_text(yaml.safe_dump(_settings(twelve, smtp, fakes)))
        settings = load([config], speed=SPEED)
        build = directory / "build"
        render(settings, build)
        options = ["--config", str(config), "--port-offset", "0", "--speed", str(SPEED)]
        services = {part.name: part for part in local_services(settings, build, directory, options)}
        for part in (services[name] for name in _PARTS):
            started.enter_context(_process(part.name, list(part.command), directory))
            eventually(lambda url=part.health: _is_well(url), within=90, what=part.name)
        yield Scenario(settings, twelve, mailbox, fakes)


@contextmanager
def _process(name: str, command: list[str], directory: Path) -> Iterator[None]:
    with (directory / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _is_well(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.RequestException:
        return False


def _settings(twelve: Twelve, smtp: int, fakes: Fakes) -> dict[str, Any]:
    twilio = {
        "enabled": True,
        "account": ACCOUNT,
        "token_file": "twilio_token",
        "from": "+15005550006",
        "to": ADMINISTRATOR["phone"],
        "api_url": fakes.url,
    }
    email = {"enabled": True, "host": "127.0.0.1", "port": smtp, "starttls": False}
    names = ("webhook_actions", "prometheus", "alertmanager", "blackbox_exporter", "grafana")
    source = {"type": "http", "token_file": "bot_token"}
    return {
        "profile": "production",
        "bots": {
            name: {"source": source | {"url": f"http://127.0.0.1:{twelve.port}/{name}"}} for name in BOTS
        },
        "services": {name: {"port": free_port()} for name in names} | {"exporter": {"port": twelve.port}},
        "collection": {"timeout": "500ms"},
        # A busy machine skips evaluations that come thirty times as often as usual.
        "alerts": {"RuleEvaluationFailing": {"enabled": False}},
        "webhook_actions": {
            "tokens": {f"{name}_file": f"{name}_token" for name in ("receive", "read", "act", "reload")}
        },
        "contacts": {"administrator": ADMINISTRATOR, "manager": {"phone": [MANAGER]}},
        "channels": {
            "email": email | {"from": "nightdesk@example.org", "to": ADMINISTRATOR["email"]},
            "sms": twilio,
            "phone": twilio,
            "slack": {"enabled": True, "url_file": "slack_url"},
        },
    }


# The most messages by channel. If nobody answers: an SMS for each of two critical alerts minutes apart, one
# call to the stand-in of the emergency contact, and one SMS and one call to the manager, about all three.
ANSWERED = {"email": 12, "slack": 6, "sms": 2, "phone": 2}
UNANSWERED = {"email": 12, "slack": 6, "sms": 3, "phone": 2}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("answers", [True, False], ids=["somebody answers", "nobody answers"])
def test_three_faults_of_twelve_bots_are_a_dozen_mails_and_nobody_hears_of_a_bot_that_is_well(
    tmp_path: Path, answers: bool
) -> None:
    twelve = Twelve(calls=40)
    for bot in twelve.bots.values():
        bot.up = False  # each misses its first scrape
    with _running(tmp_path, twelve) as scenario:
        eventually(lambda: _scraped(scenario, "count(trading_bot_up == 0) == 12"), what="the first scrape")
        for bot in twelve.bots.values():
            bot.up = True
        wait(12 * MINUTE)
        assert scenario.messages() == [], "the first start of bots that are well"

        twelve.bots[DOWN].up = False
        twelve.bots[LOSING].drawdown = 0.12
        twelve.bots[FAILING].failing = 0.2
        wait(8 * MINUTE)  # a person answers; until then every message is sent
        for one in scenario.incidents() if answers else []:
            scenario.acknowledge(one["id"])
        wait(15 * MINUTE)
        told, heard = scenario.messages(), scenario.counts()
        assert scenario.about_the_well() == []
        assert {one["bot"] for one in scenario.incidents()} == {DOWN, LOSING, FAILING}
        most = ANSWERED if answers else UNANSWERED
        assert all(heard[channel] <= count for channel, count in most.items()), (heard, told)
        if not answers:
            [called] = [got.text for got in scenario.fakes.got if (got.service, got.to) == ("phone", MANAGER)]
            assert all(bot in called for bot in (DOWN, LOSING, FAILING)), "the next person hears of all three"
    twelve.close()


def _scraped(scenario: Scenario, query: str) -> bool:
    url = f"{scenario.settings.services.prometheus.url}/api/v1/query"
    answer = requests.get(url, params={"query": query}, timeout=10).json()
    return bool(answer["data"]["result"])
