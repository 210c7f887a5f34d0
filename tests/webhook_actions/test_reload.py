"""A running engine reloads settings: it loses no work, and invalid settings change nothing."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from tests.conftest import eventually
from tests.webhook_actions.harness import Harness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path, "one", "two")
    try:
        harness.start_prometheus()
        harness.start_engine()
        yield harness
    finally:
        harness.close()


def change(harness: Harness, **settings: object) -> None:
    harness.config.write_text(yaml.safe_dump(yaml.safe_load(harness.config.read_text()) | settings))


def ask(harness: Harness, method: str, path: str, token: str) -> requests.Response:
    url = f"http://127.0.0.1:{harness.ports['webhook_actions']}{path}"
    return requests.request(method, url, headers={"Authorization": f"Bearer {token}-secret"}, timeout=30)


def test_an_action_under_way_is_finished_once_and_new_settings_count_for_the_next(harness: Harness):
    harness.bots.by_name["one"].pause = 3.0
    harness.goes_down("one")
    harness.deliver(harness.alert("one"))
    eventually(lambda: harness.bots.by_name["one"].restarts, what="the start of the restart")
    change(harness, actions={"dry_run": True})
    assert ask(harness, "POST", "/-/reload", "reload").status_code == 200
    eventually(lambda: harness.incident("one")["closed_at"], within=60, what="the end of the first incident")
    assert len(harness.bots.by_name["one"].restarts) == 1
    harness.goes_down("two")
    harness.deliver(harness.alert("two"))
    step = eventually(lambda: harness.incident("two")["runs"], within=60, what="a step of dry run")[0]
    assert step["outcome"] == "would_have"
    assert harness.bots.by_name["two"].restarts == []


def test_no_webhook_is_refused_during_a_reload(harness: Harness):
    process = harness.engine
    assert process is not None
    before = harness.metric("nightdesk_config_last_reload_success_timestamp_seconds")
    for _ in range(3):
        os.kill(process.pid, signal.SIGHUP)
    answers = set()
    until = time.monotonic() + 60
    while harness.metric("nightdesk_config_last_reload_success_timestamp_seconds") == before:
        answers.add(ask(harness, "GET", "/healthz", "read").status_code)
        assert time.monotonic() < until
    assert answers <= {200}
    assert process.poll() is None


def test_settings_that_cannot_be_used_are_named_to_who_has_the_token_and_those_before_stay(harness: Harness):
    good = harness.config.read_text()
    for token in ("receive", "read", "no"):
        assert ask(harness, "POST", "/-/reload", token).status_code == 401
    change(harness, acions={})
    refused = ask(harness, "POST", "/-/reload", "reload")
    assert refused.status_code == 422
    assert "did you mean actions" in refused.text
    assert harness.metric("nightdesk_config_last_reload_successful") == 0
    harness.config.write_text(good)
    (harness.directory / "read_token").rename(harness.directory / "gone")
    refused = ask(harness, "POST", "/-/reload", "act")
    assert (refused.status_code, "read_token" in refused.text) == (422, True)
    (harness.directory / "gone").rename(harness.directory / "read_token")
    assert ask(harness, "POST", "/-/reload", "act").status_code == 200
    assert harness.metric("nightdesk_config_last_reload_successful") == 1


def test_a_token_changes_without_a_restart(harness: Harness):
    (harness.directory / "read_token").write_text("other-secret\n")
    assert ask(harness, "GET", "/metrics", "read").status_code == 200
    assert ask(harness, "POST", "/-/reload", "reload").status_code == 200
    assert ask(harness, "GET", "/metrics", "read").status_code == 401
    assert ask(harness, "GET", "/metrics", "other").status_code == 200
