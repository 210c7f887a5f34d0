"""A real Alertmanager delivers to webhook_actions, by mail, over Telegram and Slack, and to the outside."""

import re
import subprocess
from email.message import EmailMessage
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from aiosmtpd.controller import Controller

from tests.conftest import binary, eventually
from tests.routes.desk import Desk, Inbox, Mailbox, running

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


def _both(mails: list[EmailMessage]) -> list[EmailMessage]:
    """Return the mails once both readers have theirs."""
    return mails if len(mails) == 2 else []


def test_a_mail_that_one_reader_is_refused_reaches_the_other(tmp_path: Path) -> None:
    binary("alertmanager")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("channels: {email: {to: [nobody@example.org, a@example.org]}}")
    with running(tmp_path, overlay) as desk:
        desk.post(_labels("Down", "critical", "refused"), summary="one is refused", **TOLD)
        eventually(lambda: "[critical] one is refused" in desk.inbox.subjects())


def test_a_critical_alert_arrives_whole_over_every_channel(desk: Desk) -> None:
    inbox = desk.inbox
    desk.post(_labels("Down", "critical", BOT), summary=f"{BOT} shows no sign of life", **TOLD)
    webhook = eventually(lambda: inbox.told("Down", BOT))[0]
    mails = eventually(lambda: _both([one for one in inbox.mails if BOT in str(one["Subject"])]))
    mail = mails[0]
    telegram = eventually(lambda: [text for text in inbox.telegram if BOT in text])[0]
    slack = eventually(lambda: [one for one in inbox.slack if BOT in one["attachments"][0]["title"]])[0]

    (alert,) = webhook["alerts"]
    assert alert["labels"] == _labels("Down", "critical", BOT)
    assert not inbox.refused
    page = f"http://127.0.0.1:{desk.settings.services.webhook_actions.port}/a/{alert['fingerprint']}"

    assert mail["Subject"] == f"[critical] {BOT} shows no sign of life"
    assert {str(one["To"]) for one in mails} == {"a@example.org", "b@example.org"}
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
    assert "ZgotmplZ" not in html  # Go writes this instead of an unsafe value

    assert telegram.startswith(f"[critical] {BOT} shows no sign of life\n")
    assert FACTS in telegram
    assert f"On-call page ({page})" in telegram

    (attachment,) = slack["attachments"]
    assert attachment["title"] == f"[critical] {BOT} shows no sign of life"
    assert attachment["title_link"] == page
    assert attachment["color"] == desk.settings.severities.critical.colour
    assert FACTS in attachment["text"]
    assert f"Runbook ({TOLD['runbook_url']})" in attachment["text"]
    assert "text" not in attachment["mrkdwn_in"]  # `*` and `_` in a name stay unchanged
    assert slack["channel"] == "#trading-alerts"


@pytest.mark.parametrize("unit", ["\U0001f4c9", "<&>\"'+", "*_[`"], ids=["wide", "escaped", "plain"])
def test_what_is_too_long_for_a_channel_arrives_shortened(desk: Desk, unit: str) -> None:
    inbox, text = desk.inbox, unit * 3000
    told = TOLD | {"description": text, "recommended_actions": text}
    name = f"Long{ord(unit[0])}"  # people get one alert in one message
    desk.post(_labels(name, "critical", unit * 10), summary="long " + text, **told)
    begin = f"[critical] long {unit}"
    eventually(lambda: [text for text in inbox.telegram if text.startswith(begin)])
    eventually(lambda: [subject for subject in inbox.subjects() if subject.startswith(begin)])

    labels = _labels(f"{name}Too", "critical", unit * 9)
    coins = [labels | {"symbol": f"COIN{index}/USDT"} for index in range(40)]
    desk.post_all(coins, began=0.0, summary=f"many {text}", **told)
    eventually(lambda: [text for text in inbox.telegram if f"many {unit}" in text and "40 alerts" in text])
    assert not inbox.refused


def test_an_alert_arrives_by_telegram_however_long_its_links_are(desk: Desk) -> None:
    inbox, url = desk.inbox, "https://example.org/" + "x&" * 1950
    links = {"runbook_url": url, "dashboard_url": url}
    desk.post(_labels("HighCpuUsage", "critical", "linked"), summary="linked far", **TOLD | links)
    text = eventually(lambda: [one for one in inbox.telegram if "linked far" in one])[0]
    assert FACTS in text
    assert "/a/" in text, "the link to the on-call page is kept"
    assert "Runbook" not in text, "half of a link leads nowhere"
    assert not inbox.refused


def test_an_alert_arrives_by_telegram_however_long_the_address_of_the_on_call_page_is(tmp_path: Path) -> None:
    binary("alertmanager")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f"links: {{webhook_actions: 'https://desk.example.org/{'x&' * 1000}'}}")
    with running(tmp_path, overlay) as desk:
        inbox, text = desk.inbox, "<" * 3000
        desk.post(_labels("Down", "critical", "far"), summary="far away", description=text)
        coins = [_labels("LowWinRate", "critical", "near") | {"symbol": f"COIN{n}/USDT"} for n in range(40)]
        desk.post_all(coins, began=0.0, summary=f"many {text}", description=text)
        for words in ("far away", "40 alerts"):
            found = eventually(lambda words=words: [one for one in inbox.telegram if words in one])
            assert "On-call page" not in found[0], "half of a link leads nowhere"
        assert not inbox.refused


