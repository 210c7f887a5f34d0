"""`nightdesk check` refuses settings with an alert that reaches nobody, and reports unused settings."""

import json
from typing import Any

import pytest

from tests.settings.test_plan import BOT, ON
from tests.stack.conftest import Desk

TOKENS = {"tokens": {f"{name}_file": "t" for name in ("receive", "read", "act", "reload")}}
LINKS = {"webhook_actions": "https://desk.example.org", "grafana": "https://graphs.example.org"}


def checked(desk: Desk, *channels: str, **more: Any) -> tuple[int, str]:
    (desk.root / "t").write_text("secret")
    (desk.root / "switch").write_text("none")
    on = {name: {"enabled": True} | ON[name] for name in channels}
    base = {"bots": {"mine": BOT}, "webhook_actions": TOKENS, "demo": {"enabled": False}, "links": LINKS}
    desk.write(**(base | {"channels": on, "routing": {"watchdog_url_file": "switch"}} | more))
    done = desk.run("check")
    return done.returncode, done.stdout + done.stderr


def test_a_first_set_up_with_email_only_gets_everything_by_email(desk: Desk) -> None:
    code, said = checked(desk, "email")
    assert code == 0
    assert "notified over: email (critical, warning, info, meta)" in said
    assert "warning" not in said.replace("critical, warning", "")


def test_a_bot_without_anybody_to_notify_is_refused(desk: Desk) -> None:
    code, said = checked(desk)
    assert code == 2
    assert "channels: none is enabled, so nobody would get any alert; set channels.email" in said


def test_the_simulated_bot_alone_needs_nobody_and_check_says_so(desk: Desk) -> None:
    code, said = checked(desk, bots={}, demo={"enabled": True, "token_file": "t"})
    assert code == 0
    assert "warning: channels: none is enabled" in said


@pytest.mark.parametrize("channels", [("sms",), ("phone", "sms")])
def test_what_says_that_nightdesk_is_broken_needs_a_channel_of_alertmanagers(
    desk: Desk, channels: tuple[str, ...]
) -> None:
    code, said = checked(desk, *channels)
    assert code == 2
    assert "channels: Alertmanager itself sends the alerts about Nightdesk" in said


def test_maintenance_that_never_ends_is_refused(desk: Desk) -> None:
    always = {"maintenance": [{"from": "00:00", "to": "00:00"}]}
    code, said = checked(desk, "email", routing=always)
    assert code == 2
    assert "once maintenance is over, which never happens" in said


def test_a_channel_that_nothing_is_sent_over_is_refused(desk: Desk) -> None:
    severities = {name: {"channels": ["email"]} for name in ("critical", "warning", "info")}
    everything = {"profile": "starter", "severities": severities}
    level = {"contact": "administrator", "channels": ["email"]}
    names = ("repeated_alerts", "system_down", "critical_loss", "spent_attempts")
    escalation = {"levels": [level]} | dict.fromkeys(names, level)
    news = {name: {"channels": ["email"]} for name in ("MilestoneReached", "Suggestion")}
    code, said = checked(desk, "email", "slack", escalation=escalation, alerts=news, **everything)
    assert code == 2
    assert "channels.slack: is enabled, but nothing uses it; name it in severities" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::]", "webhook_actions", "[::1]"])
def test_links_that_no_phone_opens_are_warned_of_and_refused_in_production(desk: Desk, host: str) -> None:
    links = LINKS | {"webhook_actions": f"http://{host}:9099"}
    code, said = checked(desk, "email", links=links)
    assert code == 0
    line = f"links.webhook_actions: messages would link to http://{host}:9099, which no phone can open"
    assert f"warning: {line}" in said
    code, said = checked(desk, "email", links=links, profile="production")
    assert code == 2
    assert line in said


