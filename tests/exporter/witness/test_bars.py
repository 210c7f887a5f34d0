"""The witness finds each kind of difference in time, and no false one: a short form of `tests.venue`."""

from dataclasses import replace

import pytest

from exporter.witness import compare as comparing
from exporter.witness import witness
from tests.venue.bars import KINDS, account, find, quiet, sizes

HALF_A_DAY = 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_difference_is_found_within_a_minute(kind):
    found = find(kind, range(1, 4))
    assert found.missed == ()
    assert max(found.seconds) <= 60


def told(settle: float = 10.0) -> set[str]:
    """Return the differences reported for good accounts."""
    return {
        kind for seed, bots in enumerate(sizes(10)) for kind in quiet(seed, bots, HALF_A_DAY, settle).told
    }


def test_nothing_is_told_of_accounts_that_are_well():
    assert told() == set()


def test_an_account_has_fills_in_flight_and_outages_while_nothing_is_told():
    one = quiet(1, 3, 1.0)
    assert one.fills > 300
    assert min(one.outages, one.downs) > 0
    desk = account(1, 3, 1.0, 10.0)
    desk.run(3600)
    assert desk.looks > 100


def test_the_bars_find_that_nothing_has_time_to_settle():
    assert told(settle=0.0)


def test_the_bars_find_a_side_that_is_not_looked_at(monkeypatch: pytest.MonkeyPatch):
    right = comparing.compare

    def sideless(venue, bots, *rest):
        def without(books):
            held = {key: replace(each, quantity=abs(each.quantity)) for key, each in books.holdings.items()}
            return replace(books, holdings=held)

        return right(without(venue), without(bots), *rest)

    monkeypatch.setattr(witness, "compare", sideless)
    assert find("wrong_side", range(1, 4)).missed


def test_the_bars_find_an_outage_that_is_read_as_flat(monkeypatch: pytest.MonkeyPatch):
    right = witness.Witness.look

    def flat(self, venue, bots):
        if venue is None and bots is not None:
            venue = replace(bots, holdings={}, orders=(), money=None, order_ids=None)
        right(self, venue, bots)

    monkeypatch.setattr(witness.Witness, "look", flat)
    assert "missing_position" in told()
