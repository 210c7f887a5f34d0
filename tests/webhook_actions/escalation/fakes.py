"""Twilio, Telegram, Slack, Grafana and a receiver of webhooks on one port, as strict as the real ones."""

import base64
import contextlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
from xml.etree import ElementTree

from tests.webhook_actions.escalation.telegram_double import TelegramDouble, read

ACCOUNT, TWILIO_TOKEN = "AC0123456789abcdef0123456789abcdef", "twilio-canary-token"
TELEGRAM_TOKEN = "123456789:telegram-canary-token"
SLACK_PATH = "/services/T000/B000/slack-canary-secret"
GRAFANA_TOKEN = "glsa_grafana-canary-token"
_PHONE = re.compile(r"^\+[1-9]\d{6,14}$")


@dataclass(frozen=True)
class ReceivedRequest:
    """One request that a service received."""

    service: str
    to: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The real service's answer: a status and a body."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status, self.body = status, body


def _check_gather(document: ElementTree.Element) -> None:
    """Refuse TwiML that Twilio would not carry out: https://www.twilio.com/docs/voice/twiml/gather."""
    for gather in document.iter("Gather"):
        known = {"action", "method", "numDigits", "timeout", "input", "finishOnKey"}
        assert set(gather.keys()) <= known
        assert gather.get("method") == "POST"
        assert {child.tag for child in gather} <= {"Say", "Pause", "Play"}


def ntfy_actions(headers: dict[str, str]) -> list[dict[str, object]]:
    """Return the buttons of a message to ntfy, as strict as https://docs.ntfy.sh/publish/#action-buttons."""
    found = json.loads(headers.get("X-Actions", "[]"))
    refused = {"code": 40018, "http": 400, "error": "invalid request: actions invalid"}
    usual, more = {"action", "label", "url", "clear"}, {"method", "headers", "body"}
    for one in found:
        fits = one.get("action") in ("view", "http") and one.get("label") and one.get("url")
        if not fits or one.keys() - usual - (more if one["action"] == "http" else set()):
            raise Refusal(400, refused)
        if one.get("body") and one.get("method", "POST") == "GET":
            raise Refusal(400, refused)
    if len(found) > 3:
        raise Refusal(400, refused)
    return list(found)


def _telegrams_error(status: int, description: str) -> Refusal:
    return Refusal(status, {"ok": False, "error_code": status, "description": description})


