"""Messages about no incident, as a delivery stores them."""

import json

from webhook_actions.notify.message import Message
from webhook_actions.notify.truncate import cut

_SHORT = 480  # characters of an SMS, which is three parts


def body(subject: str, text: str) -> str:
    """Return the body of a delivery."""
    return json.dumps({"notice": {"subject": subject, "text": text}})


def message(held: str) -> Message | None:
    """Return the message of a delivery, None if the delivery stores something else."""
    found = json.loads(held).get("notice")
    if found is None:
        return None
    subject, text = str(found["subject"]), str(found["text"])
    short = cut(f"{subject}\n{text}", _SHORT)
    return Message(subject, text, short, f"This is Nightdesk. {subject}.")
