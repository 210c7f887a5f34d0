"""A Telegram bot that receives people's button presses and texts, and answers them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from clients.http import Request, ask_once
from stack.settings import Settings
from webhook_actions.notify.http import field, redacted, retry_after
from webhook_actions.notify.truncate import cut, units

_WAIT = 10  # seconds for which Telegram delays its answer while nothing happens
_PATIENCE = 10.0  # the longest seconds for any answer: another engine takes over soon after one dies
_TOAST = 200  # characters of a notice above the chat
# characters that a person can read before the notice vanishes; a longer one stays until confirmed
_BRIEF = 100
_LONGEST = 4096
_TOO_OLD = 400  # the error for a press that waited too long


class Chat(BaseModel):
    """The chat of a press or message."""

    id: int
    type: Literal["private", "group", "supergroup", "channel"]
    username: str = ""  # the name by which anybody finds a group or channel

    @property
    def is_closed(self) -> bool:
        """Whether only invited people are in the chat."""
        return self.type in ("group", "supergroup") and not self.username


class User(BaseModel):
    """The sender, by the names that they chose."""

    id: int
    first_name: str = ""
    last_name: str = ""


class TelegramMessage(BaseModel):
    """A message; Telegram omits the text of an old one."""

    message_id: int
    chat: Chat
    user: User | None = Field(None, alias="from")
    text: str = ""

    @property
    def command(self) -> str:
        """The command, such as /open, also if it is addressed to one bot of a group; '' for none."""
        first = self.text.split(maxsplit=1)[0] if self.text.strip() else ""
        return first.partition("@")[0] if first.startswith("/") else ""


class Callback(BaseModel):
    """A button press."""

    id: str
    user: User = Field(alias="from")
    message: TelegramMessage | None = None
    data: str = ""


class Update(BaseModel):
    """One update of Telegram."""

    callback_query: Callback | None = None
    message: TelegramMessage | None = None


class Refusal(Exception):
    """Telegram's refusal; the text says why."""

    def __init__(self, status: int, text: str, wait: float | None) -> None:
        super().__init__(f"Telegram answered {status}: {text}")
        self.status = status
        self.retry_after = wait


class Bot:
    """The bot in the settings.

    Each call raises NoAnswer and Refusal, the first also OSError for its token.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises OSError for a token that cannot be read."""
        config = settings.channels.telegram
        if config.token_file is None:
            raise FileNotFoundError("channels.telegram.token_file is not set")
        self._token = config.token_file.read_text(encoding="utf-8").strip()
        self._api = f"{str(config.api_url).rstrip('/')}/bot{self._token}"
        self._timeout = min(float(config.timeout), _PATIENCE)
        self.number = self._token.partition(":")[0]
        self.longest = _WAIT + self._timeout  # seconds of a request

    async def updates(self, offset: int | None) -> list[dict[str, Any]]:
        """Return the updates from a number on; wait for a while if there are none."""
        wanted: dict[str, object] = {"timeout": _WAIT, "allowed_updates": ["callback_query", "message"]}
        if offset is not None:
            wanted["offset"] = offset
        found = await self._call("getUpdates", wanted, self.longest)
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    async def answer(self, callback: str, text: str) -> bool:
        """Answer the person who pressed a button; False if they no longer wait."""
        said = {"callback_query_id": callback, "text": cut(text, _TOAST), "show_alert": len(text) > _BRIEF}
        try:
            await self._call("answerCallbackQuery", said, self._timeout)
        except Refusal as refusal:
            if refusal.status != _TOO_OLD:
                raise
            return False
        return True

    async def edit(self, place: TelegramMessage, line: str, keyboard: dict[str, object]) -> None:
        """Add a line to a message, and other buttons; if its text is unknown, send a message beside it."""
        if not place.text:
            await self.say(place.chat.id, {"text": line, "reply_markup": keyboard})
            return
        room = _LONGEST - units(line) - 2
        changed = {"message_id": place.message_id, "text": f"{cut(place.text, room)}\n\n{line}"}
        await self._write("editMessageText", place.chat.id, changed | {"reply_markup": keyboard})

    async def say(self, chat: int, said: dict[str, object]) -> None:
        """Send a message."""
        await self._write("sendMessage", chat, said)

    def redacted(self, text: str) -> str:
        """Return a text without the token."""
        return redacted(text, (self._token,))

    async def _write(self, method: str, chat: int, said: dict[str, object]) -> None:
        plain = {"chat_id": chat, "link_preview_options": {"is_disabled": True}}
        await self._call(method, plain | said, self._timeout)

    async def _call(self, method: str, said: dict[str, object], seconds: float) -> Any:  # noqa: ANN401
        answer = await ask_once(Request("POST", f"{self._api}/{method}", seconds, json=said))
        if not answer.ok:
            why = self.redacted(field("description")(answer))
            raise Refusal(answer.status, why, retry_after(answer))
        try:
            return answer.json()["result"]
        except (ValueError, KeyError, TypeError):
            raise Refusal(answer.status, "nothing of the Bot API", None) from None