class Fakes:
    """The services. `answers` holds, by service, statuses to answer with before it works again."""

    def __init__(self) -> None:
        self.got: list[ReceivedRequest] = []
        self.tries: list[str] = []
        self.files: list[tuple[str, bytes]] = []  # accepted by Telegram
        self.answers: dict[str, list[int]] = {}
        self.telegram = TelegramDouble(_telegrams_error)
        self.buttons: list[dict[str, object]] = []  # of the last message to ntfy
        self.twiml: list[str] = []  # of calls
        self.retry_after: str | None = None  # a header of a refusal
        self.slow = 0.0  # seconds that an answer takes
        self.statuses: dict[str, list[str]] = {}  # the next answers by service; the last one stays
        self.became: dict[str, list[str]] = {}  # by Twilio's id
        fakes = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                # Bytes of a file that are no text pass unchanged.
                body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode(
                    errors="surrogateescape"
                )
                try:
                    got, status, answer = fakes.take(self.path, dict(self.headers), body)
                    time.sleep(fakes.slow)
                    fakes.got.append(got)
                except Refusal as refusal:
                    status, answer = refusal.status, refusal.body
                data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                with contextlib.suppress(BrokenPipeError):  # the client has gone
                    self.send_response(status)
                    if status == 429 and fakes.retry_after:
                        self.send_header("Retry-After", fakes.retry_after)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            def do_GET(self) -> None:
                status, answer = fakes.tell(self.path, dict(self.headers))
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def to(self, service: str) -> list[str]:
        """Return the recipients of a service's requests, in order."""
        return [got.to for got in self.got if got.service == service]

    def texts(self, service: str) -> list[str]:
        """Return the texts of a service's requests, in order."""
        return [got.text for got in self.got if got.service == service]

    def take(self, path: str, headers: dict[str, str], body: str) -> tuple[ReceivedRequest, int, object]:
        kind = path.strip("/").split("/")
        if kind[0] == "2010-04-01":
            return self._twilio(kind, headers, body)
        if kind[0].startswith("bot"):
            return self._telegram(kind, headers, body)
        if kind[0] == "services":
            return self._slack(path, headers, body)
        if path == "/api/annotations":
            return self._grafana(headers, body)
        if path == "/" and '"topic"' in body:
            self._may_fail("ntfy")
            self.buttons = ntfy_actions(headers)
            return (
                ReceivedRequest("ntfy", json.loads(body)["topic"], json.loads(body).get("message", "")),
                200,
                {"id": "x"},
            )
        self._may_fail("webhook")
        return ReceivedRequest("webhook", path, body, headers), 204, ""

    def tell(self, path: str, headers: dict[str, str]) -> tuple[int, object]:
        """Report the state of a message or a call (twilio.com/docs/messaging/api, .../voice/api)."""
        parts = path.strip("/").split("/")
        given = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if given != f"{ACCOUNT}:{TWILIO_TOKEN}" or parts[2] != ACCOUNT:
            return 401, {"code": 20003, "message": "Authenticate", "status": 401}
        sid = parts[4].removesuffix(".json")
        statuses = self.became.get(sid)
        if statuses is None or parts[3] != {"S": "Messages", "C": "Calls"}[sid[0]]:
            return 404, {"code": 20404, "message": "The requested resource was not found", "status": 404}
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        failed = status in ("undelivered", "failed")
        code, why = (30003, "Unreachable destination handset") if failed else (None, None)
        return 200, {"sid": sid, "status": status, "error_code": code, "error_message": why}

    def _accepted(self, service: str) -> dict[str, str]:
        sid = {"sms": "SM", "phone": "CA"}[service] + f"{len(self.became):032x}"
        usual = {"sms": ["delivered"], "phone": ["completed"]}[service]
        self.became[sid] = list(self.statuses.get(service, usual))
        return {"sid": sid, "status": "queued"}

    def _may_fail(self, service: str) -> None:
        self.tries.append(service)
        if waiting := self.answers.get(service):
            raise Refusal(waiting.pop(0), f"{service} is out of order")

    def _twilio(
        self, path: list[str], headers: dict[str, str], body: str
    ) -> tuple[ReceivedRequest, int, object]:
        service = {"Messages.json": "sms", "Calls.json": "phone"}[path[3]]
        self._may_fail(service)

        def error(status: int, code: int, message: str) -> Refusal:
            return Refusal(status, {"code": code, "message": message, "status": status})

        given = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if given != f"{ACCOUNT}:{TWILIO_TOKEN}" or path[2] != ACCOUNT:
            raise error(401, 20003, "Authenticate")
        if headers["Content-Type"] != "application/x-www-form-urlencoded":
            raise error(400, 21604, "A 'To' phone number is required.")
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if not _PHONE.match(form.get("To", "")):
            raise error(400, 21211, f"The 'To' number {form.get('To')} is not a valid phone number.")
        if not _PHONE.match(form.get("From", "")):
            raise error(400, 21212, "The 'From' number is not a valid phone number.")
        if service == "sms":
            if not 0 < len(form.get("Body", "")) <= 1600:
                raise error(400, 21602, "Message body is required.")
            return ReceivedRequest(service, form["To"], form["Body"]), 201, self._accepted(service)
        if not ({"Twiml", "Url"} & form.keys()):
            raise error(400, 21205, "Url parameter is required.")
        if len(form["Twiml"]) > 4000:
            raise error(400, 21219, "'Twiml' exceeds 4000 characters.")
        document = ElementTree.fromstring(form["Twiml"])  # noqa: S314 - our own
        _check_gather(document)
        said = [say.text or "" for say in document.iter("Say")]
        self.twiml.append(form["Twiml"])
        return ReceivedRequest(service, form["To"], " ".join(said)), 201, self._accepted(service)

    def _document(
        self, headers: dict[str, str], body: str, error: Callable[[int, str], Refusal]
    ) -> tuple[ReceivedRequest, int, object]:
        """Take a file as https://core.telegram.org/bots/api#senddocument wants it."""
        head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
        form = message_from_bytes(head + body.encode(errors="surrogateescape"), policy=policy.HTTP)
        if form.get_content_type() != "multipart/form-data":
            raise error(400, "Bad Request: there is no document in the request")
        parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
        document, caption = parts["document"], parts["caption"].get_payload(decode=True).decode()
        if len(caption.encode("utf-16-le")) // 2 > 1024:
            raise error(400, "Bad Request: message caption is too long")
        if not document.get_payload(decode=True) or not document.get_filename():
            raise error(400, "Bad Request: file must be non-empty")
        chat = parts["chat_id"].get_payload(decode=True).decode()
        self.files.append((document.get_filename(), document.get_payload(decode=True)))
        return ReceivedRequest("telegram", chat, caption), 200, {"ok": True, "result": {"message_id": 1}}

    def _telegram(
        self, path: list[str], headers: dict[str, str], body: str
    ) -> tuple[ReceivedRequest, int, object]:
        error = _telegrams_error
        if path[1].startswith("send"):
            self._may_fail("telegram")

        if path[0] != f"bot{TELEGRAM_TOKEN}":
            raise error(401, f"Unauthorized: {path[0]}")  # as a proxy might, with the token in its answer
        if path[1] == "sendDocument":
            return self._document(headers, body, error)
        if not headers["Content-Type"].startswith("application/json"):
            raise error(404, "Not Found")
        said = read(body)
        result = self.telegram.take(path[1], said)
        return (
            ReceivedRequest(
                "telegram" if path[1] == "sendMessage" else path[1],
                str(said.get("chat_id", "")),
                said.get("text", ""),
            ),
            200,
            result,
        )

    def _slack(self, path: str, headers: dict[str, str], body: str) -> tuple[ReceivedRequest, int, object]:
        self._may_fail("slack")
        if path != SLACK_PATH:
            raise Refusal(403, "invalid_token")
        if not headers["Content-Type"].startswith("application/json"):
            raise Refusal(400, "invalid_payload")
        message = json.loads(body)
        attached = [one.get("fallback", "") for one in message.get("attachments", [])]
        text = message.get("text") or "\n".join(attached)
        if not text:
            raise Refusal(400, "no_text")
        if len(text) > 40_000:
            raise Refusal(400, "msg_too_long")
        return ReceivedRequest("slack", message.get("channel", ""), text), 200, "ok"

    def _grafana(self, headers: dict[str, str], body: str) -> tuple[ReceivedRequest, int, object]:
        self._may_fail("grafana")
        if headers.get("Authorization") != f"Bearer {GRAFANA_TOKEN}":
            raise Refusal(401, {"message": "Invalid API key"})
        annotation = json.loads(body)
        if not annotation.get("text") or not isinstance(annotation.get("time"), int):
            raise Refusal(400, {"message": "Failed to save annotation"})
        return ReceivedRequest("grafana", ",".join(annotation["tags"]), annotation["text"]), 200, {"id": 1}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
