"""Who is on call, over the API and by command: now, next, overrides, swaps, and the preview."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.webhook_actions.harness import Harness
from tests.webhook_actions.rota import desk
from tests.webhook_actions.test_api import post
from tests.webhook_actions.test_oncall import nightdesk


@pytest.fixture
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    directory = tmp_path_factory.mktemp("desk")
    made = Harness(directory, "alpha", **desk())
    made.start_engine()
    yield made
    made.close()


def first(harness: Harness, at: str = "") -> dict[str, Any]:
    found = harness.get(f"/api/v1/oncall{f'?at={at}' if at else ''}").json()
    role: dict[str, Any] = next(one for one in found if one["role"] == "desk")
    return role


def test_the_api_says_who_is_on_call_now_and_next_and_who_stands_in(harness: Harness) -> None:
    role = first(harness)
    assert (role["contact"], role["instead_of"], role["next"]["contact"]) == ("anna", "", "ben")
    assert role["named"] == ["escalation.first"]
    start = datetime.fromisoformat(role["next"]["start"])
    assert start == datetime.combine(
        datetime.now(UTC).date() + timedelta(days=6), datetime.min.time(), tzinfo=UTC
    )
    body = {"contact": "carol", "for": "2h", "by": "ben"}
    changed = post(harness, "/api/v1/rotas/desk/override", body).json()
    assert changed["done"] == "overridden"
    assert [(one["contact"], one["instead_of"]) for one in changed["shifts"]] == [("carol", "anna")]
    role = first(harness)
    assert (role["contact"], role["instead_of"], role["next"]["contact"]) == ("carol", "anna", "anna")
    assert role["next"]["start"] == changed["shifts"][0]["end"]
    [one] = harness.get("/api/v1/overrides").json()
    assert (one["contact"], one["by"], one["forgotten"]) == ("carol", "ben (act token)", "")
    [act] = harness.get("/api/v1/audit").json()
    assert (act["act"], act["who"]) == ("overridden", "ben (act token)")
    assert "carol instead of anna" in act["detail"]
    later = start.strftime("%Y-%m-%dT%H:%M")
    assert first(harness, later)["contact"] == "ben"
    assert post(harness, f"/api/v1/overrides/{one['id']}/cancel", {}).json()["done"] == "cancelled"
    assert first(harness)["contact"] == "anna"
    again = post(harness, f"/api/v1/overrides/{one['id']}/cancel", {})
    assert (again.status_code, again.json()["detail"]) == (404, "there is no override 1, or it has ended")


def test_a_preview_says_who_would_be_notified_when_over_what_and_why(harness: Harness) -> None:
    post(harness, "/api/v1/rotas/desk/override", {"contact": "carol", "for": "2h"})
    at = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    for when, who in (("", "carol"), (f"&at={at}", "anna")):
        [plan] = harness.get(f"/api/v1/preview?alert=HighDrawdown&bot=alpha{when}").json()
        told = [one for one in plan["told"] if one["after"] == 0]
        assert {one["who"] for one in told} == {who, "the desk"}
        assert all(one["why"] for one in plan["told"])
    for asked, wrong in (
        ("alert=Dwn&bot=alpha", "Dwn is no alert; did you mean Down?"),
        ("alert=Down&bot=alhpa", "alhpa is no bot; did you mean alpha?"),
    ):
        answer = harness.get(f"/api/v1/preview?{asked}")
        assert (answer.status_code, answer.json()["detail"]) == (404, wrong)
    assert harness.get("/api/v1/preview?alert=Down&at=soon").status_code == 422


def test_only_who_may_act_changes_who_is_on_call(harness: Harness) -> None:
    for path, body in (
        ("rotas/desk/override", {"contact": "ben", "for": "1h"}),
        ("rotas/desk/swap", {"from": "2026-01-05T09:00", "with": "2026-01-12T09:00"}),
        ("overrides/1/cancel", {}),
    ):
        for token in ("read-secret", "receive-secret", "reload-secret", "x"):
            assert post(harness, f"/api/v1/{path}", body, token).status_code == 401, (path, token)
    assert harness.get("/api/v1/overrides").json() == []
    assert requests.get(harness.url("/api/v1/oncall"), timeout=20).status_code == 401


def test_by_command_shifts_are_swapped_shown_and_given_back(harness: Harness) -> None:
    shown = nightdesk(harness, "oncall").stdout
    assert "desk (escalation.first): anna, until" in shown
    assert ", then ben\n" in shown
    now = datetime.now(UTC)
    given, taken = (f"{now + timedelta(days=day):%Y-%m-%dT12:00}" for day in (1, 8))
    done = nightdesk(harness, "on-call", "swap", "desk", "--from", given, "--with", taken, "--for", "1d")
    assert done.stdout.startswith("swapped: override 1, 2\n  ben instead of anna, "), done.stderr
    assert "anna instead of ben" in done.stdout
    assert (
        "desk (escalation.first): ben instead of anna, until"
        in nightdesk(harness, "on-call", "--at", given).stdout
    )
    assert "override 2 of desk: anna, " in nightdesk(harness, "on-call").stdout
    assert nightdesk(harness, "on-call", "cancel", "2").stdout.startswith("cancelled: override 1, 2\n")
    wrong = nightdesk(harness, "on-call", "override", "desk", "bne", "--for", "1h")
    assert (wrong.returncode, wrong.stderr) == (1, "bne is not in contacts; did you mean ben?\n")


def test_the_plan_by_command_goes_by_overrides_too_and_says_where_it_cannot_know_them(
    harness: Harness,
) -> None:
    nightdesk(harness, "on-call", "override", "desk", "carol", "--for", "2h")
    plan = nightdesk(harness, "alerts", "--who", "HighDrawdown", "--bot", "alpha")
    assert "carol@example.org" in plan.stdout
    assert plan.stderr == ""
    harness.stop(harness.engine)
    alone = nightdesk(harness, "alerts", "--who", "HighDrawdown", "--bot", "alpha")
    assert "anna@example.org" in alone.stdout
    assert "overrides made at run time are missing: webhook_actions" in alone.stderr
