"""Asks the parts of the stack as `web` of the settings says, with a token or as its user."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from clients.http import OWN_LARGEST, Answer, Request, ask
from stack.settings.web import Web


def ask_part(
    web: Web,
    method: str,
    url: str,
    total: float,
    *,
    token_file: Path | None = None,
    query: Mapping[str, object] | None = None,
    body: object = None,
) -> Answer:
    """Return what a part answers within `total` seconds, as it is: also an error of its own.

    Raises NoAnswer, and OSError for a secret that cannot be read.
    """
    asked = f"{url}?{urlencode(query)}" if query else url
    header = login(web, token_file)
    return ask(Request(method, asked, total, header, json=body, way=web.way, largest=OWN_LARGEST))


def login(web: Web, token_file: Path | None = None) -> dict[str, str]:
    """Return the header that says who asks. Raises OSError."""
    if token_file is None:
        return web.login()
    return {"Authorization": f"Bearer {token_file.read_text(encoding='utf-8').strip()}"}
