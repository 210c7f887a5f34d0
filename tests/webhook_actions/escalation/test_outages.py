"""A failing channel is reported over the others, once an outage, and again when it works."""

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness, Mailbox, until

ALONE = {"Down": {"escalate": "2h", "channels": ["sms"]}}
ONE_NUMBER = {"sms": {"to": ["+15550000010"]}}  # the administrator's address
RETRIES = {"delivery": {"retries": 4, "pause": "1s"}}


def subjects(mailbox: Mailbox) -> list[str]:
    return [str(mail["Subject"]) for mail in mailbox.mails]


async def told(mailbox: Mailbox, part: str) -> str:
    async def look() -> str | None:
        return next((subject for subject in subjects(mailbox) if part in subject), None)

    return (await until(look, within=30, what=part)) or ""


def test_a_failing_channel_is_reported_over_the_others_once_and_when_it_is_back(
    play: Play, fakes: Fakes, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fires("Down", "one")
        subject = await told(mailbox, "sms has failed")
        assert subject == "sms has failed 3 times: Twilio answered 503: sms is out of order"
        await harness.fires("Down", "two")
        await told(mailbox, "sms works again")
        assert await harness.rows("SELECT FROM outages") == []

    fakes.answers["sms"] = [503] * 4
    play(scenario, speed=60, alerts=ALONE, escalation=RETRIES, channels=ONE_NUMBER)
    assert sum("has failed" in subject for subject in subjects(mailbox)) == 1
    assert sum("works again" in subject for subject in subjects(mailbox)) == 1
    assert fakes.to("phone") == [], "nobody is called for it while a mail reaches them"


def test_an_address_refused_for_good_is_reported_at_once_and_once(
    play: Play, fakes: Fakes, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        for bot in ("one", "two", "three"):
            incident = await harness.fire("Down", bot)
            await harness.said(incident, "not_told", "Twilio answered 400")
        await told(mailbox, "sms has failed once")

    fakes.answers["sms"] = [400] * 20
    contacts = {"administrator": {"phone": ["+15550000010"], "email": ["admin@example.org"]}}
    play(
        scenario,
        speed=60,
        alerts=ALONE,
        contacts=contacts,
        channels=ONE_NUMBER | {"phone": {"enabled": False}},
    )
    assert sum("has failed" in subject for subject in subjects(mailbox)) == 1


def test_two_addresses_of_a_channel_that_is_down_are_one_outage(
    play: Play, fakes: Fakes, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fires("Down", "one")

        async def failing() -> bool:
            return await harness.rows("SELECT count(*) FROM outages WHERE failures >= 3") == [(2,)]

        await until(failing, within=30, what="two addresses that fail")
        await told(mailbox, "sms has failed")
        fakes.answers["sms"] = []
        await told(mailbox, "sms works again")
        assert await harness.rows("SELECT FROM outages") == []

    fakes.answers["sms"] = [503] * 1000
    contacts = {"administrator": {"phone": ["+15550000010", "+15550000011"], "email": ["a@example.org"]}}
    slow = {"delivery": {"retries": 10, "pause": "1s"}}
    play(scenario, speed=1, alerts=ALONE, contacts=contacts, escalation=slow, channels=ONE_NUMBER)
    assert sum("has failed" in subject for subject in subjects(mailbox)) == 1
    assert sum("works again" in subject for subject in subjects(mailbox)) == 1


def test_where_only_the_phone_is_left_it_rings(play: Play, fakes: Fakes, mailbox: Mailbox) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")

        async def rang() -> bool:
            return any("email has failed" in text for text in fakes.texts("phone"))

        await until(rang, within=30, what="the call")

    mailbox.refuse = ["550 we know you not"] * 20
    off = {"enabled": False}
    play(
        scenario,
        speed=60,
        alerts={"Down": {"escalate": "2h", "channels": ["email"]}},
        channels={"telegram": off, "sms": off, "slack": off},
    )
