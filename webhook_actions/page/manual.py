"""Serves the manual, runbooks above all: a link in a message leads to a page that is there, also offline.

Nobody need log in: it is the same for every desk, and holds nothing of this one.
"""

import markdown
from fastapi import APIRouter, HTTPException, Response
from markupsafe import Markup

from stack.files import ROOT
from webhook_actions.page.render import Pages

_DOCS = ROOT / "docs"


def routes(pages: Pages) -> APIRouter:
    """Return the pages of the manual, below /docs as in the repository, so that links between them hold."""
    router = APIRouter()
    files = {str(file.relative_to(_DOCS)): file for file in sorted(_DOCS.rglob("*.md"))}

    @router.get("/docs", include_in_schema=False)
    @router.get("/docs/", include_in_schema=False)
    def contents() -> Response:
        titles = {name: _title(file.read_text(encoding="utf-8")) for name, file in files.items()}
        return pages.show("contents.html", titles=titles)

    @router.get("/docs/{name:path}", include_in_schema=False)
    def page(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "the manual has no such page")
        text = files[name].read_text(encoding="utf-8")
        content = markdown.markdown(text, extensions=["tables", "fenced_code"])
        # Ours, so its HTML is shown as it is.
        return pages.show("manual.html", title=_title(text), content=Markup(content))  # noqa: S704

    return router


def _title(text: str) -> str:
    return text.partition("\n")[0].lstrip("# ")
