"""Sends one message by Apprise, as a separate process: input on stdin, result on stdout.

A thread that waits for a service which never finishes its answer cannot be ended; a process can. It imports
nothing of Nightdesk, so that it starts in a second.
"""

import base64
import json
import logging
import sys
from typing import Any
from urllib.parse import quote

import apprise
import requests
from apprise.attachment.memory import AttachMemory
from apprise.plugins.ntfy import NotifyNtfy


def main() -> None:
    """Read {url, title, body, files, actions}, send, write {service, done, said, retry_after}.

    The service is null for an unknown URL; `actions` are ntfy's buttons.
    """
    told = json.load(sys.stdin)
    service = _service(told["url"], told["actions"])
    if not isinstance(service, apprise.NotifyBase):
        json.dump({"service": None}, sys.stdout)
        return
    service.overflow_mode = apprise.OverflowMode.TRUNCATE  # too long texts are cut, not refused
    wait = _noting_waits()
    capture = apprise.LogCapture(level=logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]  # theirs
    with capture as said:
        files = _attached(told["files"]) if service.attachment_support else None
        done = service.notify(body=told["body"], title=told["title"], attach=files)
        reason = said.getvalue()
    answer = {"service": str(service.service_name), "done": bool(done), "said": reason}
    json.dump(answer | {"retry_after": wait.get("seconds", "")}, sys.stdout)


def _service(url: str, actions: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - theirs
    """Return the object that sends to a URL, with the buttons if it is ntfy's and has none of its own."""
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if not isinstance(service, NotifyNtfy) or not actions or "actions=" in url:
        return service
    address = service.url()  # type: ignore[no-untyped-call]  # theirs
    joined = "&" if "?" in address else "?"
    buttons = quote(json.dumps(actions), safe="")
    return apprise.Apprise.instantiate(f"{address}{joined}actions={buttons}", suppress_exceptions=True)


def _noting_waits() -> dict[str, str]:
    """Return an object whose `seconds` is the wait that the service requested; Apprise drops it."""
    noted: dict[str, str] = {}
    send = requests.Session.send

    def sending(*given: Any, **more: Any) -> requests.Response:  # noqa: ANN401 - theirs
        answer = send(*given, **more)
        noted["seconds"] = answer.headers.get("Retry-After", "")
        return answer

    requests.Session.send = sending  # type: ignore[method-assign]  # in a process that sends one message
    return noted


def _attached(given: list[dict[str, Any]]) -> apprise.AppriseAttachment | None:
    if not given:
        return None
    files = apprise.AppriseAttachment()
    for file in given:
        content = base64.b64decode(file["content"])
        files.add(AttachMemory(content=content, name=file["name"], mimetype=file["kind"]))  # type: ignore[no-untyped-call]  # theirs
    return files


if __name__ == "__main__":
    main()
