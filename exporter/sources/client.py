"""Calls a bot's HTTP API and says clearly what went wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from clients.http import Answer, NoAnswer, Request
from exporter.sources.protocol import SourceContext, SourceError
from stack.settings.bots import Answering

BODY_LIMIT: Final = (
    64 * 1024 * 1024
)  # bytes; without a limit an endless answer would fill the exporter's memory
_EXACT: Final = 2.0  # seconds: the answer's date has no fractions
_DAY: Final = 86_400.0  # seconds: a larger difference is not a wrong clock
WAY_BROKEN: Final = (
    "the connection to the bot is broken, not the bot: check its url, and the proxy in front of it"
)


def read_secret(file: Path) -> str:
    """Return the secret in a file. Raises SourceError naming the file."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError("auth", f"{file}: cannot be read ({error}); write the bot's secret there") from None


class BotApi:
    """GETs JSON from one bot; `authorization` returns the header's value for each call.

    `ahead` is the seconds by which the bot's clock was ahead of ours at the last answer.
    """

    def __init__(self, bot: Answering, surroundings: SourceContext, authorization: Callable[[], str]) -> None:
        self._url = str(bot.url).rstrip("/")
        self._way = bot.way
        self._http = surroundings.http
        self._timeout = surroundings.timeout
        self._authorization = authorization
        self._clock = surroundings.clock
        self.ahead = 0.0

    async def get(self, path: str, **query: str | int) -> object:
        """Return the answer's JSON.

        Raises SourceError with the reason, and the status of a refusal by the API.
        """
        where = f"{self._url}{path}"
        headers = {"Authorization": self._authorization(), "Accept": "application/json"}
        asked = f"{where}?{urlencode(query)}" if query else where
        request = Request("GET", asked, self._timeout, headers, way=self._way, largest=BODY_LIMIT)
        try:
            answer = await self._http.ask(request)
        except NoAnswer as error:
            said = f"{where}: {error}"
            if error.cause == "way":
                raise SourceError("way", f"{said}; {WAY_BROKEN}") from None
            raise SourceError("parse" if error.cause == "too_long" else error.cause, said) from None
        if answer.date is not None:
            apart = answer.date - self._clock()
            self.ahead = apart if _EXACT < abs(apart) < _DAY else 0.0
        if answer.status != 200:
            raise _refused(where, answer)
        try:
            return answer.json()
        except ValueError as error:
            raise SourceError("parse", f"{where}: not JSON: {error}") from None


def _refused(where: str, answer: Answer) -> SourceError:
    """Return the error for an answer other than 200."""
    told, status = f"{where}: answered {answer.status}", answer.status
    if status in (401, 403):
        advice = "check the user, the password or token, and the secret's file"
        return SourceError("auth", f"{told}; {advice}", status)
    said = f"{told}: {answer.text[:200]}"
    # A proxy answers 502 to 504 if it finds no bot: the bot may be down.
    if 300 <= status < 500 and status != 408:
        return SourceError("way", f"{said}; {WAY_BROKEN}", status if answer.is_own else None)
    return SourceError("http", said, status if answer.is_own else None)
