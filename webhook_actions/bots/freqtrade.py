"""The adapter for Freqtrade's REST API; tests/fixtures/freqtrade/actions.json shows each answer."""

import time
from collections.abc import Callable

import requests

from stack.settings import FreqtradeBot
from webhook_actions.outcome import Outcome


class FreqtradeAdapter:
    """Speaks Freqtrade's API with basic authentication. Its refusals are 502 with the reason in the body."""

    def __init__(
        self, bot: FreqtradeBot, timeout: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._url = str(bot.url).rstrip("/")
        self._username = bot.username
        self._password_file = bot.password_file
        self._timeout = timeout
        self._sleep = sleep

    def restart(self, wait: float, key: str) -> Outcome:
        """Stop the trading loop, wait, start it. Freqtrade knows no idempotency keys.

        A bot that its owner stopped or paused is left alone: its start would trade again.
        """
        state = self._state()
        if isinstance(state, Outcome):
            return state
        if state != "running":
            return Outcome.cannot(f"is {state} by its owner's will; a restart would make it trade again")
        stopped = self._call("POST", "stop")
        if not stopped.done:
            return stopped
        self._sleep(wait)
        return self._call("POST", "start")

    def answers(self) -> Outcome:
        """Return done when the bot says that it runs."""
        state = self._state()
        if isinstance(state, Outcome):
            return state
        return Outcome.ok(state) if state == "running" else Outcome.retry(f"its state is {state}")

    def _state(self) -> str | Outcome:
        answer = self._request("GET", "show_config")
        if isinstance(answer, Outcome):
            return answer
        outcome = _judge("GET show_config", answer)
        if not outcome.done:
            return outcome
        try:
            return str(answer.json()["state"])
        except (ValueError, KeyError, TypeError):
            return Outcome.failed("GET show_config: the answer has no state; is this Freqtrade's API?")

    def _call(self, method: str, path: str) -> Outcome:
        answer = self._request(method, path)
        return answer if isinstance(answer, Outcome) else _judge(f"{method} {path}", answer)

    def _request(self, method: str, path: str) -> requests.Response | Outcome:
        try:
            password = self._password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            return Outcome.failed(f"{self._password_file} cannot be read: {type(error).__name__}")
        try:
            return requests.request(
                method, f"{self._url}/api/v1/{path}", auth=(self._username, password), timeout=self._timeout
            )
        except requests.RequestException as error:
            return Outcome.retry(f"{method} {path}: {type(error).__name__}")


def _judge(call: str, answer: requests.Response) -> Outcome:
    said = f"{call}: {answer.status_code} {answer.text[:300]}"
    if answer.ok:
        return Outcome.ok(said)
    return Outcome.retry(said) if answer.status_code >= 500 else Outcome.failed(said)
