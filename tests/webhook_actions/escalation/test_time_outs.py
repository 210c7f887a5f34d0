"""Sending always ends: a service that answers byte by byte delays no other, and gets one message once."""

import re
import socket
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.conftest import free_port
from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness, Mailbox, Setup, until
from tests.webhook_actions.escalation.slow import HEAD, SlowSMTP, deaf, took, trickling
from tests.webhook_actions.escalation.test_channels import words
from tests.webhook_actions.escalation.test_outgoing import QUIET, endpoint
from webhook_actions.notify import apprise_urls, send
from webhook_actions.outcome import Result

LONG = 30.0  # seconds after which a trickling answer is given up; it would last for hours


@pytest.mark.parametrize("channel", ["sms", "phone", "telegram", "slack", "email", "apprise"])
def test_a_service_that_answers_a_byte_at_a_time_is_given_up(
    setup: Setup, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apprise_urls, "_SECONDS", 6.0)
    with trickling(b"220-" if channel == "email" else HEAD) as port:
        url = f"http://127.0.0.1:{port}"
        (setup.directory / "slack").write_text(url)
        (setup.directory / "ntfy").write_text(f"json://127.0.0.1:{port}")
        quick = {"timeout": "500ms"}
        settings = setup.settings(
            channels={
                "sms": quick | {"api_url": url},
                "phone": quick | {"api_url": url},
                "telegram": quick | {"api_url": url},
                "slack": quick,
                "email": quick | {"port": port},
            }
        )
        to = {
            "telegram": "1",
            "slack": "#desk",
            "email": "a@b.org",
            "apprise": str(setup.directory / "ntfy"),
        }
        outcomes = []

        def try_it() -> None:
            address = to.get(channel, "+15550000020")
            outcomes.append(send(settings, channel, address, words(settings)))

        seconds = took(try_it)
        [outcome] = outcomes
        assert outcome.result is Result.RETRY, outcome
        assert outcome.cause == "timeout", outcome
        assert seconds < LONG


def test_one_endpoint_that_trickles_stops_no_mail_and_no_other_endpoint(
    play: Play, fakes: Fakes, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fires("Down", *(f"bot{number}" for number in range(20)))

        async def told() -> bool:
            quick = [one for one in fakes.got if one.service == "webhook"]
            text = " ".join(mailbox.text(one) for one in range(len(mailbox.mails)))
            told = set(re.findall(r"Down of (bot\d+)", text))
            return len(quick) == 20 and told == {f"bot{number}" for number in range(20)}

        await until(told, within=20, what="all mails and the events of the quick endpoint")
        stuck = "SELECT FROM deliveries WHERE address = 'slow' AND state <> 'sending' AND attempts = 0"
        assert await harness.rows(stuck), "the slow endpoint is still at its first ones"

    with trickling(HEAD) as port:
        slow = {"name": "slow", "url": f"http://127.0.0.1:{port}", "secret_file": "webhook"}
        hooks = [slow | {"events": ["system_alerts"]}, endpoint(fakes, "system_alerts", name="quick")]
        play(
            scenario,
            speed=60,
            alerts={"Down": {"escalate": "2h", "channels": ["email"]}},
            channels={"webhooks": {"endpoints": hooks, "timeout": "60s"}},
            severities=QUIET["severities"],
        )


def test_a_mail_server_that_takes_its_time_for_each_step_gets_a_mail_once(
    play: Play, mailbox: Mailbox
) -> None:
    class Slow(Controller):
        def factory(self) -> SMTP:
            return SlowSMTP(self.handler)

    async def scenario(harness: Harness) -> None:
        SlowSMTP.pause = 0.9  # of a time-out of 2 s, for each of greeting, EHLO, MAIL, RCPT, DATA and the end
        try:
            await harness.fire("Down")
            await until(
                lambda: harness.rows("SELECT FROM deliveries WHERE state IN ('sent', 'failed')"),
                within=40,
                what="the end of sending",
            )
        finally:
            SlowSMTP.pause = 0.0
        assert await harness.rows("SELECT state, attempts FROM deliveries ORDER BY id LIMIT 1") == [
            ("sent", 1)
        ]
        assert mailbox.to().count("admin@example.org") == 1

    short = {"timeout": "1s"}  # another channel's time-out does not replace it
    server = Slow(mailbox, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        play(
            scenario,
            speed=60,
            alerts={"Down": {"escalate": "2h", "channels": ["email"]}},
            channels={"email": {"port": server.port}, "grafana": short, "webhooks": short},
        )
    finally:
        server.stop()


def test_a_mail_server_most_of_whose_addresses_are_dead_gets_the_mail_within_its_time(
    setup: Setup, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = [f"127.0.0.{number}" for number in range(2, 14)]
    real = socket.getaddrinfo

    def resolved(host: Any, *given: Any, **more: Any) -> Any:
        every = [*dead, "127.0.0.1"] if host == "mail.example.org" else [host]
        return [one for address in every for one in real(address, *given, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    server = {"host": "mail.example.org", "timeout": "1s"}
    settings = setup.settings(speed=1, channels={"email": server})
    outcomes = []
    with deaf(dead, setup.smtp):
        seconds = took(lambda: outcomes.append(send(settings, "email", "a@b.org", words(settings))))
    [outcome] = outcomes
    assert outcome.done, outcome
    assert mailbox.to() == ["a@b.org"]
    assert seconds < len(dead), "each does not get the whole time-out"
