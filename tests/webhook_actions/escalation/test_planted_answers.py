"""Removes each check of an answer once: the attack then succeeds, and a test sees it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.webhook_actions.escalation import test_phone_key as phone_key
from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness
from tests.webhook_actions.escalation.test_buttons import ANNA, PEOPLE, STRANGER, VERA, acts, presses
from webhook_actions.notify import twilio
from webhook_actions.notify.buttons import Act, Buttons, Press
from webhook_actions.notify.telegram_bot import Bot

Plant = Callable[[pytest.MonkeyPatch], None]


def by_anybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("webhook_actions.web.telegram.of_chat", lambda *_, **__: "administrator")


def unsigned(patch: pytest.MonkeyPatch) -> None:
    def read(_: Buttons, data: str, *__: object) -> Press:
        act, incident, *_rest = data.split(".")
        return Press(Act(act), int(incident))

    patch.setattr(Buttons, "read", read)


def without_end(patch: pytest.MonkeyPatch) -> None:
    read = Buttons.read
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    patch.setattr(Buttons, "read", lambda self, data, chat, _: read(self, data, chat, long_ago))


def whatever_role(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("webhook_actions.web.answers.allow", lambda *_: None)


def taken_again(patch: pytest.MonkeyPatch) -> None:
    async def take(*_: object) -> bool:
        return True

    patch.setattr("webhook_actions.store.telegram_polls.take", take)


def by_any_signature(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("webhook_actions.web.phone.hmac.compare_digest", lambda *_: True)


async def press(
    harness: Harness, data: str, user: int = ANNA, number: int = 7, chat: int | None = None
) -> None:
    """Give a press to one engine, as Telegram reports it."""
    place = {"id": chat or user, "type": "private"}
    query = {
        "id": "query1",
        "from": {"id": user, "first_name": "Mallory"},
        "message": {"message_id": 9, "date": 1, "chat": place, "text": "it fires"},
        "data": data,
    }
    engine = presses(harness)
    await engine.once()  # so that it has the turn
    await engine._take(Bot(harness.settings), {"update_id": number, "callback_query": query}, stale=False)


def button(harness: Harness, chat: int, act: Act = Act.ACKNOWLEDGE, age: timedelta = timedelta(0)) -> str:
    then = datetime.now(UTC) - age
    rows = Buttons(harness.settings, harness.links).keyboard(chat, 1, [act], then)["inline_keyboard"]
    return rows[0][0]["callback_data"]


async def a_stranger(harness: Harness) -> None:
    await press(harness, button(harness, STRANGER), STRANGER)


async def a_forger(harness: Harness) -> None:
    await press(harness, button(harness, ANNA)[:-4] + "AAAA")


async def a_latecomer(harness: Harness) -> None:
    await press(harness, button(harness, ANNA, age=timedelta(days=2)))


async def a_viewer(harness: Harness) -> None:
    await press(harness, button(harness, VERA, Act.PAUSE), VERA)


async def a_replay(harness: Harness) -> None:
    await harness.rows(
        "INSERT INTO telegram_polls (bot, next_update, updated_at) VALUES ('123456789', 8, now()) RETURNING 1"
    )
    await press(harness, button(harness, ANNA), number=7)


async def a_caller(harness: Harness) -> None:
    link = harness.links.url(1, "administrator", datetime.now(UTC)).rpartition("/")[2]
    await phone_key.press(harness, twilio.answer_address(harness.settings, link), "1", token="not Twilio's")


ATTACKS: list[Any] = [
    pytest.param(a_stranger, by_anybody, id="unknown chat"),
    pytest.param(a_forger, unsigned, id="forged button"),
    pytest.param(a_latecomer, without_end, id="expired button"),
    pytest.param(a_viewer, whatever_role, id="wrong role"),
    pytest.param(a_replay, taken_again, id="replayed update"),
    pytest.param(a_caller, by_any_signature, id="forged Twilio signature"),
]


@pytest.mark.parametrize("planted", [False, True], ids=["as it is", "planted"])
@pytest.mark.parametrize(("attack", "plant"), ATTACKS)
def test_an_attack_gets_through_only_where_its_check_is_taken_out(
    play: Play,
    fakes: Fakes,
    monkeypatch: pytest.MonkeyPatch,
    attack: Callable[[Harness], Any],
    plant: Plant,
    planted: bool,
) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        await attack(harness)
        assert bool(await acts(harness)) == planted

    if planted:
        plant(monkeypatch)
    channels = PEOPLE["channels"] | phone_key.ONE["channels"]
    play(scenario, work=False, **PEOPLE | {"channels": channels})
