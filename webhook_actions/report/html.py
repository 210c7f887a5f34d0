"""A report as one HTML file for mail clients and phones; it loads nothing."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stack.settings import Settings
from webhook_actions.report.charts import charts
from webhook_actions.report.desk import Desk
from webhook_actions.report.model import Report
from webhook_actions.report.words import UNKNOWN, Words, best_and_worst, plain

# The settings' colours of won and lost are too pale for text on white.
_WON, _LOST = "#1a7f45", "#c0392b"
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals.update(plain=plain, ends=best_and_worst, unknown=UNKNOWN)


def page(settings: Settings, report: Report) -> str:
    """Return the file with its charts inside."""
    drawn = charts(settings, report)
    return html(settings, report, {name: _data(png) for name, png in drawn.items()})


def html(settings: Settings, report: Report, images: Mapping[str, str]) -> str:
    """Return the HTML with these addresses of the charts; in a mail they are its own parts."""
    return _rendered(settings, Words(report).title, [(report, images)], None)


def desk_html(settings: Settings, desk: Desk, images: Sequence[Mapping[str, str]]) -> str:
    """Return the HTML of several bots with these addresses of the charts of each page."""
    return _rendered(settings, desk.title, list(zip(desk.pages, images, strict=True)), desk)


def _rendered(
    settings: Settings, title: str, sheets: Sequence[tuple[Report, Mapping[str, str]]], desk: Desk | None
) -> str:
    period = desk.reports[0].period if desk else sheets[0][0].period
    return _ENVIRONMENT.get_template("frame.html").render(
        title=title,
        desk=desk,
        sheets=[(report, Words(report), images, _by_hour(report)) for report, images in sheets],
        before=period if period in ("day", "week", "month") else "period",
        ink={"won": _WON, "lost": _LOST, "line": settings.dashboards.colours.lines.default},
        links=[
            ("Dashboard", f"{settings.link('grafana')}/d/trading-bot"),
            ("All reports", f"{settings.link('webhook_actions')}/reports"),
        ],
    )


def _by_hour(report: Report) -> bool:
    return bool(report.bars) and ":" in report.bars[0].name


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
