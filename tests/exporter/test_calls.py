"""Rates of a bot's calls to its exchange."""

from exporter.analytics.calls import CallWindow
from exporter.reading import ApiCalls


def test_call_rates_forget_what_left_the_window():
    window = CallWindow(300)
    assert window.add(ApiCalls(100, 50), 0) is None
    assert window.add(ApiCalls(200, 50), 300).error_rate == 0
    found = window.add(ApiCalls(200, 60), 600)
    assert (found.error_rate, found.per_minute) == (1.0, 2.0)
    assert window.add(ApiCalls(200, 60), 900).error_rate is None


def test_a_clock_that_goes_back_restarts_the_window():
    window = CallWindow(300)
    window.add(ApiCalls(1, 0), 1000)
    assert window.add(ApiCalls(2, 0), 10) is None
    assert window.add(ApiCalls(3, 1), 20).error_rate == 0.5
