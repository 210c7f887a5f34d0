"""`nightdesk check` refuses a limit that Nightdesk could never compute, and says what is missing."""

from datetime import date

import pytest

from stack.day_starts import irregular
from stack.limits import unarmed
from tests.settings.conftest import Load, settings

__all__ = ["settings"]
PUSH = "source: {type: push, token_file: token}"
FREQTRADE = 'source: {type: freqtrade, url: "http://127.0.0.1:8080", username: u, password_file: p}'
RATIO, MONEY = "{name: d, kind: daily, ratio: 0.05}", "{name: d, kind: daily, money: 5}"
MAXIMUM = "{name: m, kind: maximum, money: 5}"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (f"bots: {{a: {{{PUSH}, limits: [{MONEY}]}}}}", []),
        (f"bots: {{a: {{{FREQTRADE}, limits: [{RATIO}]}}}}", []),
        (f"bots: {{a: {{{PUSH}, starting_capital: 100, limits: [{RATIO}]}}}}", []),
        (
            f"bots: {{a: {{{PUSH}, limits: [{RATIO}, {MAXIMUM}]}}}}",
            [
                "bots.a.limits: d: cannot be computed without a capital; write bots.a.starting_capital",
                "bots.a.limits: m: cannot be computed without a capital; write bots.a.starting_capital",
            ],
        ),
        (
            f"bots: {{a: {{{PUSH}}}, b: {{{FREQTRADE}}}}}\n"
            f"accounts: {{x: {{bots: [a, b], limits: [{RATIO}]}}}}",
            [
                "accounts.x.limits: d: cannot be computed without a capital; "
                "write accounts.x.capital, or starting_capital of a"
            ],
        ),
        (f"bots: {{a: {{{PUSH}}}}}\naccounts: {{x: {{bots: [a], capital: 5, limits: [{RATIO}]}}}}", []),
        (f"demo: {{enabled: true}}\naccounts: {{x: {{bots: [demo], limits: [{RATIO}]}}}}", []),
    ],
)
def test_a_limit_without_a_capital_is_named_with_the_way_out(settings: Load, text: str, problems: list[str]):
    assert list(unarmed(settings(text))) == problems


@pytest.mark.parametrize(
    ("day", "says"),
    [
        (
            '{start: "02:30", timezone: Europe/Berlin}',
            [
                "02:30 does not exist on 2027-03-28 in Europe/Berlin; its day begins at the end of the gap",
                "02:30 occurs twice on 2027-10-31 in Europe/Berlin; its day begins at the first occurrence",
            ],
        ),
        ('{start: "02:30", timezone: UTC}', []),
        ('{start: "03:00", timezone: Europe/Berlin}', []),
    ],
)
def test_a_day_start_that_clocks_skip_or_repeat_is_reported_with_its_day(
    settings: Load, day: str, says: list[str]
):
    one = settings(f"bots: {{a: {{{PUSH}, day: {day}, limits: [{MONEY}]}}}}")
    assert list(irregular(one, date(2027, 1, 1))) == [f"bots.a.day.start: {line}" for line in says]
    both = settings(f"bots: {{a: {{{PUSH}}}}}\naccounts: {{x: {{bots: [a], day: {day}, limits: [{MONEY}]}}}}")
    assert list(irregular(both, date(2027, 1, 1))) == [f"accounts.x.day.start: {line}" for line in says]
