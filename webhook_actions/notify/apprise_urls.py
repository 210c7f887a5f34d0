"""Any service that Apprise knows: a contact's `apprise_files` each hold the URL of one, which is a secret."""

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from stack.settings import Settings
from webhook_actions.notify.http import redacted
from webhook_actions.notify.message import Message
from webhook_actions.outcome import Outcome

if TYPE_CHECKING:
    from apprise import AppriseAttachment

# What Apprise logs may hold the URL; what it says of a failure comes back as the outcome, struck out.
logging.getLogger("apprise").propagate = False

_HARMLESS = 3  # characters of a URL's part that may be shown
_LONGEST = 300


def send(settings: Settings, address: str, message: Message) -> Outcome:
    """Send to the URL that the file `address` holds, with the files where the service takes any.

    What Apprise could not do is tried again.
    """
    import apprise  # here, since it costs a second and 15 MB that most who run Nightdesk do not need

    url = Path(address).read_text(encoding="utf-8").strip()
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if not isinstance(service, apprise.NotifyBase):
        return Outcome.failed(f"apprise: {Path(address).name} holds no URL that Apprise knows")
    capture = apprise.LogCapture(level=logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]  # theirs
    with capture as said:
        files = _attached(message) if service.attachment_support else None
        done = service.notify(body=message.text, title=message.subject, attach=files)
        reason = said.getvalue()
    if done:
        return Outcome.ok(f"{service.service_name} took it")
    # Any part of the URL may be its secret: which, only the service knows.
    parts = sorted(re.split(r"[/:@?&=,]", url), key=len, reverse=True)
    detail = redacted(" ".join(reason.split()), (url, *(part for part in parts if len(part) > _HARMLESS)))
    return Outcome.retry(f"{service.service_name}: {detail}"[:_LONGEST])


def _attached(message: Message) -> "AppriseAttachment | None":
    import apprise
    from apprise.attachment.memory import AttachMemory

    if not message.files:
        return None
    files = apprise.AppriseAttachment()
    for file in message.files:
        memory = AttachMemory(content=file.content, name=file.name, mimetype=file.kind)  # type: ignore[no-untyped-call]  # theirs
        files.add(memory)
    return files
