"""Nightdesk's own secrets are generated where absent, and never replaced."""

import stat
from pathlib import Path

from stack.keys import generate, generate_for_compose
from stack.settings import load, missing_secrets
from tests.stack.conftest import Desk


def test_what_check_misses_is_generated(desk: Desk):
    settings = load([desk.root / "monitoring.yaml"])
    assert len(missing_secrets(settings)) == len(generate(settings)) > 0
    assert missing_secrets(settings) == []


def test_tokens_differ_and_are_long(desk: Desk):
    tokens = [file.read_text().strip() for file in generate(load([desk.root / "monitoring.yaml"]))]
    assert len(set(tokens)) == len(tokens)
    assert all(len(token) >= 43 for token in tokens)  # 32 bytes in base64


def test_a_secret_that_exists_is_left_as_it_is(desk: Desk):
    settings = load([desk.root / "monitoring.yaml"])
    mine = settings.webhook_actions.tokens.act_file
    mine.parent.mkdir()
    mine.write_text("mine")
    assert mine not in generate(settings)
    assert mine.read_text() == "mine"
    assert generate(settings) == []


def test_the_directory_keeps_others_out_and_a_container_may_read_the_one_file(desk: Desk):
    files = generate(load([desk.root / "monitoring.yaml"]))
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o644}
    assert sorted(files[0].parent.iterdir()) == sorted(files)


def test_no_token_of_the_demo_bot_is_made_when_it_is_off(desk: Desk):
    desk.write(demo={"enabled": False})
    settings = load([desk.root / "monitoring.yaml"])
    assert settings.demo.token_file not in generate(settings)


def test_the_database_url_of_compose_carries_the_password_that_exists(tmp_path: Path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/postgres_password").write_text("chosen\n")
    new = generate_for_compose(tmp_path)
    assert (tmp_path / "secrets/postgres_password") not in new
    assert "nightdesk:chosen@postgres" in (tmp_path / "secrets/database_url").read_text()
    assert (tmp_path / ".env").read_text().startswith("DOCKER_GID=")


def test_the_token_of_a_bot_that_pushes_is_nightdesks_own(desk: Desk):
    config = desk.root / "pushes.yaml"
    config.write_text("bots: {mine: {source: {type: push, token_file: secrets/mine}}}")
    assert desk.root / "secrets/mine" in generate(load([desk.root / "monitoring.yaml", config]))
