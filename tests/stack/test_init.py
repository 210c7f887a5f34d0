"""`nightdesk init` writes a first usable monitoring.yaml, from flags or answers."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from stack import init
from stack.cli import main
from stack.settings import load

Capture = pytest.CaptureFixture[str]
MAIL = ("--email", "me@example.org", "--smtp", "smtp.example.org")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(desk: Path) -> dict[str, object]:
    return yaml.safe_load((desk / "monitoring.yaml").read_text())


def names(desk: Path) -> set[str]:
    return {str(file.relative_to(desk)) for file in desk.rglob("*") if file.is_file()}


def test_flags_make_settings_that_check_takes_once_the_secrets_are_written(empty: Path, capsys: Capture):
    words = ("--source", "http", "--url", "http://127.0.0.1:9000", "--capital", "1000", "--container", "mine")
    assert main(["init", *words, *MAIL, "--smtp-user", "me", "--telegram", "-100123"]) == 0
    said = capsys.readouterr().out
    for name in ("my_bot_token", "smtp_password", "telegram_token"):
        assert f"into secrets/{name}" in said
        (empty / "secrets" / name).write_text("secret\n")
    assert written(empty)["channels"]["telegram"]["chats"] == [-100123]
    assert written(empty)["bots"]["my_bot"]["restart"] == {"type": "docker", "container": "mine"}
    assert main(["check"]) == 0
    assert "my_bot: http http://127.0.0.1:9000/, restarted through docker" in capsys.readouterr().out


def test_a_bot_that_pushes_needs_no_secret_of_the_users(empty: Path, capsys: Capture):
    assert main(["init", "--source", "push", "--capital", "5", *MAIL]) == 0
    own = {"my_bot_token", "receive_token", "read_token", "act_token", "reload_token"}
    expected = {"monitoring.yaml", ".data/schema.json", *(f"secrets/{name}" for name in own)}
    assert names(empty) == expected
    assert main(["check"]) == 0
    first = (empty / "monitoring.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=.data/schema.json"


def test_settings_without_a_channel_say_that_nobody_is_notified(empty: Path, capsys: Capture):
    assert main(["init", "--source", "push", "--capital", "5"]) == 0
    assert "and `check` fails: add `channels` to monitoring.yaml" in capsys.readouterr().out
    assert main(["check"]) == 2
    assert main(["init", "--source", "push", "--capital", "5", "--config", "other.yaml", *MAIL]) == 0
    assert "nobody is notified" not in capsys.readouterr().out


def test_settings_that_are_there_are_left_alone(empty: Path, capsys: Capture):
    (empty / "monitoring.yaml").write_text("mine\n")
    assert main(["init", "--source", "demo"]) == 1
    assert "monitoring.yaml: exists" in capsys.readouterr().err
    assert (empty / "monitoring.yaml").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ((), 1, "--source: is missing, and nobody is here to answer"),
        (("--source", "http"), 1, "--url: is missing"),
        (("--source", "push"), 1, "--capital: is missing"),
        (("--source", "http", "--url", "nowhere", "--capital", "1"), 2, "url: 'nowhere'"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_nothing_is_written(
    empty: Path, capsys: Capture, words: tuple[str, ...], code: int, reason: str
):
    assert main(["init", *words]) == code
    said = capsys.readouterr().err
    assert reason in said
    assert ".new" not in said  # a file that is gone
    assert not [name for name in names(empty) if not name.startswith(".data")]


def test_a_person_at_a_terminal_is_asked_and_secrets_are_not_shown(
    empty: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(init, "is_asking", lambda: True)
    answers = ["freqtrade", "mine", "", "", "very secret", "", "me@example.org", "smtp.example.org", "", ""]
    asked = CliRunner().invoke(init.init, input="\n".join([*answers, ""]))
    assert asked.exit_code == 0, asked.output
    assert "very secret" not in asked.output
    assert (empty / "secrets/mine_password").read_text() == "very secret\n"
    source = written(empty)["bots"]["mine"]["source"]
    assert (source["url"], source["username"]) == ("http://127.0.0.1:8080", "freqtrader")
    assert "telegram" not in written(empty)["channels"]
    assert main(["check"]) == 0


def test_an_invalid_url_is_asked_for_again_and_no_answer_is_lost(
    empty: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(init, "is_asking", lambda: True)
    answers = ["freqtrade", "mine", "127.0.0.1:8080", "http://127.0.0.1:8080", "", "secret", "", "", ""]
    asked = CliRunner().invoke(init.init, input="\n".join([*answers, ""]))
    assert asked.exit_code == 0, asked.output
    assert "'127.0.0.1:8080' is no URL; it begins with http:// or https://" in asked.output
    assert written(empty)["bots"]["mine"]["source"]["url"] == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("mail.example.org", {"host": "mail.example.org"}),
        ("mail.example.org:465", {"host": "mail.example.org", "port": 465}),
    ],
)
def test_the_mail_server_may_have_a_port(empty: Path, server: str, expected: dict[str, object]):
    assert main(["init", "--source", "demo", "--email", "me@example.org", "--smtp", server]) == 0
    email = written(empty)["channels"]["email"]
    assert {key: email[key] for key in ("host", "port") if key in email} == expected


def test_a_demo_begins_with_a_history_that_prometheus_keeps(empty: Path):
    assert main(["init", "--source", "demo", *MAIL]) == 0
    settings = load([empty / "monitoring.yaml"])
    assert settings.demo.history is not None
    assert settings.storage.retention > settings.demo.history
