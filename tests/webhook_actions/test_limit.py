"""Rate limits: of one address, and of one repeated log line."""

import logging

import pytest

from webhook_actions.web.limit import OnceASecond, RateLimit


def test_a_burst_uses_up_the_minutes_share_which_comes_back_evenly() -> None:
    now = [1000.0]
    limit = RateLimit(6, clock=lambda: now[0])
    assert [limit.take("a") for _ in range(7)] == [0.0] * 6 + [10.0]
    assert limit.take("b") == 0.0, "another address has its own"
    now[0] += 10
    assert limit.wait("a") == 0.0
    assert [limit.take("a") for _ in range(2)] == [0.0, 10.0]


def test_many_addresses_do_not_fill_the_memory() -> None:
    limit = RateLimit(1)
    for number in range(20_000):
        limit.take(str(number))
    assert limit.wait("19999") > 0
    assert limit.wait("0") == 0.0


def test_a_warning_is_logged_once_a_second_and_the_next_says_how_many_were_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [1000.0]
    log = logging.getLogger("test of a flood")
    log.addFilter(OnceASecond(clock=lambda: now[0]))
    for number in range(1_000):
        log.warning("refused", extra={"number": number})
    now[0] += 1
    log.warning("refused", extra={"number": 1_000})
    assert [(each.__dict__["number"], each.__dict__["left_out"]) for each in caplog.records] == [
        (0, 0),
        (1_000, 999),
    ]