def test_one_refused_address_of_several_keeps_the_mail_from_no_other(tmp_path: Path) -> None:
    binary("alertmanager")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("channels: {email: {to: [a@example.org, nobody@example.org, b@example.org]}}")
    with running(tmp_path, overlay) as desk:
        desk.post(_labels("Down", "critical", "refused"), summary="refused", **TOLD)
        eventually(
            lambda: {str(mail["To"]) for mail in desk.inbox.mails} == {"a@example.org", "b@example.org"}
        )


def test_mail_to_port_465_goes_over_tls_from_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary("alertmanager")
    host = "127.0.46.5"  # this machine's, and no other test's
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={host}",
         "-addext", f"subjectAltName=IP:{host}", "-keyout", tmp_path / "key", "-out", tmp_path / "cert"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    inbox = Inbox()
    server = Controller(Mailbox(inbox), hostname=host, port=465, ssl_context=context)
    try:
        server.start()
    except PermissionError:
        pytest.skip("only root may listen on port 465")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f"channels: {{email: {{host: {host}, port: 465, starttls: true}}}}")
    with running(tmp_path, overlay) as desk:
        desk.post(_labels("Down", "critical", "secret"), summary="secret", **TOLD)
        eventually(lambda: "[critical] secret" in inbox.subjects())
    server.stop()


def test_a_flapping_alert_is_sent_once_within_its_cooldown_and_its_end_after_it(desk: Desk) -> None:
    inbox, labels = desk.inbox, _labels("ModelDrift", "warning", "flaps")

    def told() -> list[str]:
        return [subject for subject in inbox.subjects() if "flaps" in subject]

    def acted_on() -> int:
        return sum(
            alert["status"] == "resolved"
            for one in inbox.told("ModelDrift", "flaps")
            for alert in one["alerts"]
        )

    for flap in range(2):
        desk.post(labels, summary="flaps", **TOLD)
        eventually(lambda count=flap: len(inbox.told("ModelDrift", "flaps")) > 2 * count)
        desk.post(labels, ends_in=-1, summary="flaps", **TOLD)
        eventually(lambda count=flap: acted_on() > count)
    eventually(told)
    assert told() == ["[warning] flaps"]  # but webhook_actions, which has its own cooldown, got each
    eventually(lambda: len(told()) > 1, within=60, what="what is told after the cooldown")
    assert told() == ["[warning] flaps", "[resolved] flaps"]
    desk.post(labels, summary="flaps", **TOLD)
    eventually(lambda: told()[2:] == ["[warning] flaps"], within=60, what="the alert after its cooldown")


def test_one_alert_of_many_bots_is_one_message_with_a_list_and_each_is_acted_on(desk: Desk) -> None:
    inbox = desk.inbox
    bots = [f"storm-{number:02}" for number in range(12)]
    desk.post_all([_labels("DataStale", "critical", bot) for bot in bots], began=0.0, summary="stale", **TOLD)
    subject = "[critical] DataStale: 12 alerts, " + ", ".join(bots[:5]) + " and 7 more"
    eventually(lambda: subject in inbox.subjects())
    eventually(lambda: all(inbox.told("DataStale", bot) for bot in bots))
    assert {one for one in inbox.subjects() if "DataStale" in one or "stale" in one} == {subject}
    title = "[critical] DataStale: 12 alerts"
    eventually(lambda: [one for one in inbox.slack if one["attachments"][0]["title"] == title])
    ended = [_labels("DataStale", "critical", bot) for bot in bots[:2]]
    desk.post_all(ended, ends_in=-1, summary="stale", **TOLD)
    ends = "resolved: storm-00, storm-01"
    eventually(lambda: [one for one in inbox.subjects() if ends in one], what="the end of two of them")


def test_a_bots_team_is_notified_and_its_actions_run_as_usual(desk: Desk) -> None:
    inbox = desk.inbox
    desk.post(_labels("Down", "critical", "owned[1]"), summary="owned", **TOLD)
    mail = eventually(lambda: [one for one in inbox.mails if "owned" in str(one["Subject"])])[0]
    assert mail["To"] == "anna@example.org"
    eventually(lambda: inbox.told("Down", "owned[1]"))


def test_in_maintenance_nothing_of_a_bot_is_sent_or_acted_on(desk: Desk) -> None:
    inbox = desk.inbox
    for bot in ("kept", "not-kept"):
        desk.post(_labels("LoopHung", "critical", bot), summary=f"{bot}.", **TOLD)
    eventually(lambda: inbox.told("LoopHung", "not-kept") and "[critical] not-kept." in inbox.subjects())
    assert desk.muted("kept") == ["maintenance-1"]
    assert not inbox.told("LoopHung", "kept")
    assert "[critical] kept." not in inbox.subjects()


def test_the_end_of_an_alert_reaches_all_who_heard_of_its_start(desk: Desk) -> None:
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


def test_the_watchdog_reaches_webhook_actions_own_address_for_it_and_nobody_else_again_and_again(
    desk: Desk,
) -> None:
    inbox = desk.inbox
    desk.post({"alertname": "TradingBotWatchdog", "severity": "meta"}, summary="Alerts flow")
    eventually(lambda: len(inbox.watchdog) >= 2, what="the second sign of life of the watchdog")
    assert not [subject for subject in inbox.subjects() if "Alerts flow" in subject]
