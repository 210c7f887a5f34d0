"""Serves the manual, runbooks above all, so that a message's link works, also offline.

It needs no login: it is the same for every desk. Only after a login a runbook shows this desk's settings;
before it shows the defaults.
"""

import markdown
from fastapi import APIRouter, HTTPException, Request, Response
from markupsafe import Markup

from stack.files import ROOT
from stack.settings import Settings, load
from stack.settings.load import DEFAULTS
from webhook_actions.page.render import Pages
from webhook_actions.page.values import with_values
from webhook_actions.web.login import Login

_DOCS = ROOT / "docs"


def routes(settings: Settings, pages: Pages, login: Login) -> APIRouter:
    """Return the pages of the manual, below /docs as in the repository, so that links between them work."""
    router, defaults = APIRouter(), load([DEFAULTS])
    files = {str(file.relative_to(_DOCS)): file for file in sorted(_DOCS.rglob("*.md"))}

    @router.get("/docs", include_in_schema=False)
    @router.get("/docs/", include_in_schema=False)
    def contents() -> Response:
        titles = {name: _title(file.read_text(encoding="utf-8")) for name, file in files.items()}
        return pages.show("contents.html", titles=titles)

    @router.get("/docs/{name:path}", include_in_schema=False)
    def page(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404, "the manual has no such page")
        text = files[name].read_text(encoding="utf-8")
        content = markdown.markdown(text, extensions=["tables", "fenced_code"])
        # A long line scrolls sideways in its block: the keyboard must reach it, too.
        content = content.replace("<pre>", '<pre tabindex="0">')
        whose = ""
        if name.startswith("runbooks/"):
            known = login.session(request) is not None
            whose = "settings" if known else "defaults"
            content = with_values(settings if known else defaults, content)
        # It is ours, so its HTML is not escaped.
        shown = Markup(content)  # noqa: S704
        return pages.show("manual.html", title=_title(text), content=shown, whose=whose, name=name)

    return router


def _title(text: str) -> str:
    return text.partition("\n")[0].lstrip("# ")
