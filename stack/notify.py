"""Sends one test message over each configured channel: by Alertmanager, or as the engine does."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from prometheus_client.parser import text_string_to_metric_families

from clients.http import Answer, NoAnswer, ask
from clients.stack_requests import stack_request
from stack.failure import Failure
from stack.instance import Instance, as_json, on_instance
from stack.printing import say, show_json
from stack.settings import Settings
from stack.settings.plan import of_alertmanager, own_addresses

SENT, DELIVERED = "sent", "delivered"
_FAILED = "failed: Alertmanager could not deliver it; .data/logs/alertmanager.log says why"
_BY_ALERTMANAGER = ("email", "telegram", "slack")
_ASK_EVERY = 0.2  # seconds between two reads of Alertmanager's counters
_ANSWER_WITHIN = 5.0  # seconds for an answer of Alertmanager, which is on this machine


class NotifyError(Failure):
    """No test could be sent. The message says how to fix it."""


@dataclass(frozen=True)
class _Counts:
    """Alertmanager's attempts over one channel since its start, and how many of them failed."""

    tried: float
    failed: float


@click.command("test-notify")
@as_json
@on_instance
def test_notify(instance: Instance, as_json: bool) -> int:
    """Send one message over each configured channel."""
    sent = send_tests(instance.settings(), instance.words())
    if as_json:
        show_json([{"channel": channel, "outcome": outcome} for channel, outcome in sent])
    else:
        say("\n".join(f"{channel}: {outcome}" for channel, outcome in sent))
    return 0 if all(outcome in (SENT, DELIVERED) for _, outcome in sent) else 1


def send_tests(settings: Settings, words: Sequence[str]) -> list[tuple[str, str]]:
    """Yield (channel, result) for each configured channel, one after the other.

    `words` are the options that give a service these settings. Alertmanager reports nothing about a single
    message, so its counters before and after are compared, for at most the channel's time-out. Raises
    NotifyError if no channel is configured or Alertmanager is not reached.
    """
    by_alertmanager = [
        name for name in _BY_ALERTMANAGER if _channel(settings, name).enabled and _messages(settings, name)
    ]
    told = [(name, _test(settings, name)) for name in by_alertmanager]
    if any(outcome == _FAILED for _, outcome in told):
        told = _explained(told, by_engine([*words, "--look"]))
    told += by_engine(words)
    if not told:
        raise NotifyError("no channel is configured; enable channels.email (or telegram, slack, sms, phone)")
    return told


def _explained(told: Sequence[tuple[str, str]], looks: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the results with what a login on the failed channels says."""
    said = {look.partition(" ")[0]: outcome for look, outcome in looks if outcome.startswith("failed")}
    return [(name, said.get(name, outcome) if outcome == _FAILED else outcome) for name, outcome in told]


def by_engine(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (channel and address, result) for the messages of webhook_actions; with --look it only tests the
    logins.

    Raises NotifyError.
    """
    # A separate program, because the stack imports no service.
    command = [sys.executable, "-m", "webhook_actions.notify.trial", *words]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if ended.returncode:
        raise NotifyError(f"webhook_actions.notify.trial ended with {ended.returncode}")
    for line in ended.stdout.splitlines():
        one = json.loads(line)
        yield f"{one['channel']} to {one['to']}", one["result"]


def _channel(settings: Settings, name: str) -> Any:  # noqa: ANN401 - Email, Telegram, Twilio or Slack
    return getattr(settings.channels, name)


def _test(settings: Settings, channel: str) -> str:
    messages = _messages(settings, channel)
    url = settings.services.alertmanager.url
    before = _counts(settings, channel)
    answer = _ask(settings, "POST", "api/v2/alerts", [_alert(channel)])
    if not answer.ok:
        raise NotifyError(f"Alertmanager at {url} refused the test: {answer.status} {answer.text.strip()}")
    deadline = time.monotonic() + _channel(settings, channel).timeout
    tried = False
    while time.monotonic() < deadline:
        now = _counts(settings, channel)
        if now.failed > before.failed:
            return _FAILED
        if tried:
            return SENT
        # the failure may be counted later than the attempt: read once more
        tried = now.tried - before.tried >= messages
        time.sleep(_ASK_EVERY)
    return (
        f"not confirmed within {_channel(settings, channel).timeout}: see Alertmanager's log, "
        "and whether it runs with this configuration (`nightdesk render`, then reload)"
    )


def _messages(settings: Settings, channel: str) -> int:
    """Return the number of messages that Alertmanager sends for one alert: one to each address."""
    return len(of_alertmanager(channel, own_addresses(settings, channel)))


def _alert(channel: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "labels": {
            "alertname": "TradingBotTestNotification",
            "channel": channel,
            "severity": "test",
            "sent": now.isoformat(),  # makes each test a new alert, which Alertmanager does not suppress
        },
        "annotations": {
            "summary": f"Nightdesk reaches you by {channel}",
            "description": "This is the test that you asked for. No bot is in trouble: you need not act.",
        },
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=1)).isoformat(),
    }


def _counts(settings: Settings, channel: str) -> _Counts:
    answer = _ask(settings, "GET", "metrics")
    totals = {"requests_total": 0.0, "requests_failed_total": 0.0}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            name = sample.name.removeprefix("alertmanager_notification_")
            if name in totals and sample.labels.get("integration") == channel:
                totals[name] += sample.value
    return _Counts(tried=totals["requests_total"], failed=totals["requests_failed_total"])


def _ask(settings: Settings, method: str, path: str, body: object = None) -> Answer:
    url = settings.services.alertmanager.url
    try:
        return ask(stack_request(settings.web, method, f"{url}/{path}", _ANSWER_WITHIN, body=body))
    except NoAnswer as error:
        raise NotifyError(
            f"Alertmanager at {url} cannot be reached ({error}); "
            "start the stack (`nightdesk up`), or set services.alertmanager to where it runs"
        ) from error
