"""A text that is too long for a service is cut, never refused: the alert and its link arrive."""

from dataclasses import replace

import pytest

from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Setup
from tests.webhook_actions.escalation.test_channels import LINK, NOW, PAGE, incident, words
from webhook_actions.notify import send
from webhook_actions.notify.message import IncidentNotice, Message, compose

URL = "https://example.org/" + "x" * 3900


def told(setup: Setup, link: str = LINK, **notes: str) -> Message:
    one = incident()
    assert one.opened_at == NOW
    long = replace(one, annotations=one.annotations | notes)
    return compose(setup.settings(), [IncidentNotice(long, (), "", link)], PAGE)


@pytest.mark.parametrize("sign", ["x", "\U0001f4c9", "<&>"], ids=["plain", "wide", "escaped"])
@pytest.mark.parametrize("channel", ["sms", "phone", "telegram", "slack"])
def test_a_text_that_is_too_long_arrives_cut(setup: Setup, fakes: Fakes, channel: str, sign: str) -> None:
    text = sign * 9000
    message = told(setup, summary=f"short {text}", description=text, recommended_actions=text)
    to = {"telegram": "1", "slack": "#desk"}.get(channel, "+15550000020")
    outcome = send(setup.settings(), channel, to, message)
    assert outcome.done, outcome
    [said] = fakes.texts(channel)
    assert "short" in said
    assert (LINK in said) == (channel != "phone")


@pytest.mark.parametrize("channel", ["sms", "telegram", "slack"])
def test_a_link_that_is_too_long_is_left_out_and_the_alert_arrives(
    setup: Setup, fakes: Fakes, channel: str
) -> None:
    to = {"telegram": "1", "slack": "#desk"}.get(channel, "+15550000020")
    for message in (
        told(setup, runbook_url=URL, dashboard_url=URL),
        told(setup, link=URL),
        told(setup, description=f"see {URL} first", runbook_url=URL),
    ):
        outcome = send(setup.settings(), channel, to, message)
        assert outcome.done, outcome
        assert "bot1" in fakes.texts(channel)[-1]


def test_a_chat_keeps_the_link_to_answer_whatever_else_is_too_long(setup: Setup, fakes: Fakes) -> None:
    message = told(setup, description="very long " * 600, runbook_url=URL)
    assert send(setup.settings(), "telegram", "1", message).done
    [said] = fakes.texts("telegram")
    assert LINK in said
    assert URL not in said
    assert words(setup.settings()).text  # and a text that fits is sent unchanged