@pytest.mark.parametrize("host", ["192.168.1.5", "desk.example.org", "desk.local", "100.64.0.7"])
def test_links_that_a_phone_in_the_same_network_opens_are_fine(desk: Desk, host: str) -> None:
    code, said = checked(
        desk, "email", links=LINKS | {"webhook_actions": f"http://{host}:9099"}, profile="production"
    )
    assert (code, "links" in said) == (0, False), said


def test_an_address_whose_channel_is_off_is_reported(desk: Desk) -> None:
    contacts = {"anna": {"email": ["anna@example.org"], "phone": ["+15550000001"], "telegram": [7]}}
    code, said = checked(desk, "email", contacts=contacts)
    assert code == 0
    sends_nothing = "Nightdesk sends nothing there; enable"
    assert f"warning: contacts.anna.phone: {sends_nothing} channels.phone or channels.sms, or remove" in said
    assert f"warning: contacts.anna.telegram: {sends_nothing} channels.telegram, or remove" in said
    assert "contacts.anna.email" not in said
    _, said = checked(desk, "email", "sms", contacts=contacts)
    assert "contacts.anna.phone" not in said


def test_a_level_whose_person_no_channel_reaches_is_reported(desk: Desk) -> None:
    people = {"manager": {"email": ["boss@example.org"]}}
    _, said = checked(desk, "email", "phone", "sms", contacts=people, profile="experienced")
    assert "warning: escalation.levels[0]: manager has no address for phone, sms" in said


@pytest.mark.parametrize(
    ("where", "line"),
    [
        (
            {"channels": {"email": {"to": ["not an address"]}}},
            "channels.email.to[0]: 'not an address' is not a mail address; write it as me@example.org",
        ),
        (
            {"contacts": {"manager": {"email": ["boss"]}}},
            "contacts.manager.email[0]: 'boss' is not a mail address; write it as me@example.org",
        ),
        (
            {"contacts": {"manager": {"phone": ["0151 123"]}}},
            "contacts.manager.phone[0]: '0151 123' is not a phone number; write it as +4915112345678",
        ),
        ({"channels": {"sms": {"to": ["+0"]}}}, "channels.sms.to[0]: '+0' is not a phone number"),
        (
            {"contacts": {"manager": {"telegram": ["12345"]}}},
            "contacts.manager.telegram[0]: '12345' is not a Telegram chat; write its number without quotes",
        ),
        (
            {"channels": {"telegram": {"chats": ["desk"]}}},
            "channels.telegram.chats[0]: 'desk' is not a Telegram chat",
        ),
    ],
)
def test_an_invalid_address_is_refused_with_its_path(desk: Desk, where: dict[str, Any], line: str) -> None:
    desk.write(**where)
    done = desk.run("check")
    assert done.returncode == 2
    assert line in done.stderr


def test_the_plan_is_printed_for_an_alert_of_a_bot_at_a_time(desk: Desk) -> None:
    checked(desk, "email")
    done = desk.run("alerts", "--who", "TradingBotDown", "--bot", "mine", "--at", "2026-12-24T03:00")
    assert done.stderr == ""
    head, _, title, columns, *lines = done.stdout.splitlines()
    assert head == "profile starter, fired at 2026-12-24 03:00 UTC, nobody acknowledges"
    assert title == "critical: Down of every bot"
    assert columns.split() == ["when", "who", "over", "address", "sent", "by", "why"]
    assert lines[0].split()[:5] == ["at", "once", "administrator", "email", "me@example.org"]
    wrong = desk.run("alerts", "--who", "Donw")
    assert (wrong.returncode, "did you mean Down?" in wrong.stderr) == (2, True)


def test_the_plan_is_printed_as_json(desk: Desk) -> None:
    checked(desk, "email")
    (found,) = json.loads(desk.run("alerts", "--who", "Down", "--json").stdout)
    assert (found["severity"], found["alerts"], found["bots"]) == ("critical", ["Down"], ["mine"])
    assert found["told"][0]["address"] == "me@example.org"
