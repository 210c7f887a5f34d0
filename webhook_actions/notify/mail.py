"""Mail over SMTP."""

import smtplib
import ssl
from email.message import EmailMessage, MIMEPart
from email.utils import formatdate, make_msgid

from stack.settings import Settings
from webhook_actions.notify.http import redacted
from webhook_actions.notify.message import Message
from webhook_actions.outcome import Outcome

_LONGEST = 300  # characters of an answer that an outcome keeps


def send(settings: Settings, address: str, message: Message) -> Outcome:
    """Send a mail; refusals that SMTP calls permanent (5xx) are not tried again."""
    config = settings.channels.email
    password = config.password_file.read_text(encoding="utf-8").strip() if config.password_file else ""
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.subject.split())  # a header has one line
    mail["From"], mail["To"] = config.from_, address
    mail["Date"], mail["Message-ID"] = formatdate(localtime=True), make_msgid(domain="nightdesk")
    _fill(mail, message)
    try:
        with smtplib.SMTP(config.host, config.port, timeout=config.timeout) as server:
            if config.starttls:
                server.starttls(context=ssl.create_default_context())
            if config.username:
                server.login(config.username, password)
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        code, reason = next(iter(error.recipients.values()))
        return _refused(code, reason, password)
    except smtplib.SMTPResponseException as error:
        return _refused(error.smtp_code, error.smtp_error, password)
    except smtplib.SMTPNotSupportedError as error:
        return Outcome.failed(f"email: {config.host} cannot do what is set: {error}")
    except (OSError, smtplib.SMTPException) as error:
        where = f"{config.host}:{config.port}"
        return Outcome.retry(f"email: {where} is not reached: {type(error).__name__}: {error}")
    return Outcome.ok(f"{config.host} took it")


def _fill(mail: EmailMessage, message: Message) -> None:
    """Put in the text, for who can show it the HTML with its images inside, and the files."""
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
        if page := mail.get_body(("html",)):
            _put_images(page, message)
    for file in message.files:
        main, _, kind = file.kind.partition("/")
        mail.add_attachment(file.content, main, kind, filename=file.name)


def _put_images(page: MIMEPart, message: Message) -> None:
    for image in message.images:
        main, _, kind = image.kind.partition("/")
        page.add_related(
            image.content, main, kind, cid=f"<{image.cid}>", filename=image.name, disposition="inline"
        )


def _refused(code: int, reason: bytes | str, password: str) -> Outcome:
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
    detail = f"email: the server answered {code}: {redacted(' '.join(text.split()), (password,))[:_LONGEST]}"
    return Outcome.failed(detail) if code >= 500 else Outcome.retry(detail)
