"""Reports as a message: HTML with its charts for mail, a few lines and the PDF for chats."""

from collections.abc import Sequence

from stack.settings import Settings
from webhook_actions.notify.message import Attachment, Message
from webhook_actions.report.charts import charts
from webhook_actions.report.desk import Desk
from webhook_actions.report.html import desk_html, html
from webhook_actions.report.model import Report
from webhook_actions.report.pdf import desk_pdf, pdf
from webhook_actions.report.words import Words, text


def message(settings: Settings, reports: Sequence[Report]) -> Message:
    """Return one message with the reports of one period; there is at least one."""
    return _one(settings, *reports) if len(reports) == 1 else _desk(settings, reports)


def _desk(settings: Settings, reports: Sequence[Report]) -> Message:
    desk = Desk(reports, settings.reports.sent)
    said, subject = desk.text(), f"{desk.title}, {desk.day}: {desk.made}"
    images: list[Attachment] = []
    sources: list[dict[str, str]] = []
    for place, report in enumerate(desk.pages):
        drawn = {
            name: Attachment(f"{place}-{name}.png", "image/png", png)
            for name, png in charts(settings, report).items()
        }
        images += drawn.values()
        sources.append({name: f"cid:{image.cid}" for name, image in drawn.items()})
    period = _plain(desk.reports[0].period)
    paper = Attachment(f"desk-{period}-{desk.day}.pdf", "application/pdf", desk_pdf(settings, desk))
    content = desk_html(settings, desk, sources)
    return Message(subject, said, said, subject, html=content, images=tuple(images), files=(paper,))


def _one(settings: Settings, report: Report) -> Message:
    words, said = Words(report), text(report)
    headline = words.headline
    subject = f"{words.title}, {words.day}: {words.value(headline)} {report.currency}"
    images = tuple(
        Attachment(f"{name}.png", "image/png", png) for name, png in charts(settings, report).items()
    )
    sources = {image.name.removesuffix(".png"): f"cid:{image.cid}" for image in images}
    paper = Attachment(file_name(report, "pdf"), "application/pdf", pdf(settings, report))
    return Message(
        subject, said, said, subject, html=html(settings, report, sources), images=images, files=(paper,)
    )


def file_name(report: Report, ending: str) -> str:
    """Return a file name: the bot, the period and its last day."""
    bot = "".join(each if each.isalnum() or each in "-_" else "_" for each in report.bot)
    return f"{bot}-{_plain(report.period)}-{Words(report).day}.{ending}"


def _plain(period: str) -> str:
    return "".join(each if each.isalnum() or each in "-." else "_" for each in period)
