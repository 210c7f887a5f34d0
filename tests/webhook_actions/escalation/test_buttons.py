"""Buttons below Telegram's messages: a known person acts once, within their role; nobody else can."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stack.settings import Settings
from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import TELEGRAM_TOKEN, Fakes
from tests.webhook_actions.escalation.harness import Harness, Setup, until
from webhook_actions.actions import load_actions
from webhook_actions.notify import telegram
from webhook_actions.notify.buttons import Act, Buttons
from webhook_actions.notify.links import LinkError, Links
from webhook_actions.notify.message import Message
from webhook_actions.notify.telegram_bot import Bot
from webhook_actions.store import audit, holds
from webhook_actions.web.commands import Commands
from webhook_actions.web.telegram import Presses

ANNA, BEN, VERA, STRANGER, GROUP = 501, 502, 503, 666, -100123
NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
PEOPLE: dict[str, Any] = {
    "contacts": {
        "administrator": {"telegram": [ANNA], "role": "operator", "email": [], "phone": []},
        "ben": {"telegram": [BEN]},
        "vera": {"telegram": [VERA], "role": "viewer"},
    },
    "channels": {"telegram": {"chats": [GROUP]}},
    "alerts": {"Down": {"channels": ["telegram"], "escalate": "2h"}},
}


def presses(harness: Harness) -> Presses:
    commands = Commands(harness.settings, harness.pool, harness.escalation, load_actions())
    return Presses(harness.settings, harness.pool, commands, harness.metrics, harness.links)


@asynccontextmanager
async def polling(harness: Harness) -> AsyncIterator[None]:
    task = asyncio.create_task(presses(harness).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def message(fakes: Fakes, chat: int = ANNA) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        return next((one for (to, _), one in fakes.telegram.messages.items() if to == str(chat)), None)

    return await until(look, what=f"a message to {chat}") or {}


async def toast(fakes: Fakes, press: str) -> str:
    async def look() -> str | None:
        return fakes.telegram.toasts.get(press)

    return await until(look, what="an answer to the press") or ""


async def acts(harness: Harness) -> list[tuple[str, str, int | None]]:
    async with harness.pool.connection() as connection:
        found = await audit.entries(connection, before=None, limit=50)
    return [(one.act, one.who, one.incident) for one in found]


def test_a_button_holds_what_it_does_in_64_bytes_for_its_chat_alone_and_for_a_while(setup: Setup) -> None:
    settings = setup.settings()
    buttons = Buttons(settings, Links(settings))
    rows = buttons.keyboard(-(2**52), 2**63 - 1, Act, NOW)["inline_keyboard"]
    assert [[one["text"] for one in row] for row in rows] == [
        ["Acknowledge", "Snooze 1 h"],
        ["Pause all actions"],
        ["Let actions run again"],
    ]
    data = rows[0][0]["callback_data"]
    assert max(len(one["callback_data"].encode()) for row in rows for one in row) <= 64
    pressed = buttons.read(data, -(2**52), NOW + timedelta(hours=23))
    assert (pressed.act, pressed.incident) == (Act.ACKNOWLEDGE, 2**63 - 1)
    for wrong, chat, at in (
        (data, -(2**52), NOW + timedelta(days=1)),
        (data, 7, NOW),
        (data.replace("a.", "p.", 1), -(2**52), NOW),
        (data[:-1], -(2**52), NOW),
        ("", 7, NOW),
        ("é.\ud800.x", 7, NOW),
    ):
        with pytest.raises(LinkError):
            buttons.read(wrong, chat, at)


def test_a_press_acknowledges_and_the_message_says_who_did_it(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        async with polling(harness):
            sent = await message(fakes)
            told = await toast(fakes, fakes.telegram.press(sent, "Acknowledge", ANNA))
            assert told.startswith("Acknowledged by administrator (Telegram), ")
            await until(lambda: _edited(sent, told), what="the message's new words")
            assert [[b["text"] for b in row] for row in sent["reply_markup"]["inline_keyboard"]] == [
                ["Pause all actions"]
            ]
        assert await harness.timeline(incident, "acknowledged") == ["by administrator (Telegram)"]
        assert await acts(harness) == [("acknowledge", "administrator (Telegram)", incident.id)]
        assert harness.metric("nightdesk_answers_total", way="telegram", outcome="done") == 1

    play(scenario, **PEOPLE)


async def _edited(sent: dict[str, Any], line: str) -> bool:
    return bool(sent["text"].endswith(line))


def test_a_press_snoozes_pauses_and_lets_actions_run_again(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        async with polling(harness):
            sent = await message(fakes)
            for says, done in (
                ("Pause", "All actions paused by administrator"),
                ("Let actions", "Actions resumed by administrator"),
                ("Snooze", "Snoozed for an hour by administrator"),
            ):
                told = await toast(fakes, fakes.telegram.press(sent, says, ANNA))
                assert told.startswith(done), told
                await until(lambda told=told: _edited(sent, told))  # type: ignore[misc]
        assert [act for act, _, _ in await acts(harness)] == ["snooze", "resume", "pause"]
        assert len(await harness.timeline(incident, "snoozed")) == 1

    play(scenario, **PEOPLE)


def test_one_press_answers_all_incidents_of_a_message(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        found = await harness.fires("Down", *(f"bot{number}" for number in range(7)))
        async with polling(harness):
            sent = await message(fakes)
            assert sent["reply_markup"]["inline_keyboard"][0][0]["text"] == "Acknowledge all"
            await toast(fakes, fakes.telegram.press(sent, "Acknowledge", ANNA))
            for incident in found:
                await harness.said(incident, "acknowledged", "administrator")

    play(scenario, **PEOPLE)


def _plain(fakes: Fakes, sent: dict[str, Any], act: Act, settings: Settings, chat: int) -> str:
    rows = Buttons(settings, Links(settings)).keyboard(chat, 1, [act], datetime.now(UTC))
    return rows["inline_keyboard"][0][0]["callback_data"]


CHATS: list[tuple[int, dict[str, Any], int, str | None]] = [
    (GROUP, {}, STRANGER, "Mallory for the desk (Telegram)"),  # a member of the group acts for it
    (GROUP, {}, ANNA, "administrator (Telegram)"),
    (GROUP, {"username": "open_to_all"}, STRANGER, None),
    (GROUP, {"type": "channel"}, STRANGER, None),
    (GROUP, {"username": "open_to_all"}, BEN, "ben (Telegram)"),
    (STRANGER, {}, STRANGER, None),
    (-100999, {}, ANNA, None),  # an unconfigured group with a known person in it
]


@pytest.mark.parametrize(("chat", "more", "user", "who"), CHATS)
def test_only_a_chat_of_settings_acts_and_in_an_open_one_only_whom_they_name(
    play: Play, fakes: Fakes, chat: int, more: dict[str, Any], user: int, who: str | None
) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        kind = "private" if chat > 0 else "supergroup"
        place = {"message_id": 9, "date": 1, "text": "it fires", "chat": {"id": chat, "type": kind}}
        data = _plain(fakes, place, Act.ACKNOWLEDGE, harness.settings, chat)
        async with polling(harness):
            name = {"first_name": "Mallory"} if user == STRANGER else {}
            told = await toast(fakes, fakes.telegram.press_data(place, data, user, **more, **name))
        assert told.startswith(f"Acknowledged by {who}" if who else "Nothing was done")
        assert [by for _, by, _ in await acts(harness)] == ([who] if who else [])
        unknown = harness.metric("nightdesk_answers_total", way="telegram", outcome="unknown")
        assert unknown == (0 if who else 1)

    play(scenario, **PEOPLE)


def test_a_stranger_who_writes_and_presses_a_lot_is_logged_once_a_second(
    play: Play, fakes: Fakes, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(harness: Harness) -> None:
        for _ in range(90):
            fakes.telegram.write(STRANGER, "/open", STRANGER)
        async with polling(harness):
            counted = {"way": "telegram", "outcome": "unknown"}
            await until(lambda: _counted(harness, 90, counted))
        assert not fakes.telegram.messages

    play(scenario, work=False, **PEOPLE)
    assert len([one for one in caplog.records if "an unknown person" in one.message]) <= 10


async def _counted(harness: Harness, count: int, labels: dict[str, str]) -> bool:
    return harness.metric("nightdesk_answers_total", **labels) == count


@pytest.mark.parametrize(("user", "act"), [(VERA, Act.PAUSE), (VERA, Act.ACKNOWLEDGE), (BEN, Act.RESUME)])
def test_a_role_limits_what_a_person_may_press(play: Play, fakes: Fakes, user: int, act: Act) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        place = {"message_id": 9, "date": 1, "text": "it fires", "chat": {"id": user, "type": "private"}}
        data = _plain(fakes, place, act, harness.settings, user)
        async with polling(harness):
            told = await toast(fakes, fakes.telegram.press_data(place, data, user))
        assert told.startswith("Nothing was done: Not allowed: ")
        assert f"may not {act.name.lower()}" in told
        assert await acts(harness) == []

    play(scenario, **PEOPLE)


def test_a_viewer_and_a_public_channel_get_no_buttons(setup: Setup) -> None:
    settings = setup.settings(**PEOPLE)
    message = Message("s", "text", "", "", (7,), "vera", "https://desk/i/x")
    assert "reply_markup" not in telegram.words(settings, VERA, message)
    assert "reply_markup" not in telegram.words(settings, "@desk", message)
    assert "reply_markup" in telegram.words(settings, BEN, message)


@pytest.mark.parametrize("wrong", ["forged", "expired", "another chat's"])
def test_a_button_that_is_forged_expired_or_of_another_chat_does_nothing(
    play: Play, fakes: Fakes, wrong: str
) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        buttons = Buttons(harness.settings, harness.links)
        then = datetime.now(UTC) - timedelta(days=2 if wrong == "expired" else 0)
        chat = BEN if wrong == "another chat's" else ANNA
        [[made, _]] = buttons.keyboard(chat, 1, [Act.ACKNOWLEDGE, Act.SNOOZE], then)["inline_keyboard"]
        data = made["callback_data"]
        if wrong == "forged":
            data = data[:-4] + "AAAA"
        place = {"message_id": 9, "date": 1, "text": "it fires", "chat": {"id": ANNA, "type": "private"}}
        async with polling(harness):
            told = await toast(fakes, fakes.telegram.press_data(place, data, ANNA))
        why = "this button was valid until" if wrong == "expired" else "another Nightdesk made this button"
        assert told.startswith(f"Nothing was done: {why}")
        assert await acts(harness) == []
        assert harness.metric("nightdesk_answers_total", way="telegram", outcome="invalid") == 1

    play(scenario, **PEOPLE)


def test_a_repeated_press_is_done_once_also_after_a_restart(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        sent = await message(fakes)
        async with polling(harness):
            press = fakes.telegram.press(sent, "Pause", ANNA)
            [update] = list(fakes.telegram.updates)
            await toast(fakes, press)
            await until(lambda: _confirmed(fakes, update["update_id"]), what="an offset beyond it")
        replayed = {key: value for key, value in update.items() if key != "update_id"}
        async with harness.pool.transaction() as connection:
            assert await holds.resume(connection, "a person")
        fakes.telegram.asked.clear()
        async with polling(harness):  # another engine, as after a restart
            await until(lambda: _confirmed(fakes, update["update_id"]))
            fakes.telegram.updates.clear()
            fakes.telegram.tell(replayed, update["update_id"])
            # The server drops updates below the offset; Nightdesk ignores one that arrives all the same.
            engine = presses(harness)
            await engine._take(_bot(harness), {"update_id": update["update_id"], **replayed}, stale=False)
        assert [act for act, _, _ in await acts(harness)] == ["pause"]

    play(scenario, **PEOPLE)


def _bot(harness: Harness) -> Any:
    return Bot(harness.settings)


async def _confirmed(fakes: Fakes, update: int) -> bool:
    return update + 1 in fakes.telegram.asked


def test_what_was_pressed_while_no_engine_listened_for_long_is_not_done_later(
    play: Play, fakes: Fakes
) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        sent = await message(fakes)
        async with polling(harness):
            await until(lambda: _polled(harness))
        await harness.rows("UPDATE telegram_polls SET asked_at = now() - interval '3 minutes' RETURNING 1")
        fakes.telegram.expired.add(fakes.telegram.press(sent, "Acknowledge", ANNA))
        async with polling(harness):
            await until(lambda: _says(fakes, "got this too late; press the button again"))
            again = fakes.telegram.press(sent, "Acknowledge", ANNA)
            assert (await toast(fakes, again)).startswith("Acknowledged")
        assert len(await acts(harness)) == 1

    play(scenario, **PEOPLE)


async def _says(fakes: Fakes, words: str) -> bool:
    return any(words in one["text"] for one in fakes.telegram.messages.values())


def test_an_answer_that_nobody_waits_for_any_more_keeps_no_words_from_the_message(
    play: Play, fakes: Fakes
) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        sent = await message(fakes)
        fakes.telegram.expired.add(fakes.telegram.press(sent, "Acknowledge", ANNA))
        async with polling(harness):
            await until(lambda: _says(fakes, "Acknowledged by administrator (Telegram)"))

    play(scenario, **PEOPLE)


async def _polled(harness: Harness) -> bool:
    return bool(await harness.rows("SELECT 1 FROM telegram_polls WHERE asked_at IS NOT NULL"))


def test_of_several_engines_one_asks_and_another_goes_on_when_it_ends(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        sent = await message(fakes)
        async with polling(harness):
            await until(lambda: _polled(harness))
            async with polling(harness), polling(harness):
                told = await toast(fakes, fakes.telegram.press(sent, "Pause", ANNA))
                assert told.startswith("All actions paused")
        async with polling(harness):
            told = await toast(fakes, fakes.telegram.press(sent, "Let actions", ANNA))
            assert told.startswith("Actions resumed")
        assert harness.metric("nightdesk_telegram_polls_total", outcome="conflict") == 0

    play(scenario, **PEOPLE)


def test_an_engine_that_lost_its_turn_takes_nothing(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        frozen, other = presses(harness), presses(harness)
        await frozen.once()
        await harness.rows("UPDATE telegram_polls SET lease_ends = now() RETURNING 1")
        await other.once()
        await frozen._take(_bot(harness), {"update_id": 5000, "message": {}}, stale=False)
        assert harness.metric("nightdesk_answers_total", way="telegram", outcome="repeated") == 1

    play(scenario, work=False, **PEOPLE)


def test_a_webhook_of_the_same_bot_is_named_as_what_keeps_presses_away(
    play: Play, fakes: Fakes, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(harness: Harness) -> None:
        fakes.telegram.webhook = True
        assert await presses(harness).once() > 0
        assert harness.metric("nightdesk_telegram_polls_total", outcome="conflict") == 1

    play(scenario, work=False, **PEOPLE)
    [line] = [one for one in caplog.records if "does not answer the poll for pressed buttons" in one.message]
    assert "deleteWebhook" in line.reason  # type: ignore[attr-defined]
    assert TELEGRAM_TOKEN not in line.reason  # type: ignore[attr-defined]


def test_a_known_chat_that_writes_open_gets_the_open_incidents_with_buttons(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        async with polling(harness):
            fakes.telegram.write(BEN, "/open@nightdesk_bot", BEN)
            sent = await message(fakes, BEN)
            assert "Down of alpha" in sent["text"]
            await toast(fakes, fakes.telegram.press(sent, "Acknowledge", BEN))
        assert await harness.timeline(incident, "acknowledged") == ["by ben (Telegram)"]

    play(scenario, work=False, **PEOPLE)
