"""A report reaches its recipients: by mail with charts, Telegram with PDF, Apprise, webhook."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from standardwebhooks import Webhook

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness, Mailbox, Setup, until
from tests.webhook_actions.escalation.test_outgoing import QUIET, SECRET, delivered, webhooks
from tests.webhook_actions.report.sample_reports import empty, full
from webhook_actions.actions import load_actions
from webhook_actions.outcome import Outcome, Result
from webhook_actions.report import archive
from webhook_actions.report.model import Done, Hold, WakeUps

PNG, PDF = b"\x89PNG\r\n\x1a\n", b"%PDF-"


async def report_to(harness: Harness, *reports: object) -> int:
    """End an action that made reports, and return the incident."""
    incident = await harness.fire("DailySummary", bot="", severity="info")
    action = load_actions()["generate_report"]
    outcome = Outcome(Result.DONE, "made", tuple(reports))  # type: ignore[arg-type]
    async with harness.pool.transaction() as connection:
        await harness.escalation.acted(connection, incident, action, outcome)
    return incident.id


def reports_of(mailbox: Mailbox) -> list[EmailMessage]:
    return [mail for mail in mailbox.mails if "report: " in mail["Subject"]]


def test_a_mail_has_the_report_in_it_with_its_charts_and_the_pdf(play: Play, mailbox: Mailbox) -> None:
    async def scenario(harness: Harness) -> None:
        await report_to(harness, full())

        async def look() -> list[EmailMessage]:
            return reports_of(mailbox)

        (mail,) = await until(look, within=60, what="the mail")
        assert mail["Subject"] == "Weekly report: momentum, 2026-11-25: +742.16 USDT"
        assert "P&L: +742.16 USDT (before: \u2212103.40)" in mail.get_body(("plain",)).get_content()
        html = mail.get_body(("html",)).get_content()
        images = {part["Content-ID"]: part for part in mail.walk() if part.get_content_maintype() == "image"}
        assert len(images) == 4
        for cid, part in images.items():
            assert f'src="cid:{cid.strip("<>")}"' in html
            assert part.get_payload(decode=True).startswith(PNG)
        assert html.count("src=") == 4
        (paper,) = mail.iter_attachments()
        assert paper.get_filename() == "momentum-week-2026-11-25.pdf"
        assert paper.get_payload(decode=True).startswith(PDF)

    play(scenario, **QUIET)


def test_telegram_gets_the_text_below_the_pdf(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await report_to(harness, full())

        async def look() -> bool:
            return len(fakes.texts("telegram")) == 2  # one a chat

        await until(look, within=60, what="the PDF in both chats")
        assert sorted(fakes.to("telegram")) == ["-100123", "@desk"]
        assert all("P&L: +742.16 USDT" in text for text in fakes.texts("telegram"))
        assert {name for name, _ in fakes.files} == {"momentum-week-2026-11-25.pdf"}
        assert all(content.startswith(PDF) for _, content in fakes.files)

    play(scenario, reports={"channels": ["telegram"]}, **QUIET)


def test_a_contact_gets_it_by_mail_and_through_apprise(play: Play, fakes: Fakes, setup: Setup) -> None:
    (setup.directory / "apprise").write_text(f"json://127.0.0.1:{fakes.port}/apprise")

    async def scenario(harness: Harness) -> None:
        await report_to(harness, full())

        async def look() -> bool:
            return bool(fakes.texts("webhook")) and len(reports_of(setup.mailbox)) == 1

        await until(look, within=60, what="both")
        assert "momentum-week-2026-11-25.pdf" in fakes.texts("webhook")[0]
        assert reports_of(setup.mailbox)[0]["To"] == "manager@example.org"

    manager = {"email": ["manager@example.org"], "apprise_files": ["apprise"]}
    play(scenario, reports={"channels": [], "contacts": ["manager"]}, contacts={"manager": manager}, **QUIET)


def test_programs_get_the_figures_of_a_report(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await report_to(harness, full())
        (got,) = await delivered(fakes, 1)
        told = Webhook(SECRET).verify(got.text, got.headers)
        assert told["type"] == "report.ready"
        data = told["data"]
        assert (data["bot"], data["period"], data["currency"]) == ("momentum", "week", "USDT")
        assert {"name": "P&L", "value": 742.16} in [
            {"name": figure["name"], "value": figure["value"]} for figure in data["figures"]
        ]

    channels = webhooks(fakes, "performance_reports")
    play(scenario, reports={"channels": []}, channels=channels, **QUIET)


def test_a_report_is_kept_once_with_the_incidents_of_its_period(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        down = await harness.fire("Down", bot="ghost")
        now = down.opened_at.timestamp()
        mine = empty().model_copy(update={"start": now - 60, "end": now + 60})
        await harness.acknowledge(down)
        await harness.fire("Down", bot="other")
        id_ = await report_to(harness, mine)
        async with harness.pool.transaction() as connection:
            await archive.keep(connection, harness.settings, [mine], id_)
            (kept,) = await archive.listing(connection, "ghost", None, 10)
            assert await archive.listing(connection, "nobody", None, 10) == []
        assert [happened.id for happened in kept.content.incidents] == [down.id]
        assert kept.content.incidents[0].summary == "Down of ghost"
        assert kept.content.incidents[0].answered_after is not None
        [answers] = kept.content.responses
        assert (answers.severity, answers.within + answers.late) == ("critical", 1)
        assert answers.median == pytest.approx(kept.content.incidents[0].answered_after)

    play(scenario, work=False, reports={"channels": []}, **QUIET)


def test_a_report_counts_what_was_done_and_who_was_woken_in_its_period(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        down = await harness.fire("Down", bot="ghost")
        other = await harness.fire("Down", bot="other")
        drill = await harness.fire("Down", bot="drilled")
        at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, which shows it again an hour later
        run = "INSERT INTO runs (incident, bot, action, effect, state, verdict, started_at) VALUES "
        told = "INSERT INTO deliveries (incident, channel, address, state, receipt, sent_at) VALUES "
        async with harness.pool.transaction() as connection:
            label = 'UPDATE incidents SET labels = labels || \'{"drill": "7"}\' WHERE id = %s'
            await connection.execute(label, [drill.id])
            for incident, bot, effect, verdict, when in (
                (down, "ghost", "disruptive", "verified", at),
                (down, "ghost", "disruptive", "not_verified", at + timedelta(hours=23)),
                (down, "ghost", "observe", "none", at),
                (other, "other", "disruptive", "verified", at),
                (down, "ghost", "disruptive", "verified", at - timedelta(days=2)),
            ):
                values = [incident.id, bot, "restart_bot", effect, "ended", verdict, when]
                await connection.execute(f"{run} (%s, %s, %s, %s, %s, %s, %s)".encode(), values)
            for incident, channel, state, receipt, when in (
                (down, "sms", "sent", "one", at),
                (other, "sms", "sent", "one", at),  # the same message
                (other, "phone", "sent", "two", at + timedelta(hours=5, minutes=45)),
                (other, "phone", "failed", "three", at),
                (drill, "phone", "sent", "four", at),
                (down, "email", "sent", "five", at),
                (down, "sms", "sent", "six", at - timedelta(days=2)),
            ):
                sent = [incident.id, channel, "+1", state, receipt, when]
                await connection.execute(f"{told} (%s, %s, %s, %s, %s, %s)".encode(), sent)
            for since, released in ((at, None), (at - timedelta(days=3), at - timedelta(days=2))):
                halt = "INSERT INTO halts (bot, reason, since, released_at) VALUES (%s, %s, %s, %s)"
                await connection.execute(halt, ["ghost", "critical loss", since, released])
            halt = "INSERT INTO halts (bot, reason, since) VALUES (%s, %s, %s)"
            await connection.execute(halt, ["other", "critical loss", at])
            start, end = at - timedelta(hours=1), at + timedelta(hours=24)
            about = empty().model_copy(update={"start": start.timestamp(), "end": end.timestamp()})
            report = await archive.with_incidents(connection, harness.settings, about)
        assert report.done == (Done(action="restart_bot", times=2, helped=1, not_helped=1),)
        assert report.wake_ups == WakeUps(calls=1, sms=1, at_night=1)
        assert report.holds == (Hold(kind="halted", since=at.timestamp(), reason="critical loss"),)

    play(scenario, work=False, **QUIET)


def test_one_mail_covers_many_bots_and_each_report_is_stored(play: Play, mailbox: Mailbox) -> None:
    def earned(bot: str, amount: float) -> object:
        first, *rest = full().figures
        figures = (first.model_copy(update={"value": amount}), *rest)
        return full().model_copy(update={"bot": bot, "figures": figures})

    async def scenario(harness: Harness) -> None:
        await report_to(harness, earned("a", 5), earned("b", -7), earned("c", 1))
        async with harness.pool.transaction() as connection:
            kept = await archive.listing(connection, "", None, 10)
        assert {one.bot for one in kept} == {"a", "b", "c"}

        async def look() -> list[EmailMessage]:
            return reports_of(mailbox)

        [mail] = await until(look, within=60, what="the mail")
        assert mail["Subject"] == "Weekly report: 3 bots, 2026-11-25: \u22121.00 USDT"
        (paper,) = mail.iter_attachments()
        assert paper.get_filename() == "desk-week-2026-11-25.pdf"

    play(scenario, reports={"channels": ["email"], "sent": 2}, **QUIET)


def test_a_delivery_that_an_earlier_release_wrote_still_names_its_report(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        await report_to(harness, full())
        async with harness.pool.transaction() as connection:
            [kept] = await archive.listing(connection, "", None, 10)
            assert await archive.of_body(connection, f'{{"report": {kept.id}}}') == [kept]

    play(scenario, work=False, reports={"channels": []}, **QUIET)


@pytest.mark.parametrize("channel", ["email", "telegram"])
def test_a_channel_that_is_off_is_not_written_to(play: Play, channel: str) -> None:
    async def scenario(harness: Harness) -> None:
        await report_to(harness, full())
        assert await harness.rows("SELECT id FROM deliveries WHERE body LIKE '%%report%%'") == []

    off = {channel: {"enabled": False}}
    play(scenario, work=False, reports={"channels": [channel]}, channels=off, **QUIET)
