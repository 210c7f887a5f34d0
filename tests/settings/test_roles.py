"""Who may do what from a message: by the role of a contact, and of the desk's own addresses."""

import pytest

from stack.settings.plan import DESK
from stack.settings.roles import Right, of_chat, rights_of
from tests.settings.conftest import Load, Refuse

ANNA, BEN, STRANGER, GROUP, TEAM = 501, 502, 666, -100, -200
PEOPLE = f"""
contacts:
  anna: {{telegram: [{ANNA}], role: operator}}
  ben: {{telegram: [{BEN}, {TEAM}]}}
  vera: {{role: viewer, email: [vera@example.org]}}
channels: {{telegram: {{chats: [{GROUP}, "@everybody"]}}}}
"""


def test_a_viewer_does_nothing_a_responder_answers_and_an_operator_does_all(settings: Load) -> None:
    made = settings(PEOPLE)
    assert rights_of(made, "vera") == frozenset()
    assert rights_of(made, "ben") == {Right.ACKNOWLEDGE, Right.SNOOZE, Right.PAUSE, Right.OBSERVE}
    assert rights_of(made, "anna") == set(Right)
    assert rights_of(made, "mallory") == frozenset()
    assert rights_of(made, DESK) == rights_of(made, "ben")
    assert rights_of(settings(PEOPLE, "escalation: {desk_role: viewer}"), DESK) == frozenset()


@pytest.mark.parametrize(
    ("chat", "user", "closed", "name"),
    [
        (ANNA, ANNA, False, "anna"),
        (BEN, BEN, False, "ben"),
        (GROUP, ANNA, True, "anna"),
        (GROUP, STRANGER, True, DESK),
        (GROUP, STRANGER, False, None),
        (GROUP, BEN, False, "ben"),
        (TEAM, STRANGER, True, "ben"),
        (TEAM, STRANGER, False, None),
        (STRANGER, STRANGER, False, None),
        (-999, ANNA, True, None),
    ],
)
def test_who_acts_in_a_chat_is_known_by_it_or_by_themselves(
    settings: Load, chat: int, user: int, closed: bool, name: str | None
) -> None:
    assert of_chat(settings(PEOPLE), chat, user, closed=closed) == name


def test_a_role_that_there_is_not_and_keys_over_plain_http_are_refused(refused: Refuse) -> None:
    assert "contacts.anna.role" in refused("contacts: {anna: {role: owner}}")[0]
    said = "channels.phone.answer_url: http://desk.example.org/ is not https"
    assert said in refused("channels: {phone: {answer_url: 'http://desk.example.org'}}")[0]
