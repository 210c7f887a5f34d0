"""Sends one message by Apprise, as a process of its own: told on stdin, it answers on stdout.

A thread that waits for a service which never ends its answer cannot be ended; a process can. It imports
nothing of Nightdesk, so that it starts in a second.
"""

import base64
import json
import logging
import sys
from typing import Any

import apprise
from apprise.attachment.memory import AttachMemory


def main() -> None:
    """Read {url, title, body, files}, send, write {service, done, said}; service: null for an unknown URL."""
    told = json.load(sys.stdin)
    service = apprise.Apprise.instantiate(told["url"], suppress_exceptions=True)
    if not isinstance(service, apprise.NotifyBase):
        json.dump({"service": None}, sys.stdout)
        return
    service.overflow_mode = apprise.OverflowMode.TRUNCATE  # what is too long is cut, not refused
    capture = apprise.LogCapture(level=logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]  # theirs
    with capture as said:
        files = _attached(told["files"]) if service.attachment_support else None
        done = service.notify(body=told["body"], title=told["title"], attach=files)
        reason = said.getvalue()
    json.dump({"service": str(service.service_name), "done": bool(done), "said": reason}, sys.stdout)


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
