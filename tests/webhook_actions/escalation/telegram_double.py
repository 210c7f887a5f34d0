"""A Telegram bot's server with its chats, as strict as https://core.telegram.org/bots/api says."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

Error = Callable[[int, str], Exception]

_HOLDS = 0.3  # seconds, at most, that an answer to getUpdates is held back here
_PRESSED, _TOO_OLD = "query", "query is too old and response timeout expired or query ID is invalid"

_HOOKED = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)
_TERMINATED = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
)


class TelegramDouble:
    """Chats, the button presses in them, and the answers."""

    def __init__(self, error: Error) -> None:
        """`error` makes the server's exception from a status and a description."""
        self.messages: dict[tuple[str, int], dict[str, Any]] = {}  # by chat and number
        self.toasts: dict[str, str] = {}  # by press
        self.updates: list[dict[str, Any]] = []  # that are not confirmed yet
        self.asked: list[int | None] = []  # the offsets
        self.conflicts = 0
        self.expired = set[str]()  # presses whose client no longer waits
        self.webhook = False  # whether a webhook is set, which makes getUpdates fail
        self._error = error
        self._next_update, self._presses = 1000, 0
        self._asking: object = None
        self._lock = threading.Condition()

    def take(self, method: str, said: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a call."""
        calls = {
            "sendMessage": self._send,
            "getUpdates": self._get_updates,
            "answerCallbackQuery": self._answer,
            "editMessageText": self._edit,
        }
        if method not in calls:
            raise self._error(404, "Not Found")
        return {"ok": True, "result": calls[method](said)}

    def press(self, message: dict[str, Any], says: str, user: int, **more: Any) -> str:
        """Press the button with this text below a message, and return the press's id."""
        rows = message["reply_markup"]["inline_keyboard"]
        [data] = [
            button["callback_data"] for row in rows for button in row if button["text"].startswith(says)
        ]
        return self.press_data(message, data, user, **more)

    def press_data(self, message: dict[str, Any], data: str, user: int, **more: Any) -> str:
        """Press with any data, as a person's own client may."""
        with self._lock:
            self._presses += 1
            id_ = f"{_PRESSED}{self._presses}"
            who = {"id": user, "is_bot": False, "first_name": more.pop("first_name", "Anna")}
            chat = message["chat"] | more
            shown = {key: message[key] for key in ("message_id", "date", "text") if key in message}
            query = {
                "id": id_,
                "from": who,
                "message": shown | {"chat": chat},
                "chat_instance": "1",
                "data": data,
            }
            self.tell({"callback_query": query})
        return id_

    def write(self, chat: int, text: str, user: int, kind: str = "private") -> None:
        """Write a message to the bot."""
        place = {"id": chat, "type": kind}
        said = {
            "message_id": 1,
            "date": 1,
            "chat": place,
            "from": {"id": user, "is_bot": False},
            "text": text,
        }
        self.tell({"message": said})

    def tell(self, update: dict[str, Any], number: int | None = None) -> int:
        """Add a waiting update, with the next number or another."""
        with self._lock:
            if number is None:
                number, self._next_update = self._next_update, self._next_update + 1
            self.updates.append({"update_id": number, **update})
            self._lock.notify_all()
        return number

    def _get_updates(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        if unknown := said.keys() - {"offset", "limit", "timeout", "allowed_updates"}:
            raise self._error(400, f"Bad Request: {unknown}")
        if not 0 <= said.get("timeout", 0) <= 50 or not isinstance(said.get("allowed_updates", []), list):
            raise self._error(400, "Bad Request: wrong timeout or allowed_updates")
        if self.webhook:
            raise self._error(409, _HOOKED)
        mine = object()
        with self._lock:
            self.asked.append(said.get("offset"))
            self._asking = mine
            self._lock.notify_all()
            if "offset" in said:
                self.updates = [one for one in self.updates if one["update_id"] >= said["offset"]]
            deadline = time.monotonic() + min(said.get("timeout", 0), _HOLDS)
            while not self.updates and self._asking is mine and (left := deadline - time.monotonic()) > 0:
                self._lock.wait(left)
            if self._asking is not mine:
                self.conflicts += 1
                raise self._error(409, _TERMINATED)
            self._asking = None
            return list(self.updates)[:100]

    def _send(self, said: dict[str, Any]) -> dict[str, Any]:
        self._check(said)
        chat = said["chat_id"]
        with self._lock:
            number = len(self.messages) + 1
            kind = "channel" if isinstance(chat, str) else "private" if chat > 0 else "supergroup"
            message = {
                "message_id": number,
                "date": 1,
                "chat": {"id": chat, "type": kind},
                "text": said["text"],
                "reply_markup": said.get("reply_markup"),
            }
            self.messages[str(chat), number] = message
        return message

    def _edit(self, said: dict[str, Any]) -> dict[str, Any]:
        self._check(said)
        message = self.messages.get((str(said["chat_id"]), said.get("message_id", 0)))
        if message is None:
            raise self._error(400, "Bad Request: message to edit not found")
        changed = {"text": said["text"], "reply_markup": said.get("reply_markup")}
        if all(message[key] == value for key, value in changed.items()):
            raise self._error(400, "Bad Request: message is not modified")
        message.update(changed)
        return message

    def _answer(self, said: dict[str, Any]) -> bool:
        id_ = said["callback_query_id"]
        if id_ in self.toasts or id_ in self.expired or not str(id_).startswith(_PRESSED):
            raise self._error(400, f"Bad Request: {_TOO_OLD}")
        if len(said.get("text", "")) > 200:
            raise self._error(400, "Bad Request: MESSAGE_TOO_LONG")
        self.toasts[id_] = said.get("text", "")
        return True

    def _check(self, said: dict[str, Any]) -> None:
        if not said.get("text"):
            raise self._error(400, "Bad Request: message text is empty")
        if len(said["text"].encode("utf-16-le")) // 2 > 4096:
            raise self._error(400, "Bad Request: message is too long")
        chat = said.get("chat_id")
        if not isinstance(chat, int) and not str(chat).startswith("@"):
            raise self._error(400, "Bad Request: chat not found")
        for row in (said.get("reply_markup") or {}).get("inline_keyboard", []):
            if not row:
                raise self._error(400, "Bad Request: can't parse inline keyboard button: row is empty")
            for button in row:
                if not button.get("text") or len({"callback_data", "url"} & button.keys()) != 1:
                    raise self._error(400, "Bad Request: can't parse inline keyboard button")
                if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= 64:
                    raise self._error(400, "Bad Request: BUTTON_DATA_INVALID")


def read(body: str) -> dict[str, Any]:
    """Return the parameters of a call."""
    said = json.loads(body)
    assert isinstance(said, dict)
    return said
