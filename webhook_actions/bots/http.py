"""The adapter for bots that answer Nightdesk's bot API (docs/bot-api.md)."""

import requests

from stack.settings import HttpBot
from webhook_actions.outcome import Outcome


class HttpAdapter:
    """Speaks the bot API: bearer token, control verbs with idempotency keys."""

    def __init__(self, bot: HttpBot, timeout: float) -> None:
        self._url = str(bot.url).rstrip("/")
        self._token_file = bot.token_file
        self._timeout = timeout

    def restart(self, wait: float, key: str) -> Outcome:
        """Ask whoever supervises the bot to stop it, wait, and start it."""
        return self._control("restart", {"wait": wait}, key, self._timeout + wait)

    def answers(self) -> Outcome:
        """Return done when the bot says its state."""
        return self._call("GET", "state", None, {}, self._timeout)

    def _control(self, verb: str, arguments: dict[str, object], key: str, timeout: float) -> Outcome:
        return self._call("POST", f"control/{verb}", arguments, {"Idempotency-Key": key}, timeout)

    def _call(
        self, method: str, path: str, body: dict[str, object] | None, headers: dict[str, str], timeout: float
    ) -> Outcome:
        try:
            token = self._token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            return Outcome.failed(f"{self._token_file} cannot be read: {type(error).__name__}")
        try:
            answer = requests.request(
                method,
                f"{self._url}/api/v1/{path}",
                json=body,
                headers={"Authorization": f"Bearer {token}", **headers},
                timeout=timeout,
            )
        except requests.RequestException as error:
            return Outcome.retry(f"{method} {path}: {type(error).__name__}")
        said = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        if answer.ok:
            return Outcome.ok(said)
        if answer.status_code in (404, 405, 501):
            return Outcome.cannot(said)
        return Outcome.retry(said) if answer.status_code >= 500 else Outcome.failed(said)
