"""The JSON API of reports: the stored ones, and any other, computed on request."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response

from clients.observer import Observer, Unanswered
from stack.settings import Settings
from stack.settings.names import PNL
from webhook_actions.report import Period, PeriodError, Report, archive
from webhook_actions.report.compute import compute
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import Pool
from webhook_actions.web.api import Before, Id, Limit, Line
from webhook_actions.web.commands import Refused

Form = Literal["json", "html", "pdf", "text"]
# A report loads nothing: its styles and charts are inside it.
_INSIDE = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Listed:
    """A stored report in a list."""

    id: int
    bot: str
    period: str
    start: datetime
    end: datetime
    made_at: datetime
    currency: str
    profit: float | None


def routes(settings: Settings, pool: Pool, read: Callable[..., Caller]) -> APIRouter:
    """Return the routes, which need the read token."""
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(read)], tags=["reports"])

    @router.get("/reports")
    async def list_reports(bot: Line = "", before: Before = None, limit: Limit = 100) -> list[Listed]:
        """Return the stored reports, newest first."""
        async with pool.connection() as connection:
            return [listed(one) for one in await archive.listing(connection, bot, before, limit)]

    @router.get("/reports/{report_id}", response_class=Response)
    async def one_report(report_id: Id, form: Annotated[Form, Query(alias="format")] = "json") -> Response:
        """Return a stored report."""
        async with pool.connection() as connection:
            found = await archive.one(connection, report_id)
        if found is None:
            raise Refused(404, f"there is no report {report_id}")
        return await asyncio.to_thread(shown, settings, found.content, form)

    @router.get("/bots/{bot}/report", response_class=Response)
    async def report_now(
        bot: Annotated[Line, Path(min_length=1)],
        period: Line = "day",
        form: Annotated[Form, Query(alias="format")] = "json",
    ) -> Response:
        """Compute a report of the `day`, `week` or `month` up to now, or of `FROM..TO`; it is not stored."""
        if bot not in settings.bots:
            raise Refused(404, f"{bot} is not watched; there are {', '.join(settings.bots) or 'no bots'}")
        try:
            wanted = Period.parse(period, datetime.now(UTC).astimezone(ZoneInfo(settings.timezone)))
            report = await asyncio.to_thread(compute, settings, Observer.of(settings), bot, wanted)
        except (PeriodError, OverflowError) as error:
            raise Refused(422, str(error)) from None
        except Unanswered as error:
            raise HTTPException(503, str(error)) from None
        async with pool.connection() as connection:
            report = await archive.with_incidents(connection, settings, report)
        return await asyncio.to_thread(shown, settings, report, form)

    return router


def listed(kept: archive.StoredReport) -> Listed:
    """Return a report's entry in a list."""
    report, zone = kept.content, ZoneInfo(kept.content.zone)
    return Listed(
        id=kept.id,
        bot=kept.bot,
        period=kept.period,
        start=datetime.fromtimestamp(report.start, zone),
        end=datetime.fromtimestamp(report.end, zone),
        made_at=kept.made_at,
        currency=report.currency,
        profit=report.figure(PNL).value,
    )


def shown(settings: Settings, report: Report, form: Form) -> Response:
    """Return a report in a format. It draws, so call it in a thread."""
    # Imported here: matplotlib takes a second and 50 MB, which most runs do not need.
    from webhook_actions.report.html import page
    from webhook_actions.report.pdf import pdf
    from webhook_actions.report.sending import file_name
    from webhook_actions.report.words import text

    match form:
        case "json":
            return Response(report.model_dump_json(), media_type="application/json")
        case "text":
            return Response(f"{text(report)}\n", media_type="text/plain")
        case "html":
            headers = {"Content-Security-Policy": _INSIDE}
            return Response(page(settings, report), media_type="text/html", headers=headers)
        case "pdf":
            headers = {"Content-Disposition": f'inline; filename="{file_name(report, "pdf")}"'}
            return Response(pdf(settings, report), media_type="application/pdf", headers=headers)
