"""`nightdesk check` refuses a limit that could never be computed, and says what would make it one."""

import pytest

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
