"""A storm is one message with a list and one call."""

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness, Mailbox, until

ADMIN = "+15550000010"
LATER = {"critical_loss": {"again_after": "2h"}}


def test_from_the_sixth_incident_within_a_minute_one_message_and_one_call_tell_the_others(
    play: Play, fakes: Fakes
) -> None:
    async def scenario(harness: Harness) -> None:
        for number in range(12):
            await harness.fire("LossLimit", f"bot{number:02}")
            told = min(number + 1, 5)
            await until(lambda count=told: sent(count), what="the message")
        await until(lambda: sent(6), what="the message about the others")
        await until(lambda: all_sent(harness), what="that nothing is left to send")

    async def all_sent(harness: Harness) -> bool:
        return await harness.rows("SELECT FROM deliveries WHERE state <> 'sent'") == []

    async def sent(count: int) -> bool:
        return fakes.to("sms").count(ADMIN) >= count and fakes.to("phone").count(ADMIN) >= count

    play(scenario, speed=60, escalation={"storm": {"incidents": 5, "within": "8m"}})
    assert fakes.to("sms").count(ADMIN) == 6
    assert fakes.to("phone").count(ADMIN) == 6
    listed = fakes.texts("sms")[-1]
    assert listed.startswith("[critical] 7 alerts\n")
    assert all(f"LossLimit of bot{number:02}" in listed for number in range(5, 12))
    assert "And 4 more" in fakes.texts("phone")[-1]


def test_of_many_incidents_a_mail_tells_the_first_in_full_and_has_a_line_and_a_link_of_each_other(
    play: Play, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fires("HighCpuUsage", *(f"bot{number:02}" for number in range(12)))
        await until(lambda: arrived(), what="the mail")

    async def arrived() -> bool:
        return bool(mailbox.mails)

    play(scenario, speed=60, alerts={"HighCpuUsage": {"escalate": "2h"}})
    assert len(mailbox.mails) == 1
    text = mailbox.text()
    assert text.count("Problem: ") == 5
    assert "And 7 more" in text
    assert text.count("/i/") == 12
