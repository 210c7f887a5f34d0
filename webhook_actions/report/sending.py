"""A report as a message: HTML with its charts for mail, a few lines and the PDF for chats."""

from stack.settings import Settings
from webhook_actions.notify.message import Attachment, Message
from webhook_actions.report.charts import charts
from webhook_actions.report.html import html
from webhook_actions.report.model import Report
from webhook_actions.report.pdf import pdf
from webhook_actions.report.words import Words, text


def message(settings: Settings, report: Report) -> Message:
    """Return the message."""
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
    """Return a name for a file: the bot, the period and its last day."""
    bot = "".join(each if each.isalnum() or each in "-_" else "_" for each in report.bot)
    period = "".join(each if each.isalnum() or each in "-." else "_" for each in report.period)
    return f"{bot}-{period}-{Words(report).day}.{ending}"
