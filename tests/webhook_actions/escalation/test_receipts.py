"""Nightdesk asks whether a message arrived; if not, it uses the next channel, or the next person."""

import pytest

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness, Mailbox, until
from webhook_actions.notify.receipts import UNANSWERED, Verdict, judged
from webhook_actions.notify.twilio import Status
from webhook_actions.store.receipts import DELIVERED, UNDELIVERED, UNKNOWN

ADMIN, MANAGER = "+15550000010", "+15550000020"
# The desk's number is the administrator's own.
ONE_NUMBER = {"sms": {"to": [ADMIN]}, "phone": {"to": [ADMIN]}}


def down(*channels: str) -> dict[str, object]:
    return {"Down": {"escalate": "2h", "channels": list(channels)}}


async def reached(fakes: Fakes, service: str, whom: str) -> None:
    async def look() -> bool:
        return whom in fakes.to(service)

    await until(look, within=30, what=f"{service} to {whom}")


@pytest.mark.parametrize(
    ("word", "age", "arrived", "cause"),
    [
        ("delivered", 1.0, DELIVERED, ""),
        ("completed", 1.0, DELIVERED, ""),
        ("in-progress", 1.0, DELIVERED, ""),
        ("undelivered", 1.0, UNDELIVERED, UNDELIVERED),
        ("failed", 1.0, UNDELIVERED, UNDELIVERED),
        ("no-answer", 1.0, UNDELIVERED, UNANSWERED),
        ("busy", 1.0, UNDELIVERED, UNANSWERED),
        ("queued", 44.0, None, ""),
        ("queued", 45.0, UNDELIVERED, UNDELIVERED),
        ("sent", 299.0, None, ""),
        ("sent", 300.0, UNKNOWN, ""),
        ("ringing", 59.0, None, ""),
        (None, 299.0, None, ""),
        (None, 300.0, UNKNOWN, ""),
    ],
)
def test_what_is_not_known_to_have_arrived_within_a_minute_has_failed_only_where_twilio_holds_it(
    word: str | None, age: float, arrived: str | None, cause: str
) -> None:
    verdict = judged(Status(word), age)
    assert (verdict.arrived, verdict.cause) == (arrived, cause)
    assert isinstance(verdict, Verdict)
    assert (verdict.after > 0) == (arrived is None)


def test_an_sms_that_arrives_has_its_receipt(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        query = "SELECT state, arrived, receipt FROM deliveries WHERE arrived IS NOT NULL"
        [row] = await until(lambda: harness.rows(query), what="the receipt")
        assert row == ("sent", "delivered", next(iter(fakes.became)))
        assert (
            await harness.rows("SELECT FROM deliveries WHERE arrived IS NOT NULL AND ask_at IS NOT NULL")
            == []
        )

        async def counted() -> bool:
            return harness.metric("nightdesk_receipts_total", channel="sms", arrived="delivered") >= 1

        await until(counted)

    fakes.statuses["sms"] = ["queued", "sent", "delivered"]
    play(scenario, speed=60, alerts=down("sms"), channels=ONE_NUMBER)
    assert ADMIN not in fakes.to("phone")


def test_an_undelivered_sms_becomes_a_call_to_the_same_person(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        line = await harness.said(incident, "not_told", "undelivered")
        assert line == (
            "administrator over sms: Twilio says undelivered (30003 Unreachable destination handset)"
        )
        await reached(fakes, "phone", ADMIN)
        await harness.said(incident, "told", "administrator over phone")
        assert await harness.timeline(incident, "escalated") == [], "who was reached by the call is enough"
        assert harness.metric("nightdesk_deliveries_failed_total", channel="sms", reason="undelivered") == 1

    fakes.statuses["sms"] = ["sent", "undelivered"]
    play(scenario, speed=60, alerts=down("sms", "email"), channels=ONE_NUMBER)


def test_if_sms_and_call_fail_the_next_person_is_notified_despite_a_mail(
    play: Play, fakes: Fakes, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        await harness.said(incident, "escalated", "to manager")
        await reached(fakes, "phone", MANAGER)
        assert mailbox.to()[0] == "admin@example.org"

    fakes.statuses |= {"sms": ["undelivered"], "phone": ["ringing", "no-answer"]}
    without_chat = ONE_NUMBER | {"telegram": {"enabled": False}}
    play(scenario, speed=60, alerts=down("sms", "phone", "email"), channels=without_chat)
    assert fakes.to("phone")[:2] == [ADMIN, MANAGER]


def test_a_message_of_several_incidents_is_asked_of_once_and_fails_for_each(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incidents = await harness.fires("Down", "one", "two", "three")
        for incident in incidents:
            await harness.said(incident, "not_told", "undelivered")
        await reached(fakes, "phone", ADMIN)

    fakes.statuses["sms"] = ["undelivered"]
    play(scenario, speed=60, alerts=down("sms"), channels=ONE_NUMBER)
    assert fakes.to("phone").count(ADMIN) == 1, "one call tells of all"


def test_the_id_of_a_telegram_message_is_kept(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        query = "SELECT receipt FROM deliveries WHERE channel = 'telegram' AND state = 'sent'"
        rows = await until(lambda: harness.rows(query), what="the message")
        assert rows == [("1",)]

    play(scenario, speed=60, alerts=down("telegram"), channels={"telegram": {"chats": ["@desk"]}})
