"""Sends Nightdesk's own announcements over every channel that Alertmanager serves, without a rule."""

from datetime import UTC, datetime, timedelta

from clients.http import NoAnswer, ask
from clients.stack_requests import stack_request
from stack.settings import Settings

_BY_ALERTMANAGER = ("email", "telegram", "slack")
_WITHIN = 5.0  # seconds for Alertmanager's answer


class NotDelivered(Exception):
    """The message reached nobody; the text says why."""


def send_notice(settings: Settings, severity: str, summary: str, description: str) -> None:
    """Have Alertmanager send a message over each of its configured channels, as `test-notify` does.

    Raises NotDelivered.
    """
    now = datetime.now(UTC)
    alerts = [
        {
            "labels": {
                "alertname": "TradingBotTestNotification",
                "channel": channel,
                "severity": severity,
                "sent": now.isoformat(),
            },
            "annotations": {"summary": summary, "description": description},
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(minutes=1)).isoformat(),
        }
        for channel in _BY_ALERTMANAGER
        if getattr(settings.channels, channel).enabled
    ]
    if not alerts:
        raise NotDelivered(
            f"no channel is configured; enable one of {', '.join(_BY_ALERTMANAGER)} below channels"
        )
    url = f"{settings.services.alertmanager.url}/api/v2/alerts"
    try:
        answer = ask(stack_request(settings.web, "POST", url, _WITHIN, body=alerts))
    except NoAnswer as error:
        raise NotDelivered(f"nobody was notified: Alertmanager at {url} does not answer: {error}") from None
    if not answer.ok:
        raise NotDelivered(f"nobody was notified: Alertmanager at {url} answers {answer.status}")
