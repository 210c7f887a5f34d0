"""Builds requests to the stack's parts, with TLS and login as in `web` of the settings, or with a token."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from clients.http import OWN_LARGEST, Request
from stack.settings.web import Web


def stack_request(
    web: Web,
    method: str,
    url: str,
    total: float,
    *,
    token_file: Path | None = None,
    query: Mapping[str, object] | None = None,
    body: object = None,
) -> Request:
    """Return the request builder for a part; a request takes at most `total` seconds.

    Raises OSError for an unreadable secret.
    """
    asked = f"{url}?{urlencode(query)}" if query else url
    header = web.login()
    if token_file is not None:
        header = {"Authorization": f"Bearer {token_file.read_text(encoding='utf-8').strip()}"}
    return Request(method, asked, total, header, json=body, way=web.way, largest=OWN_LARGEST)
