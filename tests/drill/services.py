"""Telegram, Slack, Twilio and ntfy on one port: each refuses what the real service would."""

import json
from typing import Any

from tests.webhook_actions.escalation.fakes import Fakes, ReceivedRequest, Refusal, ntfy_actions

CHAT = -100123
TOPIC = "nightdesk-canary-topic"


class Services(Fakes):
    """The strict doubles; `revoked` names services whose secret is no longer valid."""

    def __init__(self) -> None:
        super().__init__()
        self.revoked: set[str] = set()

    def take(self, path: str, headers: dict[str, str], body: str) -> tuple[ReceivedRequest, int, object]:
        """Answer as the real service does."""
        first = path.strip("/").split("/")[0]
        if first == "2010-04-01" and "twilio" in self.revoked:
            raise Refusal(401, {"code": 20003, "message": "Authenticate", "status": 401})
        if first.startswith("bot") and path.endswith("/sendMessage"):
            got, status, _ = super().take(path, headers, self._chat(body))
            chat = {"id": CHAT, "type": "private"}  # Alertmanager does not check it
            return got, status, {"ok": True, "result": {"message_id": 1, "date": 1, "chat": chat}}
        if first == "services":
            return self._incoming(path, body)
        if self._is_ntfy(path, body):
            ntfy_actions(headers)
            return self._publish(path, body)
        return super().take(path, headers, body)

    def _chat(self, body: str) -> str:
        """Return a message in our own sender's form: Alertmanager sends the chat's number as a text."""
        if "telegram" in self.revoked:
            raise Refusal(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
        message = json.loads(body)
        if str(message.get("chat_id")) != str(CHAT):
            raise Refusal(400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"})
        return json.dumps(message | {"chat_id": CHAT})

    def _incoming(self, path: str, body: str) -> tuple[ReceivedRequest, int, object]:
        """Take what Slack takes: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""
        if "slack" in self.revoked or not path.endswith("slack-canary-secret"):
            raise Refusal(403, "invalid_token")
        message = json.loads(body)
        shown = message.get("text") or message["attachments"][0]["fallback"]
        return ReceivedRequest("slack", message.get("channel", ""), shown), 200, "ok"

    @staticmethod
    def _is_ntfy(path: str, body: str) -> bool:
        try:
            return path == "/" and "topic" in json.loads(body)
        except ValueError:
            return False

    def _publish(self, path: str, body: str) -> tuple[ReceivedRequest, int, object]:
        """Take a message to the one topic that this user may write: https://docs.ntfy.sh/publish/#publish-as-json."""
        message: dict[str, Any] = json.loads(body)
        if message["topic"] != TOPIC:
            refused = {
                "code": 40301,
                "http": 403,
                "error": "forbidden",
                "link": "https://ntfy.sh/docs/publish/#authentication",
            }
            raise Refusal(403, refused)
        return (
            ReceivedRequest("ntfy", TOPIC, message.get("message", "")),
            200,
            {"id": "x", "event": "message"},
        )
