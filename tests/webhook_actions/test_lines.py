"""The lines of the on-call page: an incident's state in a word, and groups of one cause."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from webhook_actions.page.lines import groups, state
from webhook_actions.store.runs import Run
from webhook_actions.store.search import Case, Entry

NOW = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def case(id_: int = 1, alert: str = "TradingBotDown", bot: str = "alpha", **more: Any) -> Case:
    given = {"severity": "critical", "runs": (), "timeline": (), "answered": False} | more
    severity = given.pop("severity")
    return Case(id_, f"f{id_}", alert, bot, severity, {"bot": bot}, {}, NOW, NOW, NOW, 1, **given)


def run(**more: Any) -> Run:
    given = {"state": "ended", "started_at": NOW, "ended_at": NOW, "outcome": "done"} | more
    return Run(1, 1, "alpha", "restart_bot", "disruptive", given.pop("state"), NOW, **given)


def answered(kind: str) -> dict[str, Any]:
    return {"answered": True, "timeline": (Entry(1, NOW, "opened", ""), Entry(1, NOW, kind, "by anna"))}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "opened"),
        ({"runs": (run(state="running", ended_at=None),)}, "acting"),
        ({"runs": (run(state="wanted", started_at=None, ended_at=None),)}, "acting"),
        ({"runs": (run(verdict="verified"),)}, "verified"),
        ({"runs": (run(verdict="not_verified"),)}, "not verified"),
        ({"runs": (run(verdict="not_verified"), run(state="running", ended_at=None))}, "acting"),
        ({"handed_over_at": NOW, "runs": (run(verdict="not_verified"),)}, "needs a person"),
        ({"handed_over_at": NOW} | answered("acknowledged"), "acknowledged"),
        (answered("snoozed"), "snoozed"),
        (answered("snoozed") | {"answered": False}, "opened"),  # its time is over
        ({"severity": "info", "handed_over_at": NOW}, "news"),
        ({"closed_at": NOW + timedelta(hours=1)} | answered("acknowledged"), "closed"),
    ],
)
def test_the_state_of_an_incident_is_a_word(given: dict[str, Any], said: str) -> None:
    assert state(case(**given)) == said


def test_many_of_one_alert_are_one_line_that_names_the_bots() -> None:
    [group] = groups([case(n, bot=f"bot{n}") for n in range(8)])
    assert group.name == "Down of 8 bots"
    assert group.text == "bot0, bot1, bot2, bot3, bot4 and 3 more"
    assert len(group.cases) == 8


def test_two_of_one_alert_stay_lines_of_their_own() -> None:
    assert [len(group.cases) for group in groups([case(1), case(2, bot="beta")])] == [1, 1]


def test_several_of_one_bot_are_counted_and_not_called_bots() -> None:
    [group] = groups([case(n) for n in range(3)])
    assert (group.name, group.text) == ("Down, 3 times", "alpha")


def test_what_somebody_has_is_not_in_one_line_with_what_nobody_has() -> None:
    open_ = [case(n, bot=f"bot{n}") for n in range(3)]
    had = [replace(case(n + 3, bot=f"had{n}"), **answered("acknowledged")) for n in range(3)]
    assert [(group.state, len(group.cases)) for group in groups(open_ + had)] == [
        ("opened", 3),
        ("acknowledged", 3),
    ]


def test_a_group_keeps_its_name_while_incidents_come_and_go_and_no_two_have_the_same() -> None:
    first = groups([case(n, bot=f"bot{n}") for n in range(3)])
    later = groups([case(n, bot=f"bot{n}") for n in range(1, 9)])
    assert [group.id for group in first] == [group.id for group in later]
    mixed = [case(n, alert) for n, alert in enumerate(["TradingBotDown", "TradingBotLoopHung"] * 3)]
    ids = [group.id for group in groups(mixed)]
    assert len(set(ids)) == len(ids) == 2
