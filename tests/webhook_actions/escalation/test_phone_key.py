"""A key in the phone call: only Twilio can report it, and it does only what the person may do."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import requests
import uvicorn
from fastapi import FastAPI

from tests.conftest import free_port
from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import TWILIO_TOKEN, Fakes
from tests.webhook_actions.escalation.harness import Harness, Setup, until
from webhook_actions.actions import load_actions
from webhook_actions.notify import twilio
from webhook_actions.notify.message import Message
from webhook_actions.store import audit
from webhook_actions.web import phone
from webhook_actions.web.commands import Commands

PUBLIC = "https://calls.example.org/desk"
ONE: dict[str, Any] = {
    "alerts": {"Down": {"channels": ["phone"], "escalate": "2h"}},
    "channels": {"phone": {"answer_url": PUBLIC, "to": ["+15550000010"]}},
}


def test_the_signature_is_the_one_of_twilios_own_documentation() -> None:
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    url = "https://example.com/myapp.php?foo=1&bar=2"
    assert phone.signature("12345", url, fields.items()) == "L/OH5YylLD5NRKLltdqwSvS0BnU="


@pytest.mark.parametrize("signed_for", ["desk.example.org", "desk.example.org:443", "desk.example.org:8443"])
def test_the_port_may_be_signed_or_not(signed_for: str) -> None:
    key = {"Digits": "1"}.items()
    given = phone.signature("12345", f"https://{signed_for}/phone/x", key)
    assert phone.is_signed("12345", "https://desk.example.org:8443/phone/x", key, given)
    assert not phone.is_signed("12345", "https://desk.example.org:8443/phone/y", key, given)


class _Server(uvicorn.Server):
    """Leaves signals to the test."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(harness: Harness) -> AsyncIterator[str]:
    """Serve the route, and return the address to which a proxy would pass requests."""
    commands = Commands(harness.settings, harness.pool, harness.escalation, load_actions())
    app, port = FastAPI(), free_port()
    app.include_router(phone.routes(harness.settings, harness.pool, commands, harness.metrics))
    server = _Server(uvicorn.Config(app, port=port, loop="asyncio", log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started, what="the server")
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


async def ask(
    harness: Harness, where: str, fields: dict[str, str], headers: dict[str, str], method: str = "POST"
) -> requests.Response:
    async with served(harness) as base:
        path = urlsplit(where).path.removeprefix("/desk")
        return await asyncio.to_thread(
            requests.request, method, f"{base}{path}", data=fields, headers=headers, timeout=20
        )


async def called(fakes: Fakes) -> str:
    """Return the address to which Twilio reports the pressed key."""

    async def look() -> str | None:
        return fakes.twiml[0] if fakes.twiml else None

    document = ElementTree.fromstring(await until(look, what="a call") or "")  # noqa: S314 - our own
    [gather] = document.iter("Gather")
    return str(gather.get("action"))


async def press(
    harness: Harness, where: str, digits: str, *, token: str = TWILIO_TOKEN, **more: str
) -> requests.Response:
    fields = {"CallSid": "CA" + "0" * 32, "To": "+15550000010", "Digits": digits, **more}
    signed = phone.signature(token, where, fields.items())
    return await ask(harness, where, fields, {"X-Twilio-Signature": signed})


async def acts(harness: Harness) -> list[tuple[str, str, int | None]]:
    async with harness.pool.connection() as connection:
        found = await audit.entries(connection, before=None, limit=50)
    return [(one.act, one.who, one.incident) for one in found]


@pytest.mark.parametrize(
    ("digits", "said", "act"),
    [("1", "Acknowledged by administrator", "acknowledge"), ("2", "Snoozed for an hour", "snooze")],
)
def test_a_key_answers_and_the_call_says_so(
    play: Play, fakes: Fakes, digits: str, said: str, act: str
) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        where = await called(fakes)
        assert where.startswith(f"{PUBLIC}/phone/")
        answer = await press(harness, where, digits)
        assert answer.headers["Content-Type"].startswith("text/xml")
        assert said in ElementTree.fromstring(answer.text)[0].text  # type: ignore[operator] # noqa: S314
        assert await acts(harness) == [(act, "administrator (phone)", incident.id)]

    play(scenario, **ONE)


def test_one_key_answers_all_that_a_call_was_about(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        found = await harness.fires("Down", "alpha", "beta", "gamma")
        where = await called(fakes)
        await harness.said(found[0], "told", "over phone")
        await press(harness, where, "1")
        assert {incident for _, _, incident in await acts(harness)} == {one.id for one in found}

    play(scenario, **ONE)


def test_another_key_does_nothing_and_says_so(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        answer = await press(harness, await called(fakes), "9")
        assert "Nothing was done: That key does nothing." in answer.text
        assert await acts(harness) == []

    play(scenario, **ONE)


def test_only_twilio_reports_a_key_and_a_get_does_nothing(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        where = await called(fakes)
        assert (await press(harness, where, "1", token="another")).status_code == 403
        elsewhere = where.replace("calls.example.org", "evil.example.org")
        signed = phone.signature(TWILIO_TOKEN, elsewhere, {"Digits": "1"}.items())
        key = {"Digits": "1"}
        for headers in ({}, {"X-Twilio-Signature": ""}, {"X-Twilio-Signature": signed}):
            assert (await ask(harness, where, key, headers)).status_code == 403
        assert (await ask(harness, where, key, {}, "GET")).status_code == 405
        assert await acts(harness) == []
        assert harness.metric("nightdesk_answers_total", way="phone", outcome="forged") == 4

    play(scenario, **ONE)


def test_a_key_of_an_old_call_or_of_a_viewer_does_nothing(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        old = harness.links.url(incident.id, "administrator", datetime.now(UTC) - timedelta(days=2))
        for link, why in (
            (old, "has expired"),
            (harness.links.url(incident.id, "vera", datetime.now(UTC)), "may not acknowledge"),
            (harness.links.url(incident.id, "nobody", datetime.now(UTC)), "no longer in contacts"),
        ):
            where = twilio.answer_address(harness.settings, link.rpartition("/")[2])
            assert why in (await press(harness, where, "1")).text
        assert await acts(harness) == []

    people = {"vera": {"phone": ["+15550000060"], "role": "viewer"}}
    play(scenario, work=False, **ONE, contacts=people)


def test_without_a_public_address_a_call_has_no_keys_and_nothing_listens(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        await until(lambda: _said(fakes))
        assert "<Gather" not in fakes.twiml[0]
        assert "Press 1" not in fakes.twiml[0]
        assert (await ask(harness, "/phone/x", {"Digits": "1"}, {})).status_code == 404

    play(scenario, alerts=ONE["alerts"], channels={"phone": {"to": ["+15550000010"]}})


async def _said(fakes: Fakes) -> bool:
    return bool(fakes.twiml)


@pytest.mark.parametrize("length", [10, 1000, 2000])
def test_an_address_of_any_length_and_words_of_any_length_lose_no_call(
    setup: Setup, fakes: Fakes, length: int
) -> None:
    settings = setup.settings(channels={"phone": {"answer_url": f"{PUBLIC}/{'x' * length}"}})
    message = Message("s", "t", "s", "<&>" * 500, (1,), "administrator", "https://desk/i/token")
    assert twilio.call(settings, "+15550000010", message).done
    keys = length == 10
    assert ("<Gather" in fakes.twiml[0]) == keys
    assert fakes.twiml[0].count("Press 1") == (2 if keys else 0)
