"""Button presses without data, or on a forgotten message, and their answers."""

from datetime import UTC, datetime

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness
from tests.webhook_actions.escalation.test_buttons import ANNA, PEOPLE, message, polling, toast
from webhook_actions.notify.buttons import ALL, Act, Buttons


def test_an_update_of_an_unexpected_shape_costs_no_other(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        sent = await message(fakes)
        fakes.telegram.tell({"callback_query": {"id": 7}})
        fakes.telegram.tell({"message": "words"})
        press = fakes.telegram.press(sent, "Acknowledge", ANNA)
        async with polling(harness):
            assert (await toast(fakes, press)).startswith("Acknowledged")
        assert harness.metric("nightdesk_answers_total", way="telegram", outcome="unreadable") == 2

    play(scenario, **PEOPLE)


def test_all_of_a_message_is_nothing_once_it_is_forgotten(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        place = {"message_id": 9, "date": 1, "text": "x", "chat": {"id": ANNA, "type": "private"}}
        buttons = Buttons(harness.settings, harness.links)
        rows = buttons.keyboard(ANNA, ALL, [Act.ACKNOWLEDGE], datetime.now(UTC))["inline_keyboard"]
        async with polling(harness):
            told = await toast(fakes, fakes.telegram.press_data(place, rows[0][0]["callback_data"], ANNA))
        assert "no longer knows" in told

    play(scenario, work=False, **PEOPLE)
