"""Loss limits and accounts: errors name the limit, the value and the way out."""

import pytest

from tests.settings.conftest import Load, Refuse

SOURCE = "source: {type: push, token_file: token}, starting_capital: 1000"


def bot(limit: str, more: str = "") -> str:
    return f"bots: {{a: {{{SOURCE}, limits: [{limit}]{more}}}}}"


def account(text: str, *, second: str = "USDT", more: str = "") -> str:
    bots = f"bots: {{a: {{{SOURCE}}}, b: {{{SOURCE}, currency: {second}}}}}"
    return f"{bots}\naccounts: {{main: {text}{more}}}"


LIMIT = "{name: d, kind: daily, money: 10}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (bot("{name: d, kind: daily, ratio: 1.5}"), "bots.a.limits[0].ratio: 1.5 is not in 0.0001–1.0"),
        (bot("{name: d, kind: daily, ratio: 5}"), "bots.a.limits[0].ratio: 5.0 is not in 0.0001–1.0"),
        (
            bot("{name: d, kind: daily, money: 0}"),
            "bots.a.limits[0].money: 0.0 is not in 0.01–1000000000000.0",
        ),
        (bot("{name: d, kind: daily, money: -5}"), "bots.a.limits[0].money: -5.0 is not in 0.01"),
        (bot("{name: d, kind: daily, money: yes}"), "bots.a.limits[0].money: True is not a number"),
        (bot("{name: d, kind: daily}"), "d: write exactly one of money, ratio"),
        (bot("{name: d, kind: daily, money: 1, ratio: 0.1}"), "d: write exactly one of money, ratio"),
        (bot("{name: d, kind: weekly, money: 1}"), "bots.a.limits[0].kind: 'weekly'"),
        (bot("{kind: daily, money: 1}"), "bots.a.limits[0].name: is missing"),
        (bot("{name: d, kind: daily, money: 1, of: capital}"), "d: of: capital has no effect with money"),
        (
            bot("{name: d, kind: daily, money: 1, trails: day_end}"),
            "d: trails: day_end has no effect, a daily limit restarts each day; write never or intraday",
        ),
        (
            bot("{name: m, kind: maximum, money: 1, mark: balance}"),
            "m: mark: balance has no effect: without trails the capital is the mark; remove it",
        ),
        (
            bot("{name: m, kind: maximum, money: 1, locks_at: 0}"),
            "m: locks_at: 0.0 has no effect on a limit that does not trail; remove it",
        ),
        (
            bot("{name: d, kind: daily, money: 1, acts_at: 8}"),
            "bots.a.limits[0].acts_at: 8.0 is not in 0.1–1.0",
        ),
        (
            bot("{name: d, kind: daily, mony: 1}"),
            "bots.a.limits[0].mony: is not a setting; did you mean money?",
        ),
        (
            f"bots: {{a: {{{SOURCE}, transfers: [{{amont: 5}}]}}}}",
            "bots.a.transfers[0].amont: is not a setting; did you mean amount?",
        ),
        (bot(f"{LIMIT}, {LIMIT}"), "bots.a.limits: two are named d; give each a name of its own"),
        (
            bot(LIMIT, ", day: {timezone: Europe/Prag}"),
            "bots.a.day.timezone: 'Europe/Prag' is not a time zone; write it as Europe/Berlin",
        ),
        (bot(LIMIT, ", day: {start: 17:00}"), "bots.a.day.start: write the time between quotes"),
        (bot(LIMIT, ', day: {start: "24:00"}'), "bots.a.day.start: '24:00'"),
        (
            account(f"{{bots: [a, b], limits: [{LIMIT}]}}", second="BTC"),
            "accounts.main.bots: money of two currencies is never added: a in USDT, b in BTC; "
            "write an account for each",
        ),
        (
            account(
                f"{{bots: [a], limits: [{LIMIT}]}}", more=f", other: {{bots: [b, a], limits: [{LIMIT}]}}"
            ),
            "accounts.other.bots: a is named in accounts.main too; its loss would count twice, "
            "so leave it in one",
        ),
        (
            account(f"{{bots: [a, a], limits: [{LIMIT}]}}"),
            "accounts.main.bots: a is named twice; its loss would count twice, so leave it in one",
        ),
        (
            account(f"{{bots: [alpha], limits: [{LIMIT}]}}"),
            "accounts.main.bots: alpha is not in bots; known: a, b",
        ),
        (account("{bots: [a], limits: []}"), "accounts.main.limits"),
        (account(f"{{bots: [], limits: [{LIMIT}]}}"), "accounts.main.bots"),
        (account("{bots: [a]}"), "accounts.main: has neither limits nor an exchange; write one of them"),
        (
            account(f"{{bots: [a, b], limits: [{LIMIT}, {LIMIT}]}}"),
            "accounts.main.limits: two are named d; give each a name of its own",
        ),
        ("thresholds: {critical: {loss_limit_used: 80}}", "loss_limit_used: 80.0 is not in 0.1–1.0"),
    ],
)
def test_what_cannot_be_meant_of_a_loss_limit_is_refused(refused: Refuse, text: str, problem: str):
    assert any(problem in line for line in refused(text)), refused(text)


def test_a_day_start_that_a_clock_change_leaves_out_is_accepted(settings: Load):
    found = settings(bot(LIMIT, ', day: {start: "02:30", timezone: Europe/Berlin}'))
    assert found.bots["a"].day.start == "02:30"


def test_all_bots_of_an_account_have_one_exporter(settings: Load):
    bots = ", ".join(f"b{number}: {{{SOURCE}}}" for number in range(20))
    named = ", ".join(f"b{number}" for number in range(10))
    replicas = ", ".join(f"{{host: 10.0.0.{number}, port: 8000}}" for number in range(1, 5))
    text = (
        f"bots: {{{bots}}}\naccounts: {{main: {{bots: [{named}], limits: [{LIMIT}]}}}}\n"
        f"services: {{exporter: {{replicas: [{replicas}]}}}}"
    )
    found = settings(text)
    assert len({found.exporter_of(f"b{number}").address for number in range(10)}) == 1
    assert len({found.exporter_of(f"b{number}").address for number in range(10, 20)}) > 1


def test_daily_loss_of_all_bots_is_read_as_before(settings: Load):
    assert settings("thresholds: {critical: {daily_loss: 250}}").thresholds.critical.daily_loss == 250
