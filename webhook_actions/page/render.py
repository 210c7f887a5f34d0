"""Renders the pages: Jinja2 templates, all escaped, with the colours and the time zone of the settings."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stack.settings import Settings
from stack.settings.names import PNL_TODAY
from webhook_actions.page import lines, words
from webhook_actions.page.forms import Form, line
from webhook_actions.page.grafana import Dashboards
from webhook_actions.store.controls import Control
from webhook_actions.store.holds import Halt, Pause
from webhook_actions.web.capabilities import Capabilities
from webhook_actions.web.commands import Commands, Unconfirmed

_QUICK = 3  # of gzip's nine levels
_HERE = Path(__file__).parent
_KINDS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True)
class Desktop:
    """The parts of every page around its own content."""

    who: str
    csrf: str
    path: str
    said: str
    paused: Pause | None
    halted: list[Halt]
    left: list[Control]
    counts: dict[str, int]

    @property
    def stopped(self) -> list[Control]:
        """The stopped entries of bots that are not halted."""
        halted = {halt.bot for halt in self.halted}
        return [control for control in self.left if control.bot not in halted]

    @property
    def open(self) -> int:
        """The number of open incidents that may need a person; news does not."""
        return self.all_open - self.counts.get("info", 0)

    @property
    def all_open(self) -> int:
        """The number of open incidents, news included."""
        return sum(self.counts.values())

    @property
    def notice(self) -> str:
        """What was just done, or ''."""
        return words.notice(self.said)


class Pages:
    """The templates, and the static files by name with their kind."""

    def __init__(
        self,
        settings: Settings,
        commands: Commands,
        capabilities: Capabilities,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._zone = ZoneInfo(settings.timezone)
        self._now = now
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            words.FILTERS | lines.FILTERS | {"open_dashboard": Dashboards(settings).there}
        )
        self._environment.globals.update(
            zone=settings.timezone,
            bots=sorted(settings.bots),
            alerts=sorted(settings.alerts),
            demo=settings.demo.enabled,
            dry_run=settings.actions.dry_run,
            offers=commands.offers,
            capability=capabilities.known,
            pnl_today=PNL_TODAY,
            length=words.length,
            lengths=words.LENGTHS,
            snoozes=words.snoozes,
        )
        colours = {name: getattr(settings.severities, name).colour for name in words.SEVERITIES}
        style = self._environment.get_template("style.css").render(
            colours=colours, success=settings.success_colour
        )
        self.static = {"style.css": (style.encode(), _KINDS[".css"])} | {
            file.name: (file.read_bytes(), _KINDS[file.suffix]) for file in (_HERE / "static").iterdir()
        }

    def show(self, template: str, status: int = 200, **content: object) -> HTMLResponse:
        """Return a page."""
        clock = words.Clock(self._zone, self._now())
        return HTMLResponse(self._environment.get_template(template).render(clock=clock, **content), status)

    def confirm(
        self, unconfirmed: Unconfirmed, form: Form, *, target: str, back: str, csrf: str = ""
    ) -> HTMLResponse:
        """Return the page that asks for the bot's name and sends the form again with it."""
        kept = {name: line(form, name) for name in ("act", "action", "bot", "key") if name in form}
        return self.show(
            "confirm.html",
            unconfirmed.status,
            kept=kept | {"csrf": csrf, "back": back},
            action=line(form, "action"),
            target=target,
            back=back,
            bot=unconfirmed.bot,
            wrong=line(form, "confirm"),
        )

    def show_packed(self, request: Request, template: str, **content: object) -> HTMLResponse:
        """Return a page compressed, if the browser accepts that.

        It must contain nothing from the request: beside the forms' token, the page's size would reveal the
        token.
        """
        page = self.show(template, 200, **content)
        page.headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            page.body = gzip.compress(bytes(page.body), _QUICK, mtime=0)
            page.headers["Content-Length"] = str(len(page.body))
            page.headers["Content-Encoding"] = "gzip"
        return page
