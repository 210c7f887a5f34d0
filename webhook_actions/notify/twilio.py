"""SMS and phone calls by Twilio, and what became of them."""

from dataclasses import dataclass
from xml.sax.saxutils import escape

from clients.http import NoAnswer, Request, ask
from stack.settings import Settings
from stack.settings.acting import Twilio
from stack.settings.web import basic
from webhook_actions.notify.cut import cut
from webhook_actions.notify.http import SETTINGS, field, field_or_text, send_to
from webhook_actions.notify.message import Message
from webhook_actions.outcome import Outcome

_SAID = 350  # characters: twice, with each written out as up to five, they are within Twilio's 4,000
_RINGS = 30  # seconds; Twilio's own 60 would be all the time in which the next is to hear of it
_RESOURCES = {"sms": "Messages", "phone": "Calls"}


@dataclass(frozen=True)
class Status:
    """What Twilio says of a message or a call, None where it says nothing now; `reason` is why not."""

    word: str | None
    reason: str = ""


def send_sms(settings: Settings, address: str, message: Message) -> Outcome:
    """Send an SMS. The receipt is Twilio's id of it."""
    return _post(settings, "sms", address, {"Body": message.short})


def call(settings: Settings, address: str, message: Message) -> Outcome:
    """Call, and say it twice. The receipt is Twilio's id of the call."""
    say = f"<Say>{escape(cut(message.spoken, _SAID))}</Say>"
    twiml = f'<Response><Pause length="1"/>{say}<Pause length="1"/>{say}</Response>'
    return _post(settings, "phone", address, {"Twiml": twiml, "Timeout": str(_RINGS)})


def status(settings: Settings, channel: str, receipt: str) -> Status:
    """Return what became of what has a receipt. Raises OSError for a token that cannot be read."""
    config = _config(settings, channel)
    url = f"{_api(config)}/{_RESOURCES[channel]}/{receipt}.json"
    try:
        answer = ask(Request("GET", url, config.timeout, _login(config)))
    except NoAnswer as error:
        return Status(None, f"Twilio is not reached: {error}")
    word = field("status")(answer) if answer.ok else ""
    if not word:
        return Status(None, f"Twilio answered {answer.status}")
    code, text = field("error_code")(answer), field("error_message")(answer)
    return Status(word, " ".join(part for part in (code, text) if part not in ("", "None")))


def _post(settings: Settings, channel: str, address: str, fields: dict[str, str]) -> Outcome:
    config = _config(settings, channel)
    if config.token_file is None:
        return Outcome.failed(f"{channel}: channels.{channel}.token_file is not set", cause=SETTINGS)
    header = _login(config)
    form = {"To": address, "From": config.from_, **fields}
    return send_to(
        "Twilio",
        Request("POST", f"{_api(config)}/{_RESOURCES[channel]}.json", config.timeout, header, form=form),
        secrets=(config.token_file.read_text(encoding="utf-8").strip(), header["Authorization"]),
        reason=field_or_text("message"),
        receipt=field("sid"),
    )


def _config(settings: Settings, channel: str) -> Twilio:
    return settings.channels.sms if channel == "sms" else settings.channels.phone


def _api(config: Twilio) -> str:
    return f"{str(config.api_url).rstrip('/')}/2010-04-01/Accounts/{config.account}"


def _login(config: Twilio) -> dict[str, str]:
    token = config.token_file.read_text(encoding="utf-8").strip() if config.token_file else ""
    return {"Authorization": basic(config.account, token)}
