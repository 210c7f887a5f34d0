"""Each channel sends what its service requires, and reveals no secret when it fails."""

from datetime import UTC, datetime

import pytest

from clients.http import Answer
from stack.settings import Settings
from tests.webhook_actions.escalation.fakes import SLACK_PATH, TELEGRAM_TOKEN, TWILIO_TOKEN, Fakes
from tests.webhook_actions.escalation.harness import FACTS, Mailbox, Setup
from webhook_actions.notify import send
from webhook_actions.notify.http import retry_after
from webhook_actions.notify.message import IncidentNotice, Message, compose
from webhook_actions.outcome import Result
from webhook_actions.store.incidents import Incident
from webhook_actions.store.runs import Run

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
LINK = "https://desk.example.org/i/" + "x" * 60
PAGE = "https://desk.example.org"


def incident(number: int = 1, description: str = FACTS, severity: str = "critical") -> Incident:
    notes = {
        "summary": f"bot{number} <b>is</b> down & out",
        "description": description,
        "recommended_actions": "look at its log",
        "runbook_url": "https://example.org/runbook",
    }
    labels = {"alertname": "TradingBotDown", "bot": f"bot{number}", "severity": severity}
    return Incident(number, "f", "TradingBotDown", f"bot{number}", severity, labels, notes, NOW, NOW, NOW, 1)


def run(outcome: str, verdict: str | None, detail: str = "") -> Run:
    told = {"outcome": outcome, "detail": detail, "verdict": verdict}
    return Run(1, 1, "bot1", "restart_bot", "disruptive", "ended", NOW, **told)


def words(settings: Settings, *runs: Run) -> Message:
    return compose(settings, [IncidentNotice(incident(), runs, "nobody has answered within 15m", LINK)], PAGE)


def test_a_message_holds_all_that_someone_woken_needs(setup: Setup) -> None:
    settings = setup.settings(timezone="Europe/Berlin")
    message = words(settings, run("done", "not_verified"), run("failed", "none", "the bot refused"))
    for part in (
        "Bot: bot1",
        "Since: 2026-01-05 04:00:00 CET",
        "Problem: no sign of life",
        "P&L: -12.50",
        "Win rate: 40.0%",
        "Open positions: 3",
        "Uptime: 2h",
        "Priority: critical, urgent: intervene now",
        "Tried: restart_bot: done, not verified; restart_bot: failed, the bot refused",
        "Recommended actions: look at its log",
        "Why you: nobody has answered within 15m",
        f"Look and acknowledge: {LINK}",
    ):
        assert part in message.text, part


@pytest.mark.parametrize("count", [1, 2, 20])
def test_an_sms_stays_short_and_keeps_its_link(setup: Setup, count: int) -> None:
    told = [IncidentNotice(incident(n, "very long " * 500), (), "", LINK) for n in range(count)]
    message = compose(setup.settings(), told, PAGE)
    assert len(message.short) <= 480
    assert message.short.endswith(LINK if count == 1 else PAGE)
    assert all(f"bot{n}" in message.text for n in range(count))


@pytest.mark.parametrize("channel", ["sms", "phone", "telegram", "slack", "email"])
def test_a_channel_delivers_what_its_service_demands(
    setup: Setup, fakes: Fakes, mailbox: Mailbox, channel: str
) -> None:
    address = {"sms": "+15550000020", "phone": "+15550000020", "telegram": "-100123", "slack": "#desk"}
    to = address.get(channel, "boss@example.org")
    outcome = send(setup.settings(), channel, to, words(setup.settings()))
    assert outcome.result is Result.DONE, outcome
    if channel == "email":
        assert mailbox.to() == [to]
        assert mailbox.mails[0]["Subject"] == "[critical] bot1 <b>is</b> down & out"
        assert LINK in mailbox.text()
    else:
        [got] = fakes.got
        assert (got.service, got.to) == (channel, to)
        said = {"slack": "bot1 &lt;b&gt;is&lt;/b&gt; down &amp; out"}.get(
            channel, "bot1 <b>is</b> down & out"
        )
        assert said in got.text


def test_a_phone_says_it_twice(setup: Setup, fakes: Fakes) -> None:
    send(setup.settings(), "phone", "+15550000020", words(setup.settings()))
    assert fakes.texts("phone")[0].count("This is Nightdesk. bot1 <b>is</b> down & out. urgent") == 2


def test_a_telegram_channel_is_reached_by_its_name(setup: Setup, fakes: Fakes) -> None:
    assert send(setup.settings(), "telegram", "@desk", words(setup.settings())).done
    assert fakes.to("telegram") == ["@desk"]


@pytest.mark.parametrize("channel", ["sms", "phone", "telegram", "slack"])
@pytest.mark.parametrize(
    ("status", "result"),
    [
        (400, Result.FAILED),
        (403, Result.FAILED),
        (429, Result.RETRY),
        (500, Result.RETRY),
        (302, Result.FAILED),
    ],
)
def test_a_refusal_is_tried_again_only_where_that_makes_sense(
    setup: Setup, fakes: Fakes, channel: str, status: int, result: Result
) -> None:
    fakes.answers[channel] = [status]
    to = {"telegram": "1", "slack": "#desk"}.get(channel, "+15550000020")
    outcome = send(setup.settings(), channel, to, words(setup.settings()))
    assert outcome.result is result
    assert str(status) in outcome.detail


