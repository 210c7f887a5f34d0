"""Sends SMS and phone calls by Twilio, and asks whether they arrived."""

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from clients.http import NoAnswer, Request, ask
from stack.settings import Settings
from stack.settings.response import Twilio
from stack.settings.web import basic
from webhook_actions.notify.http import SETTINGS, field, field_or_text, send_to
from webhook_actions.notify.message import Message
from webhook_actions.notify.truncate import cut
from webhook_actions.outcome import Outcome

_SAID = 350  # characters: twice, with each escaped as up to five, they fit into Twilio's 4,000
_LONGEST = 4000  # the longest TwiML, in characters
_KEYS = "Press 1 to acknowledge, or 2 to be called again in an hour."
_RINGS = 30  # seconds; Twilio's own 60 would use all the time until the next person must be notified
_RESOURCES = {"sms": "Messages", "phone": "Calls"}


@dataclass(frozen=True)
class Status:
    """Twilio's state of a message or call; None if it does not answer, and `reason` says why."""

    word: str | None
    reason: str = ""


def send_sms(settings: Settings, address: str, message: Message) -> Outcome:
    """Send an SMS. The receipt is Twilio's id of it."""
    return _post(settings, "sms", address, {"Body": message.short})


def call(settings: Settings, address: str, message: Message) -> Outcome:
    """Call and say the text twice; keys work if Twilio can reach Nightdesk. The receipt is the call's id."""
    twiml = _twiml(message.spoken)
    if message.link and settings.channels.phone.answer_url:
        keys = _with_keys(message.spoken, answer_address(settings, message.link.rpartition("/")[2]))
        # A call wakes people even without keys: a too long address costs the key, not the call.
        twiml = keys if len(keys) <= _LONGEST else twiml
    return _post(settings, "phone", address, {"Twiml": twiml, "Timeout": str(_RINGS)})


def answer_address(settings: Settings, token: str) -> str:
    """Return the address to which Twilio reports the pressed key, with the token of a signed link."""
    return f"{str(settings.channels.phone.answer_url).rstrip('/')}/phone/{token}"


def _twiml(spoken: str) -> str:
    say = f"<Say>{escape(cut(spoken, _SAID))}</Say>"
    return f'<Response><Pause length="1"/>{say}<Pause length="1"/>{say}</Response>'


def _with_keys(spoken: str, where: str) -> str:
    say = f"<Say>{escape(cut(spoken, _SAID))} {_KEYS}</Say>"
    gather = f'<Gather action={quoteattr(where)} method="POST" numDigits="1" timeout="8">'
    return f'<Response><Pause length="1"/>{gather}{say}<Pause length="1"/>{say}</Gather></Response>'


def status(settings: Settings, channel: str, receipt: str) -> Status:
    """Return the state of a message with a receipt. Raises OSError for an unreadable token."""
    config = _config(settings, channel)
    url = f"{_api(config)}/{_RESOURCES[channel]}/{receipt}.json"
    try:
        answer = ask(Request("GET", url, config.timeout, _login(config)))
    except NoAnswer as error:
        return Status(None, f"Twilio cannot be reached: {error}")
    word = field("status")(answer) if answer.ok else ""
    if not word:
        return Status(None, f"Twilio answered {answer.status}")
    code, text = field("error_code")(answer), field("error_message")(answer)
    return Status(word, " ".join(part for part in (code, text) if part not in ("", "None")))


def account(settings: Settings, channel: str) -> Outcome:
    """Ask Twilio for the account, to test its token. Raises OSError for an unreadable token."""
    config = _config(settings, channel)
    header = _login(config)
    request = Request("GET", f"{_api(config)}.json", config.timeout, header)
    return send_to("Twilio", request, secrets=(header["Authorization"],), reason=field_or_text("message"))


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
