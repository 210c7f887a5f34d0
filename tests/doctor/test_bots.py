"""Checks of each bot: its address, password, clock, capabilities, capital and restart."""

import base64
from email.utils import formatdate
from pathlib import Path

import pytest

from stack.doctor import bots
from stack.doctor.finding import Finding, Level
from stack.settings import Settings
from tests.conftest import free_port
from tests.doctor.conftest import Make, Server


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("right\n")
    return file


def of_http(url: str, **more: object) -> dict[str, object]:
    return {
        "b": {"source": {"type": "http", "url": url, "token_file": "token"}, "starting_capital": 1} | more
    }


def watched(make: Make, watched: dict[str, object], **more: object) -> Settings:
    return make(bots=watched, services={"prometheus": {"port": free_port()}} | more)


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


def test_a_bot_that_answers_is_green_and_one_with_another_clock_is_not(
    make: Make, server: Server, secret: Path
):
    server.answers, server.token = {"/api/v1/state": (200, {})}, "Bearer right"
    server.headers = {"Date": formatdate(1_000_000_000, usegmt=True)}
    answers, clock = bots.reached(watched(make, of_http(server.url)))
    assert answers.level is Level.GREEN
    assert (clock.level, clock.about) == (Level.RED, "clock of bot b")


def test_a_password_that_a_bot_refuses_is_red_and_names_the_file(make: Make, server: Server, secret: Path):
    server.answers, server.token = {"/api/v1/state": (200, {})}, "Bearer another"
    found = only(list(bots.reached(watched(make, of_http(server.url)))))
    assert (found.level, found.says) == (Level.RED, "refuses our password (HTTP 401)")
    assert str(secret) in found.way_out


def test_a_freqtrade_is_asked_by_name_and_password(make: Make, server: Server, secret: Path):
    server.answers = {"/api/v1/show_config": (200, {})}
    server.token = "Basic " + base64.b64encode(b"anna:right").decode()
    source = {"type": "freqtrade", "url": server.url, "username": "anna", "password_file": "token"}
    found = only(list(bots.reached(watched(make, {"b": {"source": source}}))))
    assert found.level is Level.GREEN


def test_a_bot_that_is_down_elsewhere_or_without_a_secret_is_red(make: Make, server: Server, secret: Path):
    down = only(list(bots.reached(watched(make, of_http(f"http://127.0.0.1:{free_port()}")))))
    assert (down.level, "does not answer" in down.says) == (Level.RED, True)
    elsewhere = only(list(bots.reached(watched(make, of_http(server.url)))))
    assert (elsewhere.level, "HTTP 404" in elsewhere.says) == (Level.RED, True)
    secret.unlink()
    unread = only(list(bots.reached(watched(make, of_http(server.url)))))
    assert (unread.level, "cannot be read" in unread.says) == (Level.RED, True)


def test_a_bot_that_pushes_and_was_not_seen_is_yellow(make: Make, secret: Path):
    push = {"b": {"source": {"type": "push", "token_file": "token"}, "starting_capital": 1}}
    assert only(list(bots.reached(watched(make, push)))).level is Level.YELLOW


def test_versions_and_missing_capabilities_are_reported(make: Make, server: Server, secret: Path):
    def told(name: str, adapter: str | None, version: str | None) -> dict[str, object]:
        cannot = [{"action": "clear_cache", "why": "no way"}]
        return {
            "bot": name,
            "adapter": adapter,
            "version": version,
            "version_unknown": "it is down",
            "cannot": cannot,
        }

    four = {name: next(iter(of_http(server.url).values())) for name in ("known", "blind", "alone", "new")}
    server.answers = {
        "/api/v1/bots": (
            200,
            [told("known", "http", "2.1"), told("blind", "http", None), told("alone", None, None)],
        )
    }
    settings = watched(make, four, webhook_actions={"port": server.port})
    settings.webhook_actions.tokens.read_file.parent.mkdir()
    settings.webhook_actions.tokens.read_file.write_text("read")
    found = {one.about: one for one in bots.capabilities(settings)}
    assert (found["version of known"].level, found["version of known"].says) == (
        Level.GREEN, "2.1; it cannot clear_cache",
    )  # fmt: skip
    assert found["version of blind"].says == "unknown: it is down"
    assert found["version of alone"].level is Level.YELLOW
    assert found["version of new"].level is Level.RED


def test_capital_is_unknown_while_prometheus_does_not_answer(make: Make, secret: Path):
    assert only(list(bots.capital(watched(make, of_http("http://127.0.0.1:1"))))).level is Level.YELLOW


def sample(name: str, value: str, **labels: str) -> dict[str, object]:
    return {"metric": {"__name__": name, **labels}, "value": [1, value]}


def test_a_bot_whose_loss_nothing_would_see_is_red(make: Make, server: Server, secret: Path):
    result = [
        sample("trading_bot_up", "1", bot="b"),
        sample("trading_bot_up", "1", bot="c"),
        sample("trading_bot_drawdown_ratio", "0.1", bot="c"),
    ]
    answer = {"status": "success", "data": {"resultType": "vector", "result": result}}
    server.answers = {"/api/v1/query": (200, answer)}
    both = of_http("http://127.0.0.1:1") | {"c": of_http("http://127.0.0.1:1")["b"]}
    settings = make(bots=both, services={"prometheus": {"port": server.port}})
    assert [(one.about, one.level) for one in bots.capital(settings)] == [
        ("capital of b", Level.RED), ("capital of c", Level.GREEN),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "level", "says"),
    [
        (200, Level.GREEN, "container mine is there"),
        (404, Level.RED, "there is no container mine"),
        (403, Level.YELLOW, "refuses information"),
    ],
)
def test_a_container_is_looked_for_and_never_touched(
    make: Make, server: Server, secret: Path, status: int, level: Level, says: str
):
    path = "/v1.44/containers/mine/json"
    server.answers = {"/version": (200, {"ApiVersion": "1.44"}), path: (status, {"message": "because"})}
    restart = {"type": "docker", "container": "mine", "url": f"tcp://127.0.0.1:{server.port}"}
    found = only(list(bots.restarts(watched(make, of_http("http://127.0.0.1:1", restart=restart)))))
    assert (found.level, says in found.says) == (level, True)
    assert set(server.asked) == {"/version", path}


def test_a_docker_that_is_not_reached_is_red(make: Make, secret: Path):
    restart = {"type": "docker", "container": "mine", "url": "unix:///nowhere/docker.sock"}
    found = only(list(bots.restarts(watched(make, of_http("http://127.0.0.1:1", restart=restart)))))
    assert (found.level, "cannot be reached" in found.says) == (Level.RED, True)


def test_a_program_that_is_not_there_or_may_not_run_is_red(make: Make, secret: Path, tmp_path: Path):
    program = tmp_path / "again"
    restart = {"type": "command", "program": "again"}

    def found() -> Finding:
        settings = make(
            bots=of_http("http://127.0.0.1:1", restart=restart),
            actions={"programs": {"again": [str(program)]}},
        )
        return only(list(bots.restarts(settings)))

    assert found().says == f"{program} does not exist"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o600)
    assert (found().level, "may not be run" in found().says) == (Level.RED, True)
    program.chmod(0o700)
    assert found().level is Level.GREEN
