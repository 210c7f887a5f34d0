"""Links in messages: only their recipient may look and answer, and only for a while."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from tests.webhook_actions.escalation.harness import Setup
from webhook_actions.notify.links import Invitation, LinkError, Links

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)


def made(setup: Setup) -> Links:
    return Links(setup.settings(links={"webhook_actions": "https://desk.example.org/"}))


def token(links: Links, incident: int = 7, contact: str = "manager") -> str:
    url = links.url(incident, contact, NOW)
    assert url.startswith("https://desk.example.org/i/")
    return url.removeprefix("https://desk.example.org/i/")


@pytest.mark.parametrize("contact", ["manager", "Anna Müller", "a.b/c?d=e"])
def test_a_link_says_whom_it_was_sent_to_about_what_and_until_when(setup: Setup, contact: str) -> None:
    links = made(setup)
    given = token(links, 12345, contact)
    assert all(delivery.isalnum() or delivery in "-_." for delivery in given)
    assert links.read(given, NOW) == Invitation(12345, contact, NOW + timedelta(days=1))


def test_a_link_ends_after_its_time_and_says_what_to_do(setup: Setup) -> None:
    links = made(setup)
    given = token(links)
    links.read(given, NOW + timedelta(hours=23, minutes=59))
    with pytest.raises(LinkError, match="log in"):
        links.read(given, NOW + timedelta(days=1))


def test_a_link_that_was_changed_opens_nothing(setup: Setup) -> None:
    links = made(setup)
    payload, mac = token(links).split(".")
    other = base64.urlsafe_b64encode(b"8 9999999999 manager").rstrip(b"=").decode()
    for forged in (
        f"{other}.{mac}",
        f"{payload}.{mac[:-1]}",
        payload,
        "",
        ".",
        f"{payload}.é",
        f"{payload}x.{mac}",
    ):
        with pytest.raises(LinkError):
            links.read(forged, NOW)


def test_a_new_act_token_ends_the_links_that_the_old_one_made(setup: Setup) -> None:
    given = token(made(setup))
    (setup.directory / "act").write_text("another-secret\n")
    with pytest.raises(LinkError, match="token has changed"):
        made(setup).read(given, NOW)


def test_a_link_does_not_show_the_token_that_it_is_made_with(setup: Setup) -> None:
    given = token(made(setup))
    assert "act-secret" not in given
    assert b"act-secret" not in base64.urlsafe_b64decode(given.split(".")[0] + "==")
