"""Deliveries: retried, recorded, and after a crash at most once too often, which is counted."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness, Mailbox, Setup, at_work, until
from webhook_actions.notify.links import Links

ALONE = {"Down": {"escalate": "2h", "channels": ["sms"]}}
ONE_NUMBER = {"sms": {"to": ["+15550000010"]}}  # the administrator's address
ROOT = Path(__file__).parents[3]

# A process that only sends, on the test's database and settings.
WORKER = """
import asyncio, sys
from stack.settings import load
from tests.webhook_actions.escalation.harness import Harness, at_work
from webhook_actions.store.database import Pool

async def main():
    settings = load([sys.argv[1]], speed=60)
    async with Pool(sys.argv[2], max_size=4) as pool, at_work(Harness(settings, pool)):
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_message_that_fails_is_tried_again_and_all_of_it_recorded(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        await harness.said(incident, "told", "administrator over sms")
        [row] = await harness.rows(
            "SELECT rule, level, contact, channel, o.state, attempts, interrupted, outcome, "
            "sent_at >= written_at FROM deliveries o JOIN escalation_steps s ON s.id = o.step "
            "WHERE o.incident = %s",
            incident.id,
        )
        assert row == ("climb", 0, "administrator", "sms", "sent", 3, 0, "Twilio took it", True)
        assert harness.metric("nightdesk_messages_total", channel="sms", outcome="retried") == 2
        assert harness.metric("nightdesk_messages_total", channel="sms", outcome="sent") == 1

    fakes.answers["sms"] = [503, 429]
    play(scenario, speed=60, alerts=ALONE, channels=ONE_NUMBER)
    assert len(fakes.to("sms")) == 1


def test_a_message_that_keeps_failing_ends_and_says_why(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        line = await harness.said(incident, "not_told", "administrator")
        assert line == "administrator over sms: Twilio answered 503: sms is out of order"
        first = "SELECT state, attempts FROM deliveries WHERE incident = %s ORDER BY id LIMIT 1"
        assert await harness.rows(first, incident.id) == [("failed", 3)]

    fakes.answers["sms"] = [503] * 20
    play(scenario, speed=60, alerts=ALONE, escalation={"delivery": {"retries": 2, "pause": "1s"}})


def test_a_process_killed_between_sending_and_writing_doubles_a_message_once_and_it_is_counted(
    play: Play, setup: Setup, fakes: Fakes
) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("HighCpuUsage")
        fakes.slow = 30.0  # Twilio has the message, but the process ends before the answer arrives
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WORKER,
            str(setup.directory / "monitoring.yaml"),
            harness.pool.address,
            cwd=ROOT,
        )

        async def asked() -> bool:
            return fakes.tries == ["sms"]

        await until(asked, what="the first try")
        os.kill(worker.pid, signal.SIGKILL)
        await worker.wait()
        fakes.slow = 0.0
        async with at_work(harness):
            await until(
                lambda: harness.rows("SELECT FROM deliveries WHERE state = 'sent'"),
                within=30,
                what="the second try",
            )
        assert await harness.rows("SELECT attempts, interrupted FROM deliveries") == [(2, 1)]
        assert harness.metric("nightdesk_messages_interrupted_total", channel="sms") == 1
        assert fakes.tries == ["sms", "sms"]

    alone = {"HighCpuUsage": {"escalate": "2h", "channels": ["sms"]}}
    settings = setup.settings(speed=60, alerts=alone, channels=ONE_NUMBER)
    play(scenario, settings=settings, work=False)


def test_of_two_replicas_one_sends_each_message(play: Play, mailbox: Mailbox) -> None:
    async def scenario(harness: Harness) -> None:
        async with at_work(Harness(harness.settings, harness.pool)):
            for number in range(40):
                await harness.fire("Down", bot=f"bot{number}")
            await until(
                lambda: harness.rows(
                    "SELECT FROM deliveries HAVING count(*) FILTER (WHERE state = 'sent') = 40"
                )
            )
        links = [
            line.rsplit("/", 1)[1]
            for index in range(len(mailbox.mails))
            for line in mailbox.text(index).splitlines()
            if "/i/" in line  # of those in full, and of the others by a line each
        ]
        read = [Links(harness.settings).read(link, datetime.now(UTC)).incident for link in links]
        assert sorted(read) == sorted({row[0] for row in await harness.rows("SELECT id FROM incidents")})

    play(scenario, speed=60, alerts={"Down": {"escalate": "2h", "channels": ["email"]}})


def test_the_link_in_a_real_mail_says_who_may_answer_what(play: Play, mailbox: Mailbox) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        await harness.said(incident, "told", "administrator over email")
        line = next(line for line in mailbox.text().splitlines() if "/i/" in line)
        invitation = Links(harness.settings).read(line.rsplit("/", 1)[1], datetime.now(UTC))
        assert (invitation.incident, invitation.contact) == (incident.id, "administrator")

    play(scenario, speed=60, alerts={"Down": {"escalate": "2h", "channels": ["email"]}})


def test_what_hangs_does_not_hold_up_what_works(play: Play, fakes: Fakes, mailbox: Mailbox) -> None:
    async def scenario(harness: Harness) -> None:
        fakes.slow = 1.5
        await harness.fires("Down", "slow")
        incident = await harness.fire("HighCpuUsage", bot="quick")
        await harness.said(incident, "told", "administrator over email")
        assert fakes.to("sms") == []
        assert mailbox.to() == ["admin@example.org"]

    play(scenario, speed=60, alerts=ALONE)


def test_a_service_that_asks_to_be_left_alone_is_not_tried_before(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        query = (
            "SELECT extract(epoch FROM due_at - clock_timestamp())::float8 FROM deliveries "
            "WHERE incident = %s AND state = 'waiting' AND attempts = 1"
        )

        async def waits() -> float | None:
            found = await harness.rows(query, incident.id)
            return found[0][0] if found else None

        assert 500 < (await until(waits, what="a retry") or 0.0) <= 600

    fakes.answers["sms"] = [429]
    fakes.retry_after = "600"
    play(scenario, speed=60, alerts=ALONE, channels=ONE_NUMBER)
    assert len(fakes.to("sms")) == 0
