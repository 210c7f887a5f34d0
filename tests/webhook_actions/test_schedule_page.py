"""The schedule page without JavaScript: now, next, overrides, swaps, and the preview."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.webhook_actions.harness import Harness
from tests.webhook_actions.rota import desk
from tests.webhook_actions.visitor import Visitor


@pytest.fixture
def carol(tmp_path: Path) -> Iterator[Visitor]:
    harness = Harness(tmp_path, "alpha", **desk())
    harness.start_engine()
    visitor = Visitor(harness, "carol")
    assert visitor.log_in().status_code == 303
    yield visitor
    harness.close()


def test_both_pages_say_who_is_on_call_now_and_next(carol: Visitor) -> None:
    assert "On call: anna until " in carol.reads("/")
    said = carol.reads("/schedule")
    assert "desk escalation.first anna until " in said
    assert ", then ben" in said
    assert "Always the same administrator" in said


def test_somebody_is_put_on_call_by_the_form_and_taken_back(carol: Visitor) -> None:
    form = {"contact": "ben", "for": "2h", "from": "", "to": "", "back": "/schedule"}
    said = carol.send("/schedule/desk/override", **form)
    assert said.url.endswith("/schedule?said=overridden")
    assert "the people concerned get a message" in said.text
    assert "ben instead of anna until " in carol.reads("/schedule")
    assert "On call: ben instead of anna until " in carol.reads("/")
    assert "by carol (act token)" in carol.reads("/schedule")
    carol.send("/schedule/cancel", override="1", back="/schedule")
    assert "On call: anna until" in carol.reads("/")
    assert "overridden" in carol.reads("/audit")


def test_two_shifts_are_swapped_by_the_form(carol: Visitor) -> None:
    now = datetime.now(UTC)
    times = {"from": f"{now:%Y-%m-%dT%H:%M}", "with": f"{now + timedelta(days=7):%Y-%m-%dT%H:%M}"}
    carol.send("/schedule/desk/swap", **times, **{"for": "", "back": "/schedule"})
    assert "On call: ben instead of anna until" in carol.reads("/")


@pytest.mark.parametrize(
    ("path", "form", "status", "says"),
    [
        ("/schedule/desk/override", {"contact": "nobody", "for": "1h"}, 422, "nobody is not in contacts"),
        ("/schedule/desk/override", {"contact": "ben", "for": "soon"}, 422, "not a duration"),
        ("/schedule/desk/override", {"contact": "ben", "to": "soon"}, 422, "soon is not a time"),
        (
            "/schedule/dsk/override",
            {"contact": "ben", "for": "1h"},
            404,
            "dsk is not a rota; choose one of desk",
        ),
        ("/schedule/desk/swap", {"from": "", "with": ""}, 422, "needs a time in each"),
        ("/schedule/cancel", {"override": "x"}, 422, "an override has a number"),
        ("/schedule/cancel", {"override": "7"}, 404, "no override 7"),
        (
            "/schedule/desk/override",
            {"contact": "ben", "for": "1h", "csrf": "0"},
            403,
            "from another session",
        ),
    ],
)
def test_what_cannot_be_is_refused_on_the_page_and_changes_nothing(
    carol: Visitor, path: str, form: dict[str, str], status: int, says: str
) -> None:
    answer = carol.send(path, **form)
    assert answer.status_code == status
    assert says in answer.text
    assert "On call: anna until" in carol.reads("/")


def test_the_page_shows_who_would_be_notified_of_an_alert_with_reasons(carol: Visitor) -> None:
    at = datetime.now(UTC) + timedelta(days=7)
    said = carol.reads(f"/schedule?alert=HighDrawdown&bot=alpha&at={at:%Y-%m-%dT%H:%M}")
    assert "critical: HighDrawdown of alpha, if nobody answers" in said
    assert "at once" in said
    assert "ben over email ben@example.org" in said
    assert "nobody has answered within" in said
    for at_, wrong in (("soon", "soon is not a time"), ("", "")):
        assert wrong in carol.reads(f"/schedule?alert=HighDrawdown&at={at_}")
    assert "Dwn is no alert" in carol.reads("/schedule?alert=Dwn")


def test_a_rota_of_one_and_no_rota_at_all_are_shown_too(tmp_path: Path) -> None:
    alone = desk()
    alone["escalation"]["rotas"]["desk"]["contacts"] = ["anna"]
    for index, (settings, says) in enumerate(
        ((alone, "Nobody else is in this rota"), ({}, "There is no on-call schedule"))
    ):
        directory = tmp_path / str(index)
        directory.mkdir()
        harness = Harness(directory, "alpha", **settings)
        try:
            harness.start_engine()
            visitor = Visitor(harness, "somebody")
            visitor.log_in()
            assert says in visitor.reads("/schedule")
        finally:
            harness.close()
