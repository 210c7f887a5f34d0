"""Who may call the API, and how it answers invalid requests."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from demo_bot.arguments import FAULTS, VERBS
from demo_bot.middleware import BODY_LIMIT
from tests.demo_bot.conftest import TOKEN, Bot

DOCUMENT = Path(__file__).parents[2] / "docs" / "bot-api.yaml"


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1]])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/state"),
        ("GET", "/trades"),
        ("POST", "/control/stop"),
        ("POST", "/faults/crash"),
        ("GET", "/x"),
    ],
)
def test_without_the_token_nothing_is_shown_or_done(
    bot: Bot, token: str | None, method: str, path: str
) -> None:
    answer = bot.ask(method, path, token, data=b"{not json")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN not in answer.text
    assert bot.state()["state"] == "running"


def test_healthz_is_open(bot: Bot) -> None:
    assert bot.is_up()


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("close_positions", b""),
        ("close_positions", b"{}"),
        ("close_positions", b'{"scope": "some"}'),
        ("close_positions", b'{"scope": "all", "symbols": ["BTC/USDT"]}'),
        ("close_positions", b'{"symbols": []}'),
        ("reduce_positions", b'{"factor": 1.5}'),
        ("reduce_positions", b'{"factor": NaN}'),
        ("reduce_positions", b'{"factor": 1e999}'),
        ("restart", b'{"wait": -1}'),
        ("pause", b'{"for": "ever"}'),
        ("pause", b"{not json"),
        ("pause", b"\xff\xfe\x00"),
        ("pause", b"[" * 60_000),
        ("pause", b'"pause"'),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_done(bot: Bot, verb: str, body: bytes) -> None:
    answer = bot.ask("POST", f"/control/{verb}", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json().keys() == {"error"}
    assert bot.state()["state"] == "running"


def test_a_form_is_answered_with_the_way_out(bot: Bot) -> None:
    answer = bot.ask("POST", "/control/reduce_positions", data={"factor": "0.5"})
    assert answer.status_code == 422
    assert "Content-Type: application/json" in answer.json()["error"]


def test_a_verb_without_arguments_needs_no_body(bot: Bot) -> None:
    for body in (b"", b"{}"):
        answer = bot.ask(
            "POST", "/control/clear_cache", data=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 200


def test_an_unknown_verb_is_answered_with_the_known_ones(bot: Bot) -> None:
    answer = bot.control("self_destruct")
    assert (answer.status_code, answer.json()["known"]) == (404, list(VERBS))


@pytest.mark.parametrize("query", ["since_id=-1", "since_id=x", "limit=0", "limit=1001", "limit=1e3"])
def test_a_page_out_of_range_is_refused(bot: Bot, query: str) -> None:
    answer = bot.ask("GET", f"/trades?{query}")
    assert answer.status_code == 422
    assert query.split("=")[0] in answer.json()["error"]


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_an_idempotency_key_out_of_bounds_is_refused(bot: Bot, key: str) -> None:
    answer = bot.ask("POST", "/control/pause", headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert bot.state()["state"] == "running"


def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(bot: Bot) -> None:
    assert bot.ask("POST", "/control/pause", data=b" " * (BODY_LIMIT + 1)).status_code == 413
    endless = iter([b" " * BODY_LIMIT, b" "])
    assert bot.ask("POST", "/control/pause", data=endless).status_code == 413


def test_bytes_that_are_not_http_disturb_nothing(bot: Bot) -> None:
    with socket.create_connection(("127.0.0.1", bot.port), timeout=5) as raw:
        raw.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert bot.state()["state"] == "running"


def test_the_committed_document_is_what_the_application_says() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "demo_bot", "openapi"], capture_output=True, text=True, check=True
    ).stdout
    assert DOCUMENT.read_text() == printed, "run: python -m demo_bot openapi > docs/bot-api.yaml"


def test_the_document_names_every_verb_and_fault() -> None:
    document = yaml.safe_load(DOCUMENT.read_text())
    assert document["openapi"].startswith("3.1")
    paths = document["paths"].keys()
    assert {f"/api/v1/control/{verb}" for verb in VERBS} <= paths
    assert {f"/api/v1/faults/{fault}" for fault in FAULTS} <= paths
