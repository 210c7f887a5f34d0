"""Durations and sizes are read and written as Prometheus and people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from stack.settings import Duration, RealTime, Size

UNITS = (("y", 31_536_000), ("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1), ("ms", 0.001))


@given(st.integers(0, 10**12))
def test_a_duration_written_and_read_again_is_the_same(milliseconds: int) -> None:
    duration = Duration(milliseconds / 1000)
    assert Duration.parse(str(duration)) == pytest.approx(duration, abs=1e-6)


@given(st.lists(st.integers(0, 999), min_size=7, max_size=7).filter(any))
def test_a_duration_is_the_sum_of_its_units(counts: list[int]) -> None:
    text = "".join(f"{count}{unit}" for count, (unit, _) in zip(counts, UNITS, strict=True) if count)
    seconds = sum(count * length for count, (_, length) in zip(counts, UNITS, strict=True))
    assert Duration.parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds", "written"),
    [
        ("90s", 90, "1m30s"),
        ("1h30m", 5400, "1h30m"),
        ("24h", 86_400, "1d"),
        ("0s", 0, "0s"),
        ("100ms", 0.1, "100ms"),
    ],
)
def test_durations_read_as_prometheus_writes_them(text: str, seconds: float, written: str) -> None:
    assert Duration.parse(text) == seconds
    assert str(Duration.parse(text)) == written


@pytest.mark.parametrize(
    "wrong",
    ["", "5", 5, 5.0, "-5m", "5 m", "1.5h", "30m1h", "5M", "5min", "s", None, True, "1h1h", "٣sx", []],
)
def test_what_prometheus_would_not_read_is_not_a_duration(wrong: object) -> None:
    with pytest.raises(PydanticCustomError, match="is not a duration; write it as Prometheus does"):
        Duration.parse(wrong)


@given(st.integers(0, 10**15))
def test_a_size_written_and_read_again_is_the_same(count: int) -> None:
    assert Size.parse(str(Size(count))) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [("100MB", 100_000_000), ("5 GB", 5_000_000_000), ("1kB", 1000), ("1KB", 1000), ("7B", 7)],
)
def test_sizes_are_decimal_as_their_units_say(text: str, count: int) -> None:
    assert Size.parse(text) == count


@pytest.mark.parametrize("wrong", ["", "100", 100, "1.5MB", "-1MB", "1MiB", "MB", None])
def test_a_size_without_a_whole_number_and_a_unit_is_refused(wrong: object) -> None:
    with pytest.raises(PydanticCustomError, match="is not a size"):
        Size.parse(wrong)


def test_only_waits_are_made_shorter_by_a_drill() -> None:
    assert Duration.scaled
    assert not RealTime.scaled
