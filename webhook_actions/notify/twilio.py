"""SMS and phone calls by Twilio."""

from xml.sax.saxutils import escape

from stack.settings import Settings
from webhook_actions.notify.http import json_field, post
from webhook_actions.notify.message import Message
from webhook_actions.outcome import Outcome


def send_sms(settings: Settings, address: str, message: Message) -> Outcome:
    """Send an SMS."""
    return _post(settings, "sms", "Messages", address, {"Body": message.short})


def call(settings: Settings, address: str, message: Message) -> Outcome:
    """Call, and say it twice."""
    say = f"<Say>{escape(message.spoken)}</Say>"
    twiml = f'<Response><Pause length="1"/>{say}<Pause length="1"/>{say}</Response>'
    return _post(settings, "phone", "Calls", address, {"Twiml": twiml})


def _post(settings: Settings, channel: str, resource: str, address: str, fields: dict[str, str]) -> Outcome:
    config = settings.channels.sms if channel == "sms" else settings.channels.phone
    if config.token_file is None:
        return Outcome.failed(f"{channel}: channels.{channel}.token_file is not set")
    token = config.token_file.read_text(encoding="utf-8").strip()
    return post(
        "Twilio",
        f"{str(config.api_url).rstrip('/')}/2010-04-01/Accounts/{config.account}/{resource}.json",
        timeout=config.timeout,
        secrets=(token,),
        reason=json_field("message"),
        auth=(config.account, token),
        data={"To": address, "From": config.from_, **fields},
    )
