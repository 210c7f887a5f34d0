"""Mail: over TLS of either kind, with the server's answer for each recipient, and once."""

import subprocess
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.harness import Harness, Mailbox, Setup
from tests.webhook_actions.escalation.test_channels import words
from webhook_actions.notify import mail, send
from webhook_actions.outcome import Result


@pytest.mark.parametrize(
    ("answer", "result"), [("451 greylisted", Result.RETRY), ("550 no such user", Result.FAILED)]
)
def test_a_mail_servers_refusal_is_final_where_smtp_says_so(
    setup: Setup, mailbox: Mailbox, answer: str, result: Result
) -> None:
    mailbox.refuse = [answer]
    outcome = send(setup.settings(), "email", "boss@example.org", words(setup.settings()))
    assert (outcome.result, answer.split()[1] in outcome.detail) == (result, True)
    assert outcome.cause == "refused"


def test_of_several_addresses_the_refused_one_is_written_and_the_others_get_the_mail(
    play: Play, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        line = await harness.said(incident, "not_told")
        assert line == "administrator over email: email: the server answered 550: no such mailbox"
        await harness.said(incident, "told", "administrator over email")
        rows = await harness.rows("SELECT address, state FROM deliveries WHERE channel = 'email' ORDER BY id")
        assert ("nobody@example.org", "failed") in rows
        assert ("boss@example.org", "sent") in rows
        assert harness.metric("nightdesk_deliveries_failed_total", channel="email", reason="refused") == 1

    several = {"email": ["nobody@example.org", "boss@example.org"]}
    alone = {"Down": {"escalate": "2h", "channels": ["email"]}}
    play(scenario, speed=60, alerts=alone, contacts={"administrator": several})
    assert "boss@example.org" in mailbox.to()


def test_the_servers_answer_is_kept_as_the_receipt(play: Play, mailbox: Mailbox) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        await harness.said(incident, "told", "administrator over email")
        [(receipt,)] = await harness.rows("SELECT receipt FROM deliveries WHERE channel = 'email'")
        assert receipt == "250 OK"

    play(scenario, speed=60, alerts={"Down": {"escalate": "2h", "channels": ["email"]}})
    assert len(mailbox.mails) == 1


def test_a_server_that_is_rude_at_the_end_has_taken_the_mail(setup: Setup, mailbox: Mailbox) -> None:
    mailbox.end = "421 no time for goodbyes"
    outcome = send(setup.settings(), "email", "boss@example.org", words(setup.settings()))
    assert outcome.done, outcome
    assert len(mailbox.mails) == 1


def _login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    known = given.login == b"desk" and given.password == b"mail-canary"
    return AuthResult(success=known, handled=False)


def _context(directory: Path) -> tuple[SSLContext, Path]:
    certificate, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


@pytest.mark.parametrize("starttls", [True, False], ids=["starttls", "tls-from-the-first-byte"])
def test_mail_goes_over_tls_with_a_login_where_that_is_set(
    setup: Setup, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, starttls: bool
) -> None:
    context, certificate = _context(setup.directory)
    (setup.directory / "mail").write_text("mail-canary\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    how = {"tls_context": context, "require_starttls": True} if starttls else {"ssl_context": context}
    with mailbox.serving(authenticator=_login, auth_required=True, auth_require_tls=starttls, **how) as port:
        if not starttls:
            monkeypatch.setattr(mail, "IMPLICIT_TLS", port)  # 465, which only root may listen on
        # The settings' default is STARTTLS; a TLS port does not have it.
        tls = {"port": port, "starttls": True, "username": "desk", "password_file": "mail"}
        settings = setup.settings(channels={"email": tls})
        outcome = send(settings, "email", "boss@example.org", words(settings))
        assert outcome.done, outcome
        (setup.directory / "mail").write_text("wrong-canary\n")
        outcome = send(settings, "email", "boss@example.org", words(settings))
        assert outcome.result is Result.FAILED
        assert "canary" not in outcome.detail
        monkeypatch.delenv("SSL_CERT_FILE")
        outcome = send(settings, "email", "boss@example.org", words(settings))
        assert "CERTIFICATE_VERIFY_FAILED" in outcome.detail, "a server that cannot prove itself gets nothing"
    assert len(mailbox.mails) == 1
