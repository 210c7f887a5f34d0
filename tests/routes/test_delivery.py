"""A real Alertmanager delivers to webhook_actions, by mail, over Telegram and Slack, and to the outside."""

import re
import time

from tests.conftest import eventually
from tests.routes.desk import Desk

BOT = 'a_b*c[d] <x> & "y"'
FACTS = "No answer.\nP&L: -1234.57\nWin rate: 56.1%\nOpen positions: 3\nUptime: 5h 0m 0s"
TOLD = {
    "description": FACTS,
    "recommended_actions": "Look at its log.",
    "runbook_url": "https://example.org/runbooks/TradingBotDown.md",
    "dashboard_url": "http://127.0.0.1:3000/d/trading-bot?var-bot=a_b",
}


def _labels(alert: str, severity: str, bot: str) -> dict[str, str]:
    return {"alertname": f"TradingBot{alert}", "severity": severity, "bot": bot, "condition": "tested"}


def test_a_critical_alert_arrives_whole_over_every_channel(desk: Desk) -> None:
    inbox = desk.inbox
    desk.post(_labels("Down", "critical", BOT), summary=f"{BOT} shows no sign of life", **TOLD)
    webhook = eventually(lambda: [one for one in inbox.webhooks if one["groupLabels"].get("bot") == BOT])[0]
    mail = eventually(lambda: [one for one in inbox.mails if BOT in str(one["Subject"])])[0]
    telegram = eventually(lambda: [one for one in inbox.telegram if "a_b*c[d]" in one["text"]])[0]
    slack = eventually(lambda: [one for one in inbox.slack if "a_b*c[d]" in one["attachments"][0]["title"]])[
        0
    ]

    (alert,) = webhook["alerts"]
    assert alert["labels"] == _labels("Down", "critical", BOT)
    assert not inbox.refused
    page = f"http://127.0.0.1:{desk.settings.services.webhook_actions.port}/a/{alert['fingerprint']}"

    assert mail["Subject"] == f"[critical] {BOT} shows no sign of life"
    assert mail["To"] == "a@example.org, b@example.org"
    text = mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    assert f"Bot: {BOT}" in text
    assert FACTS in text.replace("\r\n", "\n")
    assert "Priority: critical, urgent: intervene now" in text
    assert "Recommended actions: Look at its log." in text
    assert re.search(r"Since: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d CES?T", text)
    assert page in text
    assert f'href="{page}"' in html
    assert "a_b*c[d] &lt;x&gt; &amp; &#34;y&#34;" in html
    assert desk.settings.severities.critical.colour in html
    assert "ZgotmplZ" not in html  # what Go writes where it finds a value unsafe

    assert telegram["chat_id"] in ("42", 42)
    assert telegram["parse_mode"] == "HTML"
    assert "[critical] a_b*c[d] &lt;x&gt; &amp; " in telegram["text"]
    assert page in telegram["text"]

    (attachment,) = slack["attachments"]
    assert attachment["title"] == '[critical] a_b*c[d] &lt;x&gt; &amp; "y" shows no sign of life'
    assert attachment["title_link"] == page
    assert attachment["color"] == desk.settings.severities.critical.colour
    assert "text" not in attachment["mrkdwn_in"]
    assert slack["channel"] == "#trading-alerts"


def test_the_end_of_an_alert_is_told_to_all_who_heard_of_its_begin(desk: Desk) -> None:
    inbox, labels = desk.inbox, _labels("HighDrawdown", "critical", "ends")
    desk.post(labels, summary="ends is below its peak", **TOLD)
    eventually(lambda: ("TradingBotHighDrawdown", "firing") in inbox.acted_on())
    eventually(lambda: "[critical] ends is below its peak" in inbox.subjects())
    desk.post(labels, ends_in=-1, summary="ends is below its peak", **TOLD)
    eventually(lambda: ("TradingBotHighDrawdown", "resolved") in inbox.acted_on())
    mail = eventually(
        lambda: [one for one in inbox.mails if str(one["Subject"]).startswith("[resolved] ends")]
    )[0]
    assert desk.settings.success_colour in mail.get_body(("html",)).get_content()
    assert "Resolved: " in mail.get_body(("plain",)).get_content()
    assert "Priority" not in mail.get_body(("plain",)).get_content()


def test_meta_alerts_reach_people_and_never_webhook_actions(desk: Desk) -> None:
    inbox = desk.inbox
    meta = {"alertname": "TradingBotExporterDown", "severity": "meta", "condition": "exporter_down"}
    desk.post(meta, summary="The exporter cannot be scraped", **TOLD)
    mail = eventually(lambda: [one for one in inbox.mails if "[meta]" in str(one["Subject"])])[0]
    assert "/a/" not in mail.get_body(("plain",)).get_content()
    desk.post(_labels("ApiErrorRate", "critical", "after-meta"), summary="after", **TOLD)
    eventually(lambda: ("TradingBotApiErrorRate", "firing") in inbox.acted_on())
    assert "TradingBotExporterDown" not in {alert for alert, _ in inbox.acted_on()}


def test_the_watchdog_reaches_the_outside_and_only_that_again_and_again(desk: Desk) -> None:
    inbox = desk.inbox
    desk.post({"alertname": "TradingBotWatchdog", "severity": "meta"}, summary="Alerts flow")
    eventually(lambda: len(inbox.watchdog) >= 2, what="the second sign of life of the watchdog")
    assert not [subject for subject in inbox.subjects() if "Alerts flow" in subject]


def test_down_silences_what_follows_from_it_for_the_same_bot_only(desk: Desk) -> None:
    inbox = desk.inbox
    desk.post(_labels("Down", "critical", "dead"), summary="dead", **TOLD)
    eventually(lambda: [one for one in inbox.webhooks if one["groupLabels"].get("bot") == "dead"])
    for alert, bot in [
        ("ApiErrorRate", "dead"),
        ("CrashLooping", "dead"),
        ("HighDrawdown", "dead"),
        ("ApiErrorRate", "well"),
    ]:
        desk.post(_labels(alert, "critical", bot), summary=f"{alert} of {bot}", **TOLD)

    def told() -> set[tuple[str, str]]:
        groups = [webhook["groupLabels"] for webhook in inbox.webhooks]
        return {
            (group["alertname"], group["bot"]) for group in groups if group.get("bot") in ("dead", "well")
        }

    expected = {
        ("TradingBotDown", "dead"),
        ("TradingBotCrashLooping", "dead"),
        ("TradingBotHighDrawdown", "dead"),
        ("TradingBotApiErrorRate", "well"),
    }
    eventually(lambda: told() >= expected)
    time.sleep(3 * desk.settings.routing.group_interval)  # as long as a silenced group could still be sent
    assert told() == expected