def test_no_secret_leaves_with_an_error(setup: Setup, fakes: Fakes) -> None:
    (setup.directory / "twilio").write_text("wrong-canary-token")
    (setup.directory / "telegram").write_text("987:wrong-canary-token")
    (setup.directory / "slack").write_text(f"{fakes.url}/services/wrong-canary-token")
    gone = {"telegram": {"api_url": "http://127.0.0.1:1"}, "sms": {"api_url": "http://127.0.0.1:1"}}
    for settings in (setup.settings(), setup.settings(channels=gone)):
        for channel, to in (("sms", "+15550000020"), ("telegram", "1"), ("slack", "#desk")):
            outcome = send(settings, channel, to, words(settings))
            assert not outcome.done
            assert "canary" not in outcome.detail, outcome.detail
    (setup.directory / "slack").write_text("not a canary url")
    outcome = send(setup.settings(), "slack", "#desk", words(setup.settings()))
    assert outcome.result is Result.FAILED
    assert "canary" not in outcome.detail
    for secret in (TWILIO_TOKEN, TELEGRAM_TOKEN, SLACK_PATH):
        assert secret not in str(fakes.got)


def test_a_secret_file_that_is_gone_is_named(setup: Setup) -> None:
    settings = setup.settings()
    (setup.directory / "twilio").unlink()
    outcome = send(settings, "sms", "+15550000020", words(settings))
    assert outcome.result is Result.FAILED
    assert "twilio" in outcome.detail


def test_any_service_of_apprise_can_be_a_contact_and_its_url_stays_secret(setup: Setup, fakes: Fakes) -> None:
    file = setup.directory / "ntfy"
    file.write_text(f"json://user:apprise-canary@127.0.0.1:{fakes.port}/apprise-canary-path\n")
    settings = setup.settings()
    outcome = send(settings, "apprise", str(file), words(settings))
    assert outcome.done, outcome
    assert LINK in fakes.texts("webhook")[0]
    fakes.answers["webhook"] = [403]
    outcome = send(settings, "apprise", str(file), words(settings))
    assert outcome.result is Result.RETRY
    assert "JSON" in outcome.detail
    assert "canary" not in outcome.detail
    file.write_text("nothing://that-is-a-canary")
    outcome = send(settings, "apprise", str(file), words(settings))
    assert outcome.detail == "apprise: ntfy holds no URL that Apprise understands"


def ntfy(setup: Setup, fakes: Fakes, more: str = "") -> str:
    file = setup.directory / "ntfy"
    file.write_text(f"ntfy://anna:ntfy-canary@127.0.0.1:{fakes.port}/desk-canary{more}\n")
    return str(file)


def told(*numbers: int, contact: str = "manager") -> list[IncidentNotice]:
    return [
        IncidentNotice(incident(number), (), "it fires", f"{LINK}{number}", contact) for number in numbers
    ]


def test_ntfy_shows_buttons_that_open_the_signed_page_and_answer_by_it(setup: Setup, fakes: Fakes) -> None:
    settings = setup.settings()
    message = compose(settings, told(1), PAGE)
    assert send(settings, "apprise", ntfy(setup, fakes), message).done
    look, acknowledge, snooze = fakes.buttons
    assert look == {"action": "view", "label": "Open", "url": f"{LINK}1"}
    assert acknowledge == {
        "action": "http",
        "label": "Acknowledge",
        "url": f"{LINK}1",
        "method": "POST",
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        "body": "act=acknowledge",
        "clear": True,
    }
    assert (snooze["label"], snooze["body"]) == ("Snooze 1 h", "act=snooze&for=60m")


def test_ntfy_gets_only_the_buttons_that_its_reader_may_press(setup: Setup, fakes: Fakes) -> None:
    settings = setup.settings(contacts={"vera": {"phone": ["+15550000060"], "role": "viewer"}})
    to = ntfy(setup, fakes)
    assert send(settings, "apprise", to, compose(settings, told(1, contact="vera"), PAGE)).done
    assert [one["label"] for one in fakes.buttons] == ["Open"]
    assert send(settings, "apprise", to, compose(settings, told(1, 2), PAGE)).done
    assert fakes.buttons == []


@pytest.mark.parametrize(
    ("channel", "asked", "waits"),
    [
        ("slack", "30", 30),
        ("telegram", "31", 31),
        ("apprise", "32", 32),
        ("slack", "86400", 900),
        ("sms", None, 0),
    ],
)
def test_who_is_asked_to_leave_a_service_alone_waits_for_so_long_at_most_a_quarter_of_an_hour(
    setup: Setup, fakes: Fakes, channel: str, asked: str | None, waits: float
) -> None:
    fakes.answers = {name: [429] for name in ("slack", "telegram", "ntfy", "sms")}
    fakes.retry_after = asked
    settings = setup.settings()
    to = {"slack": "#desk", "telegram": "1", "apprise": ntfy(setup, fakes)}.get(channel, "+15550000020")
    outcome = send(settings, channel, to, compose(settings, told(1), PAGE))
    assert (outcome.result, outcome.retry_after) == (Result.RETRY, waits)


def test_telegram_says_in_its_answer_for_how_long_it_is_to_be_left_alone() -> None:
    said = b'{"ok": false, "error_code": 429, "parameters": {"retry_after": 34}}'
    assert retry_after(Answer(429, said)) == 34
    assert retry_after(Answer(429, b"slow down")) is None


def test_a_call_about_many_names_the_most_severe_first(setup: Setup) -> None:
    told = [IncidentNotice(incident(n, severity="warning"), (), "", LINK) for n in range(1, 10)]
    told.append(IncidentNotice(incident(99), (), "", LINK))
    message = compose(setup.settings(), told, PAGE)
    assert message.spoken.startswith("This is Nightdesk. bot99 ")
    assert "urgent: intervene now" in message.spoken
    assert message.subject.startswith("[critical] 10 alerts, first: bot99 ")
    assert message.incidents[0] == 99
