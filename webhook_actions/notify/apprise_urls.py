"""Any service of Apprise: a contact's `apprise_files` each hold the URL of one, which is a secret."""

import json
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

from stack.settings import Settings
from stack.settings.roles import Right, rights_of
from webhook_actions.notify.buttons import SNOOZE
from webhook_actions.notify.http import REFUSED, SETTINGS, TIMEOUT, redacted, seconds
from webhook_actions.notify.message import Message
from webhook_actions.outcome import Outcome, Result

_PROGRAM = Path(__file__).with_name("apprise_program.py")
_SECONDS = 30.0  # for the program's start and all its work
_HARMLESS = 3  # characters of a URL's part that may be shown
_LONGEST = 300


def send(settings: Settings, address: str, message: Message) -> Outcome:
    """Send to the URL that the file `address` holds, with the files where the service takes any.

    The engine retries a failed delivery.
    """
    url = Path(address).read_text(encoding="utf-8").strip()
    files = [
        {"name": one.name, "kind": one.kind, "content": b64encode(one.content).decode()}
        for one in message.files
    ]
    told = json.dumps(
        {
            "url": url,
            "title": message.subject,
            "body": message.text,
            "files": files,
            "actions": _ntfy_buttons(settings, message),
        }
    )
    # -P: nothing in the program's own directory replaces Python's modules.
    command = [sys.executable, "-P", str(_PROGRAM)]
    try:
        ended = subprocess.run(command, input=told, capture_output=True, text=True, timeout=_SECONDS)
        answer = json.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        return Outcome.retry(f"apprise: {Path(address).name} took longer than {_SECONDS:g}s", cause=TIMEOUT)
    except ValueError:
        return Outcome.retry(f"apprise ended with {ended.returncode}, without an answer", cause="defect")
    if answer["service"] is None:
        known = f"apprise: {Path(address).name} holds no URL that Apprise understands"
        return Outcome.failed(known, cause=SETTINGS)
    if answer["done"]:
        return Outcome.ok(f"{answer['service']} took it")
    # Any part of the URL may be its secret; only the service knows.
    parts = sorted(re.split(r"[/:@?&=,]", url), key=len, reverse=True)
    said = " ".join(answer["said"].split())
    detail = redacted(said, (url, *(part for part in parts if len(part) > _HARMLESS)))
    wait = seconds(answer["retry_after"]) or 0.0
    return Outcome(Result.RETRY, f"{answer['service']}: {detail}"[:_LONGEST], cause=REFUSED, retry_after=wait)


def _ntfy_buttons(settings: Settings, message: Message) -> list[dict[str, object]]:
    """Return ntfy's buttons below a message about one incident: the page, and answers by its signed link.

    https://docs.ntfy.sh/publish/#action-buttons: three at most.
    """
    if len(message.incidents) != 1 or not message.link:
        return []
    rights = rights_of(settings, message.contact)
    look: dict[str, object] = {"action": "view", "label": "Open", "url": message.link}
    answers = [
        ("Acknowledge", Right.ACKNOWLEDGE, ""),
        ("Snooze 1 h", Right.SNOOZE, f"&for={SNOOZE / 60:.0f}m"),
    ]
    return [look] + [
        {
            "action": "http",
            "label": label,
            "url": message.link,
            "method": "POST",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            "body": f"act={right}{more}",
            "clear": True,
        }
        for label, right, more in answers
        if right in rights
    ]
