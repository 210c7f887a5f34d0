"""Secrets, recipients, channels, drill and the outside watchdog."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from stack.doctor import people
from stack.doctor.finding import Level
from stack.settings import Settings
from tests.conftest import free_port
from tests.doctor.conftest import Make, Server

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture
def secrets(tmp_path: Path) -> None:
    for name in ("token", "slack"):
        (tmp_path / name).write_text("secret\n")


def looked(settings: Settings, tmp_path: Path) -> dict[str, tuple[Level, str]]:
    words = ["--config", str(tmp_path / "monitoring.yaml")]
    return {one.about: (one.level, one.says) for one in people.channels(settings, words, send=False)}


def channels(server: Server) -> dict[str, object]:
    twilio = {
        "enabled": True, "account": ACCOUNT, "token_file": "token", "from": "+15005550006",
        "to": ["+15550000001"], "api_url": server.url,
    }  # fmt: skip
    return {
        "telegram": {"enabled": True, "token_file": "token", "chats": [7], "api_url": server.url},
        "sms": twilio,
        "slack": {"enabled": True, "url_file": "slack"},
    }


def test_tokens_that_are_good_are_green_and_no_message_was_sent(
    make: Make, server: Server, secrets: None, tmp_path: Path
):
    (tmp_path / "slack").write_text(f"{server.url}/services/T/B/x\n")
    server.answers = {
        "/botsecret/getMe": (200, {"ok": True}),
        "/botsecret/getChat": (200, {"ok": True}),
        "/services/T/B/x": (400, "no_text"),
        f"/2010-04-01/Accounts/{ACCOUNT}.json": (200, {"status": "active"}),
    }
    found = looked(make(channels=channels(server)), tmp_path)
    assert {level for level, _ in found.values()} == {Level.GREEN}
    assert len(found) == 4
    assert set(server.asked) == set(server.answers)


def test_tokens_that_are_refused_are_red_and_not_shown(
    make: Make, server: Server, secrets: None, tmp_path: Path
):
    (tmp_path / "slack").write_text(f"{server.url}/services/T/B/x\n")
    server.answers = {"/botsecret/getMe": (401, {"ok": False, "description": "Unauthorized"})}
    found = looked(make(channels=channels(server)), tmp_path)
    assert {level for level, _ in found.values()} == {Level.RED}
    assert "Unauthorized" in found["channel telegram to the token"][1]
    assert "secret" not in str(found)
    assert "/services/" not in str(found)


@pytest.mark.parametrize(("password", "level"), [("secret", Level.GREEN), ("another", Level.RED)])
def test_a_mail_server_is_logged_in_to(
    make: Make, secrets: None, tmp_path: Path, password: str, level: Level
):
    def authenticate(_server, _session, _envelope, _kind, given) -> AuthResult:
        return AuthResult(success=given.password == password.encode())

    port = free_port()
    mail = Controller(
        object(), hostname="127.0.0.1", port=port, authenticator=authenticate, auth_require_tls=False
    )
    mail.start()
    try:
        email = {
            "enabled": True, "host": "127.0.0.1", "port": port, "starttls": False, "username": "me",
            "password_file": "token", "from": "desk@example.org", "to": ["me@example.org"],
        }  # fmt: skip
        found = looked(make(channels={"email": email}), tmp_path)
    finally:
        mail.stop()
    assert found["channel email to 127.0.0.1"][0] is level


def test_a_missing_channel_is_reported(make: Make, tmp_path: Path):
    assert looked(make(), tmp_path)["channels"][0] is Level.YELLOW


def test_missing_secrets_are_red_with_who_writes_them(make: Make):
    found = [one for one in people.notifications(make(demo={"enabled": True})) if one.about == "secrets"]
    assert {(one.level, one.way_out) for one in found} == {
        (Level.RED, "`nightdesk up` or `make setup` writes it")
    }


def test_an_alert_that_reaches_nobody_is_red(make: Make):
    bot = {"source": {"type": "push", "token_file": "token"}, "starting_capital": 1}
    found = [one for one in people.notifications(make(bots={"b": bot})) if one.about == "who is notified"]
    assert (found[0].level, "nobody would get" in found[0].says) == (Level.RED, True)


@pytest.mark.parametrize(
    ("days", "faults", "level"),
    [(3, [], Level.GREEN), (60, [], Level.YELLOW), (3, [{"fault": "it is deaf", "alert": None}], Level.RED)],
)
def test_an_old_drill_is_yellow_and_one_with_faults_red(
    tmp_path: Path, days: int, faults: list[object], level: Level
):
    (tmp_path / "drills").mkdir()
    began = (NOW - timedelta(days=days)).isoformat()
    (tmp_path / "drills/x.json").write_text(json.dumps({"began": began, "faults": faults}))
    (found,) = people.drill(tmp_path, NOW)
    assert found.level is level


def test_a_missing_drill_is_reported(tmp_path: Path):
    (found,) = people.drill(tmp_path)
    assert found.level is Level.YELLOW


@pytest.mark.parametrize(
    ("profile", "url", "level"),
    [
        ("starter", None, Level.YELLOW),
        ("production", None, Level.RED),
        ("production", "none", Level.GREEN),
        ("starter", "token", Level.GREEN),
    ],
)
def test_a_missing_outside_switch_is_reported(
    make: Make, secrets: None, profile: str, url: str | None, level: Level
):
    (found,) = people.watchdog(make(profile=profile, routing={"watchdog_url_file": url}))
    assert found.level is level


def test_a_loop_whose_parts_do_not_answer_is_red(make: Make):
    services = {name: {"port": free_port()} for name in ("prometheus", "alertmanager", "webhook_actions")}
    found = list(people.loop(make(services=services)))
    assert {one.level for one in found} == {Level.RED}
    assert any("prometheus" in one.says.lower() for one in found)
