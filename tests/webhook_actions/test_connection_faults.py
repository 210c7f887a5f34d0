"""A broken connection is not a broken bot: Nightdesk restarts nothing."""

import sys
from pathlib import Path

import pytest

from clients.http import Answer, Request, Unsent
from clients.observer import Observer
from stack.settings import HttpBot
from webhook_actions.bots import BotControl
from webhook_actions.bots.calls import refused
from webhook_actions.bots.command import CommandAdapter
from webhook_actions.bots.http import HttpAdapter
from webhook_actions.outcome import Result

NO_SENSES = Observer(["http://127.0.0.1:9"], [], 0.5)  # an address where nothing listens
RESTARTS = [sys.executable, "-c", "print('restarted')"]


def free() -> None:
    """Allow every request."""


BEHIND_A_PROXY = [
    (301, b"<html>Moved Permanently</html>"),
    (404, b"<html>Not Found</html>"),
    (407, b"<html>Proxy Authentication Required</html>"),
    (429, b"<html>Too Many Requests</html>"),
]


@pytest.mark.parametrize(("status", "body"), BEHIND_A_PROXY)
def test_where_the_way_to_a_bot_is_broken_the_bot_is_not_restarted(
    tmp_path: Path, status: int, body: bytes
) -> None:
    (tmp_path / "token").write_text("secret")
    access = HttpBot(type="http", url="http://bot", token_file=tmp_path / "token")
    adapter = HttpAdapter(access, 0.5, free, ask=lambda _: Answer(status, body))
    program = CommandAdapter(RESTARTS, "alpha", 20, free)
    bot = BotControl("alpha", "step-1", program, adapter, NO_SENSES, 0, 5, keep=0.5)
    outcome = bot.restart()
    assert (outcome.result, outcome.orders) == (Result.FAILED, 0)
    assert "the connection to the bot is broken, not the bot" in outcome.detail


OF_A_PROXY = [
    b'{"message": "no Route matched with those values", "request_id": "1a2b"}',
    b'{"message": "Not Found"}',
    b'{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no such upstream"}',
    b'{"timestamp": "2026-01-01T00:00:00Z", "status": 404, "error": "Not Found", "path": "/api/v1/pause"}',
]


@pytest.mark.parametrize("body", OF_A_PROXY)
@pytest.mark.parametrize("status", [404, 405, 422, 501])
def test_what_a_proxy_says_in_json_is_not_the_bots_own_word(status: int, body: bytes) -> None:
    said = refused("POST pause", Answer(status, body))
    assert said.result is not Result.CANNOT


@pytest.mark.parametrize(
    "body", [b'{"detail": "Not Found"}', b'{"error": "unknown verb", "known": ["pause"]}', b'{"detail": []}']
)
def test_what_a_bot_says_that_it_does_not_know_it_cannot_do(body: bytes) -> None:
    assert refused("POST pause", Answer(404, body)).result is Result.CANNOT


def test_where_a_certificate_is_not_trusted_the_bot_is_not_restarted(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")

    def ask(_: Request) -> Answer:
        raise Unsent("its certificate is not trusted: self-signed", "way")

    access = HttpBot(type="http", url="https://bot", token_file=tmp_path / "token")
    adapter = HttpAdapter(access, 0.5, free, ask=ask)
    program = CommandAdapter(RESTARTS, "alpha", 20, free)
    bot = BotControl("alpha", "step-1", program, adapter, NO_SENSES, 0, 5, keep=0.5)
    assert bot.restart().result is Result.FAILED
