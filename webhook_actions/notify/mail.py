"""Mail over SMTP."""

import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage, MIMEPart
from email.utils import formatdate, make_msgid
from typing import Any

from stack.settings import Settings
from stack.settings.response import Email
from webhook_actions.notify.http import REFUSED, SETTINGS, TIMEOUT, UNREACHABLE, redacted
from webhook_actions.notify.message import Message
from webhook_actions.outcome import Outcome, Result

IMPLICIT_TLS = 465  # on this port Alertmanager, too, uses TLS from the first byte
# A server may be slow in each of a dozen steps; if Nightdesk gave up in between, the mail might arrive twice.
_TIMES = 4
_LEAST = 0.05  # least seconds for each address of a server with many
_LONGEST = 300  # characters of an answer that an outcome keeps


class _Connection(smtplib.SMTP):
    """A connection that is cut at the end of its time; `said` is the server's answer to the text."""

    def __init__(self, config: Email) -> None:
        super().__init__(timeout=config.timeout)
        self._config, self._ends = config, time.monotonic() + _TIMES * config.timeout
        self._host = config.host  # smtplib checks the certificate with it
        self._line: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self.late = False
        self.said = ""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = self._reach(host, port, timeout)
        self._line = plain.dup()  # the same connection for everyone who wraps or closes it
        self._timer = threading.Timer(max(self._ends - time.monotonic(), 0), self._cut)
        self._timer.daemon = True
        self._timer.start()
        if port == IMPLICIT_TLS:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        return plain

    def _reach(self, host: str, port: int, timeout: float) -> socket.socket:
        """Return a connection to the first address of a host that answers; all share half of the time.

        Raises OSError.
        """
        until = self._ends - _TIMES * timeout / 2
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        for index, (family, kind, protocol, _, place) in enumerate(found):
            share = (until - time.monotonic()) / (len(found) - index)
            line = socket.socket(family, kind, protocol)
            try:
                line.settimeout(min(timeout, max(share, _LEAST)))
                line.connect(place)
            except OSError:
                line.close()
                if index == len(found) - 1:
                    raise
            else:
                line.settimeout(timeout)
                return line
        raise OSError(f"{host} has no address")

    def data(self, msg: Any) -> tuple[int, bytes]:  # noqa: ANN401 - smtplib's
        """Send the text, and store the answer."""
        code, said = super().data(msg)
        self.said = f"{code} {' '.join(said.decode(errors='replace').split())}"[:_LONGEST]
        return code, said

    def _cut(self) -> None:
        self.late = True
        with contextlib.suppress(OSError):  # it has ended already
            if self._line:
                self._line.shutdown(socket.SHUT_RDWR)

    def leave(self) -> None:
        """End the session. The server's answer to that no longer matters."""
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self.quit()
        self.drop()

    def drop(self) -> None:
        """Close."""
        if self._timer:
            self._timer.cancel()
        self.close()
        if self._line:
            self._line.close()


def send(settings: Settings, address: str, message: Message) -> Outcome:
    """Send a mail; SMTP's permanent refusals (5xx) are final. The receipt is the server's answer."""
    config = settings.channels.email
    mail = _mail(config, address, message)
    return _talk(config, lambda server: server.send_message(mail))


def log_in(settings: Settings) -> Outcome:
    """Log in as for a mail, and send none."""
    return _talk(settings.channels.email, lambda server: server.noop())


def _talk(config: Email, then: Callable[[_Connection], object]) -> Outcome:
    password = config.password_file.read_text(encoding="utf-8").strip() if config.password_file else ""
    server = _Connection(config)
    try:
        _open(server, config, password)
        then(server)
        server.leave()
    except smtplib.SMTPRecipientsRefused as error:
        code, reason = next(iter(error.recipients.values()))
        return _refused(code, reason, password)
    except smtplib.SMTPResponseException as error:
        return _refused(error.smtp_code, error.smtp_error, password)
    except smtplib.SMTPNotSupportedError as error:
        detail = f"email: {config.host} does not support the configured settings: {error}"
        return Outcome.failed(detail, cause=SETTINGS)
    except (OSError, smtplib.SMTPException) as error:
        return _broken(server, config, error)
    finally:
        server.drop()
    return Outcome(Result.DONE, f"{config.host} accepted it", receipt=server.said)


def _open(server: _Connection, config: Email, password: str) -> None:
    """Connect and log in. Raises OSError and SMTPException."""
    server.connect(config.host, config.port)
    if config.starttls and config.port != IMPLICIT_TLS:
        server.starttls(context=ssl.create_default_context())
    if config.username:
        server.login(config.username, password)


def _broken(server: _Connection, config: Email, error: Exception) -> Outcome:
    where = f"{config.host}:{config.port}"
    if server.late:
        seconds = _TIMES * config.timeout
        return Outcome.retry(f"email: {where} did not accept it within {seconds:g}s", cause=TIMEOUT)
    cause = TIMEOUT if isinstance(error, TimeoutError) else UNREACHABLE
    return Outcome.retry(f"email: {where} cannot be reached: {type(error).__name__}: {error}", cause=cause)


def _mail(config: Email, address: str, message: Message) -> EmailMessage:
    """Return the mail: text, HTML with its images inside, and the files."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.subject.split())  # a header has one line
    mail["From"], mail["To"] = config.from_, address
    mail["Date"], mail["Message-ID"] = formatdate(localtime=True), make_msgid(domain="nightdesk")
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
        if page := mail.get_body(("html",)):
            _put_images(page, message)
    for file in message.files:
        main, _, kind = file.kind.partition("/")
        mail.add_attachment(file.content, main, kind, filename=file.name)
    return mail


def _put_images(page: MIMEPart, message: Message) -> None:
    for image in message.images:
        main, _, kind = image.kind.partition("/")
        page.add_related(
            image.content, main, kind, cid=f"<{image.cid}>", filename=image.name, disposition="inline"
        )


def _refused(code: int, reason: bytes | str, password: str) -> Outcome:
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
    detail = f"email: the server answered {code}: {redacted(' '.join(text.split()), (password,))[:_LONGEST]}"
    return Outcome.failed(detail, cause=REFUSED) if code >= 500 else Outcome.retry(detail, cause=REFUSED)
