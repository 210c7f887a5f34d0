"""The page behind a signed link: a person's view and rights on a phone, by their role, without a login."""

from datetime import UTC, datetime, timedelta

import pytest
import requests

from stack.settings import load
from tests.conftest import eventually
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.harness import Harness
from tests.webhook_actions.visitor import words
from webhook_actions.notify.links import Links

PEOPLE = {
    "anna": {"email": ["anna@example.org"], "role": "operator"},
    "ben": {"email": ["ben@example.org"]},
    "vera": {"email": ["vera@example.org"], "role": "viewer"},
}


@pytest.fixture
def desk(make_harness: Make) -> Harness:
    """Return a world with one open incident, and people of each role."""
    made = make_harness("alpha", contacts=PEOPLE)
    made.start_engine()
    notes = {"summary": "alpha is down", "runbook_url": "https://example.org/runbooks/Down.md"}
    made.deliver(made.alert("alpha", annotations=notes))
    return made


def link(harness: Harness, contact: str, incident: int = 1, age: timedelta = timedelta(0)) -> str:
    """Return the address of a link as the engine would have sent it."""
    made = Links(load([harness.config])).url(incident, contact, datetime.now(UTC) - age)
    return harness.url("/i/" + made.rpartition("/i/")[2])


def post(address: str, headers: dict[str, str] | None = None, **form: str) -> requests.Response:
    return requests.post(address, data=form, headers=headers, timeout=20)


def acts(harness: Harness) -> list[tuple[str, str]]:
    return [(one["act"], one["who"]) for one in harness.get("/api/v1/audit").json()]


def test_looking_at_a_link_does_nothing_whatever_it_asks_for(desk: Harness) -> None:
    address = link(desk, "anna")
    for act in ("acknowledge", "snooze&for=1h", "pause", "run&action=restart_bot&confirm=alpha"):
        assert requests.get(f"{address}?act={act}", timeout=20).status_code == 200
        requests.head(f"{address}?act={act}", timeout=20)
    assert acts(desk) == []
    assert desk.get("/api/v1/incidents/1").json()["runs"] == []


def test_it_shows_what_is_wrong_first_then_what_to_press_runbook_and_positions(desk: Harness) -> None:
    desk.bots.by_name["alpha"].positions = [
        {
            "symbol": "BTC/USDT",
            "side": "long",
            "size": 0.5,
            "price": 100.0,
            "profit": -12.5,
            "stop_price": 98.0,
        }
    ]
    page = requests.get(link(desk, "anna"), timeout=20).text
    read = words(page)
    order = ["alpha is down", "Acknowledge as anna", "Snooze…", "Run an action…", "Pause all actions…"]
    order += ["Positions of alpha", "BTC/USDT long 0.5 -12.50 98 (2.0%) none known", "Runbook"]
    assert sorted(order, key=read.index) == order, read
    assert 'href="https://example.org/runbooks/Down.md"' in page


def test_positions_that_a_bot_does_not_report_are_unknown(desk: Harness) -> None:
    assert "Unknown: it does not say." in words(requests.get(link(desk, "anna"), timeout=20).text)


def test_an_operator_runs_an_action_and_money_wants_the_bots_name_once_per_key(desk: Harness) -> None:
    address = link(desk, "anna")
    asked = post(address, act="run", action="restart_bot", key="k1")
    assert "Requested: the timeline shows the progress." in words(asked.text)
    money = {"act": "run", "action": "close_positions", "key": "k2"}
    first = post(address, **money)
    assert first.status_code == 422
    assert "Type alpha to continue" in words(first.text)
    assert 'name="act" value="run"' in first.text
    assert post(address, **money, confirm="beta").status_code == 422
    for _ in range(2):
        assert post(address, **money, confirm="alpha").status_code == 200
    for _ in range(2):
        post(address, {"Idempotency-Key": "once"}, act="run", action="check_network")
    runs = desk.get("/api/v1/incidents/1").json()["runs"]
    mine = [(run["action"], run["asked_by"]) for run in runs if run["asked_by"]]
    assert sorted(mine) == [
        (name, "anna (link)") for name in ("check_network", "close_positions", "restart_bot")
    ]
    assert all(run["expires_at"] for run in runs if run["asked_by"])
    assert ("run", "anna (link)") in acts(desk)


def test_a_responder_answers_and_pauses_and_runs_only_what_looks(desk: Harness) -> None:
    address = link(desk, "ben")
    page = requests.get(address, timeout=20).text
    assert "check_network" in page
    assert "restart_bot" not in page
    for form in ({"action": "restart_bot"}, {"action": "close_positions", "confirm": "alpha"}):
        refused = post(address, act="run", **form)
        assert refused.status_code == 403
        assert "ben is responder, who may not" in words(refused.text)
    assert "Snoozed: by ben (link)" in words(post(address, act="snooze", **{"for": "1h"}).text)
    assert "Acknowledged: by ben (link): mine" in words(post(address, comment="mine").text)
    paused = post(address, act="pause")
    assert "All actions are paused by ben (link)" in words(paused.text)
    assert "Resume actions" not in paused.text
    assert post(address, act="resume").status_code == 403
    assert "Resume actions" in requests.get(link(desk, "anna"), timeout=20).text
    assert post(link(desk, "anna"), act="resume").status_code == 200
    assert [act for act, _ in acts(desk)] == ["resume", "pause", "acknowledge", "snooze"]


FORMS = [
    {},
    {"act": "snooze", "for": "1h"},
    {"act": "pause"},
    {"act": "resume"},
    {"act": "run", "action": "check_network"},
    {"act": "run", "action": "close_positions", "confirm": "alpha"},
]


def test_a_viewer_sees_and_does_nothing(desk: Harness) -> None:
    page = requests.get(link(desk, "vera"), timeout=20).text
    assert "vera is viewer: you see this incident, others act." in words(page)
    assert "<form" not in page
    for form in FORMS:
        assert post(link(desk, "vera"), **form).status_code == 403
    assert acts(desk) == []


def test_a_link_that_is_over_forged_or_of_nobody_does_nothing(
    desk: Harness,
) -> None:
    good = link(desk, "anna")
    for bad in (link(desk, "anna", age=timedelta(days=2)), good[:-3] + "AAA", link(desk, "mallory")):
        assert requests.get(bad, timeout=20).status_code == 403
        for form in FORMS:
            assert post(bad, **form).status_code == 403
    assert acts(desk) == []


def test_an_unknown_act_is_refused_and_a_second_pause_says_so(desk: Harness) -> None:
    address = link(desk, "anna")
    assert post(address, act="explode").status_code == 422
    assert post(address, act="run", action="explode").status_code == 404
    assert post(address, act="pause").status_code == 200
    assert post(address, act="pause").status_code == 409
    eventually(
        lambda: 'nightdesk_answers_total{outcome="refused",way="link"} 3.0' in desk.get("/metrics").text,
        what="the count",
    )
