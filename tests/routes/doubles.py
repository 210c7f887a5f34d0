"""Strict doubles of the HTTP services to which Alertmanager sends."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from typing import Any

RECEIVE_TOKEN = "the-receive-token"
TELEGRAM_TOKEN = "1:secret"
CHAT = 42

Answer = tuple[int, bytes]
Headers = Mapping[str, str]


@dataclass
class Sent:
    """The accepted messages by service; `refused` has the refused ones, and why."""

    webhooks: list[dict[str, Any]] = field(default_factory=list)
    telegram: list[str] = field(default_factory=list)
    slack: list[dict[str, Any]] = field(default_factory=list)
    watchdog: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Refused(Exception):
    """A service refuses, with this status and answer."""

    def __init__(self, status: int, answer: str) -> None:
        super().__init__(answer)
        self.status = status


def handler(sent: Sent) -> type[BaseHTTPRequestHandler]:
    """Return the handler that answers for all services, each at its path."""
    services: dict[str, Callable[[Sent, Headers, bytes], bytes]] = {
        "/api/v1/alerts": _webhook_actions,
        f"/bot{TELEGRAM_TOKEN}/sendMessage": _telegram,
        "/slack": _slack,
        "/api/v1/watchdog": _watchdog,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = self._answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _answer(self, body: bytes) -> Answer:
            try:
                if self.path not in services:
                    raise Refused(404, f"nothing is at {self.path}")
                return 200, services[self.path](sent, self.headers, body)
            except Refused as refused:
                sent.refused.append(f"{self.path}: {refused}")
                return refused.status, str(refused).encode()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _webhook_actions(sent: Sent, headers: Headers, body: bytes) -> bytes:
    if headers["Authorization"] != f"Bearer {RECEIVE_TOKEN}":
        raise Refused(401, "{}")
    sent.webhooks.append(json.loads(body))
    return b"{}"


def _watchdog(sent: Sent, headers: Headers, body: bytes) -> bytes:
    if headers["Authorization"] != f"Bearer {RECEIVE_TOKEN}":
        raise Refused(401, "{}")
    sent.watchdog.append(json.loads(body))
    return b"ok"


def _telegram(sent: Sent, _headers: Headers, body: bytes) -> bytes:
    """Take a message as https://core.telegram.org/bots/api#sendmessage requires; keep its shown text."""
    message = json.loads(body)

    def refused(description: str) -> Refused:
        answer = {"ok": False, "error_code": 400, "description": f"Bad Request: {description}"}
        return Refused(400, json.dumps(answer))

    if str(message.get("chat_id")) != str(CHAT):
        raise refused("chat not found")
    if message.get("parse_mode") not in (None, "HTML"):
        raise refused("only HTML keeps every name whole")
    shown = message.get("text", "")
    if message.get("parse_mode"):
        try:
            shown = Shown.of(shown)
        except ValueError as error:
            raise refused(f"can't parse entities: {error}") from error
    if not shown.strip():
        raise refused("message text is empty")
    if len(shown.encode("utf-16-le")) // 2 > 4096:
        raise refused("message is too long")
    sent.telegram.append(shown)
    chat = {"id": CHAT, "type": "private"}
    return json.dumps({"ok": True, "result": {"message_id": 1, "date": 1, "chat": chat}}).encode()


class Shown(HTMLParser):
    """The text that Telegram shows for HTML; a link is followed by its address in parentheses."""

    TAGS = frozenset(
        ("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "a", "code", "pre", "blockquote", "span")
    )
    ENTITIES = re.compile(r"&(lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, str]] = []
        self._text: list[str] = []

    @classmethod
    def of(cls, text: str) -> str:
        """Return the shown text. Raises ValueError for HTML that Telegram cannot parse."""
        if bare := re.search(r"&", cls.ENTITIES.sub("", text)):
            raise ValueError(f"unsupported entity at {bare.start()}")
        parser = cls()
        parser.feed(text)
        parser.close()
        if parser._open:
            raise ValueError(f"can't find end tag of {parser._open[-1][0]}")
        return "".join(parser._text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.TAGS:
            raise ValueError(f'unsupported start tag "{tag}"')
        self._open.append((tag, dict(attrs).get("href") or ""))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            raise ValueError(f'unexpected end tag "{tag}"')
        _, link = self._open.pop()
        if link:
            self._text.append(f" ({link})")

    def handle_data(self, data: str) -> None:
        self._text.append(data)


SLACK_KEYS = {"channel", "username", "icon_emoji", "icon_url", "link_names", "text", "attachments"}


def _slack(sent: Sent, headers: Headers, body: bytes) -> bytes:
    """Take a message as https://api.slack.com/incoming-webhooks requires; keep its shown texts."""
    if not headers["Content-Type"].startswith("application/json"):
        raise Refused(400, "invalid_payload")
    message = json.loads(body)
    if message.keys() - SLACK_KEYS:
        raise Refused(400, "invalid_payload")
    if not re.fullmatch(r"#[a-z0-9_-]{1,80}", message.get("channel", "")):
        raise Refused(404, "channel_not_found")
    attachments = message.get("attachments", [])
    if not message.get("text") and not attachments:
        raise Refused(400, "no_text")
    if len(attachments) > 100:
        raise Refused(400, "too_many_attachments")
    for attachment in attachments:
        if not re.fullmatch(r"#[0-9a-f]{6}|good|warning|danger", attachment.get("color", "good")):
            raise Refused(400, "invalid_attachments")
        for part in ("title", "text", "fallback"):
            if len(attachment.get(part, "")) > 40_000:
                raise Refused(400, "msg_too_long")
        for part in ("title", "text"):
            attachment[part] = _as_slack_shows(attachment.get(part, ""))
    sent.slack.append(message)
    return b"ok"


def _as_slack_shows(text: str) -> str:
    """Return a text as Slack shows it: links as words and address, the three characters unescaped.

    The double refuses a mention or a false link: Slack would call a person or hide the text.
    """
    links = re.compile(r"<(https?://[^|<>]+)\|([^<>]+)>")
    rest = links.sub("", text)
    if re.search(r"[<>]|&(?!lt;|gt;|amp;)", rest):
        raise Refused(400, "invalid_attachments")
    shown = links.sub(r"\2 (\1)", text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
