"""Settings read anew by a running engine: nothing under way is lost, and bad settings change nothing."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from tests.conftest import eventually
from tests.webhook_actions.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, "one", "two")
    try:
        world.start_prometheus()
        world.start_engine()
        yield world
    finally:
        world.close()


def change(world: World, **settings: object) -> None:
    world.config.write_text(yaml.safe_dump(yaml.safe_load(world.config.read_text()) | settings))


def ask(world: World, method: str, path: str, token: str) -> requests.Response:
    url = f"http://127.0.0.1:{world.ports['webhook_actions']}{path}"
    return requests.request(method, url, headers={"Authorization": f"Bearer {token}-secret"}, timeout=30)


def test_an_action_under_way_is_finished_once_and_new_settings_count_for_the_next(world: World):
    world.bots.by_name["one"].pause = 3.0
    world.goes_down("one")
    world.deliver(world.alert("one"))
    eventually(lambda: world.bots.by_name["one"].restarts, what="the start of the restart")
    change(world, actions={"dry_run": True})
    assert ask(world, "POST", "/-/reload", "reload").status_code == 200
    eventually(lambda: world.incident("one")["closed_at"], within=60, what="the end of the first incident")
    assert len(world.bots.by_name["one"].restarts) == 1
    world.goes_down("two")
    world.deliver(world.alert("two"))
    step = eventually(lambda: world.incident("two")["runs"], within=60, what="a step of dry run")[0]
    assert step["outcome"] == "would_have"
    assert world.bots.by_name["two"].restarts == []


def test_no_webhook_is_refused_while_settings_are_read_anew(world: World):
    process = world.engine
    assert process is not None
    before = world.metric("nightdesk_config_last_reload_success_timestamp_seconds")
    for _ in range(3):
        os.kill(process.pid, signal.SIGHUP)
    answers = set()
    until = time.monotonic() + 60
    while world.metric("nightdesk_config_last_reload_success_timestamp_seconds") == before:
        answers.add(ask(world, "GET", "/healthz", "read").status_code)
        assert time.monotonic() < until
    assert answers <= {200}
    assert process.poll() is None


def test_settings_that_cannot_be_used_are_named_to_who_has_the_token_and_those_before_stay(world: World):
    good = world.config.read_text()
    for token in ("receive", "read", "no"):
        assert ask(world, "POST", "/-/reload", token).status_code == 401
    change(world, acions={})
    refused = ask(world, "POST", "/-/reload", "reload")
    assert refused.status_code == 422
    assert "did you mean actions" in refused.text
    assert world.metric("nightdesk_config_last_reload_successful") == 0
    world.config.write_text(good)
    (world.directory / "read_token").rename(world.directory / "gone")
    refused = ask(world, "POST", "/-/reload", "act")
    assert (refused.status_code, "read_token" in refused.text) == (422, True)
    (world.directory / "gone").rename(world.directory / "read_token")
    assert ask(world, "POST", "/-/reload", "act").status_code == 200
    assert world.metric("nightdesk_config_last_reload_successful") == 1


def test_a_token_changes_without_a_restart(world: World):
    (world.directory / "read_token").write_text("other-secret\n")
    assert ask(world, "GET", "/metrics", "read").status_code == 200
    assert ask(world, "POST", "/-/reload", "reload").status_code == 200
    assert ask(world, "GET", "/metrics", "read").status_code == 401
    assert ask(world, "GET", "/metrics", "other").status_code == 200
