"""A storm is one message with a list and one call, and nobody hears at once again of what they know."""

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.world import Mailbox, World, until
from webhook_actions.store import runs

ADMIN = "+15550000010"
LATER = {"critical_loss": {"again_after": "2h"}}


def test_from_the_sixth_incident_within_a_minute_one_message_and_one_call_tell_the_others(
    play: Play, fakes: Fakes
) -> None:
    async def scene(world: World) -> None:
        for number in range(12):
            await world.fire("LossLimit", f"bot{number:02}")
            told = min(number + 1, 5)
            await until(lambda count=told: sent(count), what="the message")
        await until(lambda: sent(6), what="the message about the others")
        assert await world.rows("SELECT FROM deliveries WHERE state <> 'sent'") == []

    async def sent(count: int) -> bool:
        return fakes.to("sms").count(ADMIN) >= count and fakes.to("phone").count(ADMIN) >= count

    play(scene, speed=60, escalation={"storm": {"incidents": 5, "within": "8m"}})
    assert fakes.to("sms") == [ADMIN] * 6
    assert fakes.to("phone") == [ADMIN] * 6
    listed = fakes.texts("sms")[-1]
    assert listed.startswith("[critical] 7 alerts\n")
    assert all(f"LossLimit of bot{number:02}" in listed for number in range(5, 12))
    assert "And 4 more" in fakes.texts("phone")[-1]


def test_of_many_incidents_a_mail_tells_the_first_in_full_and_has_a_line_and_a_link_of_each_other(
    play: Play, mailbox: Mailbox
) -> None:
    async def scene(world: World) -> None:
        await world.fires("HighCpuUsage", *(f"bot{number:02}" for number in range(12)))
        await until(lambda: arrived(), what="the mail")

    async def arrived() -> bool:
        return bool(mailbox.mails)

    play(scene, speed=60, alerts={"HighCpuUsage": {"escalate": "2h"}})
    assert len(mailbox.mails) == 1
    text = mailbox.text()
    assert text.count("Problem: ") == 5
    assert "And 7 more" in text
    assert text.count("/i/") == 12


async def _give_up(world: World, *effects: str, attempts: int = 0) -> None:
    """Open an incident and give it up after runs of these effects."""
    incident = await world.fire("HighCpuUsage")
    await world.said(incident, "told", "over email")
    async with world.pool.transaction() as connection:
        for effect in effects:
            if attempts:
                lease = await runs.begin(connection, incident.id, "alpha", effect, effect, 60.0)
                assert lease
            else:
                await runs.skip(connection, incident.id, "alpha", effect, effect, "would_have", "not armed")
        done = await runs.of_incidents(connection, [incident.id])
        await world.escalation.gave_up(connection, incident, "nothing is left", done)


def test_whoever_heard_of_the_opening_is_not_told_a_moment_later_that_nothing_was_done(
    play: Play, mailbox: Mailbox
) -> None:
    async def scene(world: World) -> None:
        await _give_up(world, "money")
        [(waits,)] = await world.rows(
            "SELECT due_at - now() > interval '3 seconds' FROM escalation_steps WHERE rule = 'notice: spent'"
        )
        assert waits, "it is told once nobody has answered in the time to respond"

    play(scene, speed=60, alerts={"HighCpuUsage": {"escalate": "2h"}})
    assert mailbox.to() == ["admin@example.org"]


def test_to_look_and_to_note_mails_nobody(play: Play, mailbox: Mailbox) -> None:
    async def scene(world: World) -> None:
        await _give_up(world, "observe", attempts=1)
        assert await world.rows("SELECT FROM escalation_steps WHERE rule LIKE 'notice%%'") == []

    play(scene, speed=60, alerts={"HighCpuUsage": {"escalate": "2h"}})
    assert mailbox.to() == ["admin@example.org"]


def test_an_incident_that_changes_hands_is_told_at_once(play: Play, mailbox: Mailbox) -> None:
    async def scene(world: World) -> None:
        await _give_up(world, "disruptive", attempts=1)
        await until(lambda: arrived(2), what="the second mail")

    async def arrived(count: int) -> bool:
        return len(mailbox.mails) >= count

    play(scene, speed=60, alerts={"HighCpuUsage": {"escalate": "2h"}})
    assert "nothing is left" in mailbox.text()
