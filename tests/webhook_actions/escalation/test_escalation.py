"""The recipients and times of notifications, until a person answers or the incident ends."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from stack.settings import Duration
from stack.settings.plan import CLIMB, Step, Subject
from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness, Mailbox, Setup, until
from webhook_actions.escalation import policy
from webhook_actions.escalation.policy import take

ADMIN, MANAGER, LEAD, RISK, EMERGENCY = (f"+155500000{n}0" for n in (1, 2, 3, 4, 5))
OWNER = "+15550000001"
SOON = 1.5  # seconds after which due rows must be done
DESKTOP = {"no_response": "15m"}  # 1.5 s at the speed of these tests


async def reached(fakes: Fakes, service: str, whom: str, *, within: float = 15.0) -> None:
    async def look() -> bool:
        return whom in fakes.to(service)

    await until(look, within=within, what=f"{service} to {whom}")


def test_the_administrator_gets_at_opening_what_alertmanager_did_not_send_them(
    play: Play, fakes: Fakes, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        for who in ("administrator over sms", "administrator over email"):
            await harness.said(incident, "told", who)
        for way in ("the desk over sms", "the desk over telegram"):
            await harness.said(incident, "told", way)
        assert (
            await harness.said(incident, "told", "by Alertmanager")
            == "the desk by Alertmanager over email, telegram, slack"
        )

    play(scenario, speed=60, alerts={"Down": {"escalate": "1h"}})
    assert sorted(fakes.to("sms")) == [OWNER, ADMIN], "the channel's own number, and the administrator's"
    assert mailbox.to() == ["admin@example.org"]
    assert (fakes.to("slack"), fakes.to("telegram")) == ([], ["@desk"]), "Alertmanager told the others"


def test_each_level_is_notified_after_the_one_before_and_the_end_is_counted(
    play: Play, fakes: Fakes, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("HighDrawdown")
        await reached(fakes, "phone", MANAGER)
        assert LEAD not in fakes.to("phone")
        await reached(fakes, "phone", LEAD)
        assert EMERGENCY not in fakes.to("phone")
        await reached(fakes, "phone", EMERGENCY)
        assert harness.metric("nightdesk_escalations_exhausted_total") == 0
        await reached(fakes, "sms", EMERGENCY)
        await harness.said(incident, "exhausted", "everyone has been notified")
        assert harness.metric("nightdesk_escalations_exhausted_total") == 1
        assert harness.metric("nightdesk_escalations_total", severity="critical") == 3
        told = [line.split(":")[0] for line in await harness.timeline(incident, "escalated")]
        assert told == [
            "to manager over phone, sms",
            "to technical_lead over phone, email",
            "to emergency_contact over phone, sms",
        ]

    play(scenario, alerts={"HighDrawdown": {"escalate": "10m"}}, escalation=DESKTOP)
    assert fakes.to("phone") == [MANAGER, LEAD, EMERGENCY]
    assert fakes.to("sms")[2:] == [MANAGER, EMERGENCY]
    assert mailbox.to() == ["admin@example.org", "lead@example.org"]


def test_an_acknowledgement_stops_the_climb(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("HighDrawdown")
        await reached(fakes, "phone", MANAGER)
        assert await harness.acknowledge(incident)
        await asyncio.sleep(2 * SOON)
        assert await harness.timeline(incident, "acknowledged") == ["by anna: on it"]
        states = await harness.rows("SELECT level, state FROM escalation_steps ORDER BY level")
        assert states == [(0, "taken"), (1, "taken"), (2, "cancelled")]

    play(scenario, alerts={"HighDrawdown": {"escalate": "10m"}}, escalation=DESKTOP)
    assert fakes.to("phone") == [MANAGER]


def test_the_end_of_an_incident_ends_everything(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        fakes.answers["sms"] = [503] * 50
        incident = await harness.fire("Down")
        await until(lambda: harness.rows("SELECT FROM deliveries WHERE channel = 'sms' AND attempts > 2"))
        await harness.close(incident)
        assert not await harness.acknowledge(incident), "what is over needs no answer"
        await asyncio.sleep(SOON)
        tries = len(fakes.tries)
        await asyncio.sleep(SOON)
        assert len(fakes.tries) == tries
        assert await harness.rows("SELECT FROM escalation_steps WHERE state = 'waiting'") == []
        states = await harness.rows("SELECT DISTINCT state FROM deliveries WHERE channel = 'sms'")
        assert states == [("cancelled",)]

    play(scenario, escalation={"delivery": {"retries": 10, "pause": "1m"}})
    assert fakes.to("sms") == []


def test_info_wakes_nobody(play: Play, fakes: Fakes, mailbox: Mailbox) -> None:
    async def scenario(harness: Harness) -> None:
        for _ in range(3):
            incident = await harness.fire("MilestoneReached", severity="info")
        await harness.give_up(incident, "nothing helps")
        await asyncio.sleep(SOON)
        assert await harness.rows("SELECT FROM escalation_steps") == []

    play(scenario)
    assert fakes.got == []
    assert mailbox.mails == []


def test_the_third_firing_within_the_window_notifies_the_technical_lead_once(
    play: Play, fakes: Fakes
) -> None:
    async def scenario(harness: Harness) -> None:
        for _ in range(2):
            await harness.close(await harness.fire("Down"))
        await harness.fire("Down", bot="beta")
        await asyncio.sleep(SOON)
        assert LEAD not in fakes.to("phone"), "another bot's firings are not this one's"
        third = await harness.fire("Down")
        assert "3 times within" in await harness.said(third, "escalated", "technical_lead")
        await reached(fakes, "phone", LEAD)
        fourth = await harness.fire("Down")
        await asyncio.sleep(SOON)
        assert await harness.timeline(fourth, "escalated") == []

    play(scenario, speed=60, alerts={"Down": {"escalate": "1h"}})
    assert fakes.to("phone") == [LEAD]


def test_a_bot_that_stays_down_notifies_the_emergency_contact_beside_the_escalation(
    play: Play, fakes: Fakes
) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        assert "down for" in await harness.said(incident, "escalated", "emergency_contact")
        assert await harness.timeline(incident, "exhausted") == []
        await reached(fakes, "phone", EMERGENCY)

    play(scenario, alerts={"Down": {"escalate": "2h"}})
    assert fakes.to("phone") == [EMERGENCY]


def test_a_critical_loss_notifies_the_risk_manager_at_once_and_again(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("CriticalLoss")
        await reached(fakes, "phone", RISK, within=SOON)
        assert fakes.to("phone").count(RISK) == 1

        async def twice() -> bool:
            return fakes.to("phone").count(RISK) == 2

        await until(twice, what="the second call")
        await asyncio.sleep(SOON)
        assert len(await harness.timeline(incident, "escalated")) == 2

    play(
        scenario,
        alerts={"CriticalLoss": {"escalate": "2h"}},
        escalation={"critical_loss": {"again_after": "15m"}},
    )
    assert fakes.to("phone").count(RISK) == 2
    assert fakes.to("sms").count(RISK) == 2


def test_spent_attempts_notify_the_administrator_at_once_and_once(play: Play, mailbox: Mailbox) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("HighCpuUsage")
        await harness.said(incident, "told", "administrator over email")
        for _ in range(2):
            await harness.give_up(incident, "restart_bot: 3 attempts spent")
        line = await harness.said(incident, "escalated")
        assert line == "to administrator over email: restart_bot: 3 attempts spent"
        await asyncio.sleep(SOON)
        assert len(await harness.timeline(incident, "escalated")) == 1

    play(scenario, alerts={"HighCpuUsage": {"escalate": "2h"}})
    assert mailbox.to() == ["admin@example.org"] * 2
    assert "Why you: restart_bot: 3 attempts spent" in mailbox.text()


def test_who_cannot_be_reached_is_passed_over_at_once(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("HighDrawdown")
        await reached(fakes, "phone", LEAD)
        lines = await harness.timeline(incident, "not_told")
        assert any(line.startswith("manager over phone: Twilio answered 400") for line in lines)
        reason = await harness.said(incident, "escalated", "technical_lead")
        assert "manager could not be reached" in reason

    fakes.answers["phone"] = [400]
    levels = [{"contact": who, "channels": ["phone"]} for who in ("manager", "technical_lead")]
    slow = {"no_response": "2h", "levels": levels}
    no_sms = {"sms": {"enabled": False}}  # over these the manager would be reached instead
    play(scenario, alerts={"HighDrawdown": {"escalate": "10m"}}, escalation=slow, channels=no_sms)
    assert MANAGER not in fakes.to("phone")


def test_a_round_of_which_no_message_arrived_starts_again_after_minutes(
    play: Play, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("HighDrawdown")
        await harness.said(incident, "exhausted", "no message of this round arrived")
        await reached(fakes, "phone", MANAGER, within=8)  # `no_response` is 12 s

    monkeypatch.setattr(policy, "TELL_AGAIN", 0.5)
    fakes.answers["phone"] = [400] * 4  # administrator, desk, manager, lead
    levels = [{"contact": who, "channels": ["phone"]} for who in ("manager", "technical_lead")]
    slow = {"no_response": "2h", "levels": levels}
    others = {name: {"enabled": False} for name in ("sms", "email", "telegram", "slack")}
    play(scenario, alerts={"HighDrawdown": {"escalate": "10m"}}, escalation=slow, channels=others)


def test_one_address_that_works_is_enough_not_to_pass_on(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("HighDrawdown")
        await harness.said(incident, "not_told", "manager over phone")
        await harness.said(incident, "told", "manager over sms")
        await asyncio.sleep(SOON)

    fakes.answers["phone"] = [400]
    play(scenario, alerts={"HighDrawdown": {"escalate": "10m"}}, escalation={"no_response": "2h"})
    assert fakes.to("sms").count(MANAGER) == 1
    assert fakes.to("phone") == []


def test_a_level_without_an_address_is_skipped_and_reported(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("HighDrawdown")
        await reached(fakes, "phone", LEAD)
        assert await harness.timeline(incident, "unreachable") == ["manager has no address for phone, sms"]

    only_mail = {"manager": {"phone": [], "email": ["boss@example.org"]}}
    play(scenario, contacts=only_mail, alerts={"HighDrawdown": {"escalate": "10m"}})


def test_a_contact_without_any_address_is_the_owner_whom_the_channels_reach(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        await harness.said(incident, "told", "by Alertmanager over email, telegram, slack")
        await reached(fakes, "sms", OWNER)
        await harness.said(incident, "told", "administrator over telegram")

    nobody = {"administrator": {"email": [], "phone": []}}
    play(scenario, contacts=nobody, alerts={"Down": {"escalate": "2h"}})
    assert fakes.to("telegram") == ["@desk"], "Alertmanager takes numbers only"


def test_without_any_channel_the_timeline_says_that_nobody_can_be_notified(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        assert "administrator has no address" in await harness.said(incident, "unreachable")
        await harness.said(incident, "exhausted")

    off = {name: {"enabled": False} for name in ("email", "telegram", "sms", "phone", "slack")}
    play(scenario, channels=off)


def test_a_rota_is_who_is_on_call(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("HighDrawdown")
        assert "to technical_lead over phone" in await harness.said(incident, "escalated")
        await harness.said(incident, "told", "technical_lead over phone")

    today = datetime.now(UTC).date()
    desk = {
        "start": (today - timedelta(days=10)).isoformat(),
        "handover": "00:00",
        "timezone": "UTC",
        "contacts": ["manager", "technical_lead"],
    }
    levels = [{"contact": "desk", "channels": ["phone"]}]
    play(
        scenario,
        alerts={"HighDrawdown": {"escalate": "10m"}},
        escalation={"rotas": {"desk": desk}, "levels": levels},
    )
    assert fakes.to("phone") == [LEAD]


def test_in_quiet_hours_only_what_is_critical_wakes_somebody(
    play: Play, fakes: Fakes, mailbox: Mailbox
) -> None:
    now = datetime.now(UTC)
    hours = {f"{now - timedelta(hours=1):%H:%M}": None, f"{now + timedelta(hours=2):%H:%M}": None}
    start, end = hours

    async def scenario(harness: Harness) -> None:
        warning = await harness.fire("LowWinRate", severity="warning")
        critical = await harness.fire("Down")
        await harness.said(critical, "told", "over sms")
        await asyncio.sleep(SOON)
        assert await harness.timeline(warning, "told") == []
        [(due,)] = await harness.rows("SELECT due_at FROM escalation_steps WHERE incident = %s", warning.id)
        assert f"{due.astimezone(UTC):%H:%M}" == end

    play(
        scenario, escalation={"quiet_hours": {"from": start, "to": end}}, alerts={"Down": {"escalate": "2h"}}
    )
    assert mailbox.to() == ["admin@example.org"]


def test_after_a_snooze_the_escalation_starts_again_and_notifies_everyone(
    play: Play, fakes: Fakes, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("HighDrawdown")
        await reached(fakes, "phone", MANAGER)
        end = datetime.now(UTC) + timedelta(seconds=2)
        async with harness.pool.transaction() as connection:
            assert await harness.escalation.snoozed(connection, incident, "anna", end, "after lunch")
        await asyncio.sleep(1)
        assert fakes.to("slack") == []
        await reached(fakes, "telegram", "-100123")  # not from Alertmanager this time

        async def mailed() -> bool:
            return "Why you: the snooze by anna is over" in mailbox.text()

        async def again() -> bool:
            return fakes.to("phone").count(MANAGER) == 2

        await until(mailed, what="the mail after the snooze")

        await until(again, what="the manager's second call")

    nobody = {"administrator": {"email": [], "phone": []}}
    quick = {"HighDrawdown": {"escalate": "10m"}}
    play(scenario, contacts=nobody, alerts=quick, escalation={"no_response": "2h"})


def test_an_acknowledgement_after_a_snooze_holds(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        async with harness.pool.transaction() as connection:
            end = datetime.now(UTC) + timedelta(seconds=1)
            await harness.escalation.snoozed(connection, incident, "anna", end)
        await harness.acknowledge(incident)
        await asyncio.sleep(2 * SOON)
        assert len(await harness.rows("SELECT FROM escalation_steps WHERE state = 'taken'")) <= 1

    play(scenario, alerts={"Down": {"escalate": "2h"}})
    assert fakes.to("phone") == []


def test_forty_bots_down_at_once_ring_each_phone_once(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fires("CriticalLoss", *(f"bot{number}" for number in range(40)))

        async def all_told() -> bool:
            sent = await harness.rows(
                "SELECT count(*) FROM deliveries WHERE state = 'sent' AND channel = 'phone'"
            )
            return sent[0][0] == 40 * 3  # the desk, the administrator and the risk manager

        await until(all_told, what="forty told")

    far = {"critical_loss": {"again_after": "2h"}}
    play(scenario, speed=60, alerts={"CriticalLoss": {"escalate": "2h"}}, escalation=far)
    assert sorted(fakes.to("phone")) == sorted([OWNER, ADMIN, RISK])
    assert all("And 37 more" in text for text in fakes.texts("phone"))


def test_delays_are_the_alerts_own_then_its_severitys_then_the_policys(setup: Setup) -> None:
    settings = setup.settings(
        speed=1,
        severities={"warning": {"escalate": "50m"}, "critical": {"escalate": None}},
        alerts={"CpuUsageHigh": {"escalate": None}, "DataStale": {"escalate": None}},
    )
    now = datetime.now(UTC)

    def delay(kind: str, severity: str) -> str:
        following = take(settings, Subject(kind, "alpha", severity), Step(CLIMB, 0, 0.0, ""), 0, now).next
        assert following is not None
        return str(Duration(following.after))

    assert delay("Down", "critical") == "10m"
    assert delay("CpuUsageHigh", "warning") == "50m"
    assert delay("DataStale", "critical") == "30m"
