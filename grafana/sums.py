"""Sums over bots whose names say which bots are missing."""

from grafana.panel_fields import NEUTRAL, Query, named_values
from grafana.promql import counted_beside, each, left_behind

_LAST_KNOWN = "%s: {{down}} of {{of}} last known"
ANSWERS = f"on (bot) {each('up')} == 1"


AGES = named_values({"0": ("now", NEUTRAL), "1": ("last known", NEUTRAL)})


def age(of_bots: str) -> str:
    """Return for each series whether it is of now or last known, as `AGES` names it."""
    return f"0 * ({of_bots} and {ANSWERS}) or 1 + 0 * ({of_bots} unless {ANSWERS})"


def by_age(query: Query) -> list[Query]:
    """Return the series of bots that answer, and those of others, whose name calls them last known."""
    return [
        Query(f"({query.expr}) and {ANSWERS}", query.legend),
        Query(f"({query.expr}) unless {ANSWERS}", f"{query.legend}, last known"),
    ]


def by_symbol_and_age(of_bots: str, most: int) -> list[Query]:
    """Return the largest sums over bots by symbol; the name says where a part of the sum is last known."""
    sums, old = f"topk({most}, sum by (symbol) ({of_bots}))", f"{of_bots} unless {ANSWERS}"
    return [
        Query(f"{sums} unless on (symbol) ({old})", "{{symbol}}"),
        Query(f"{sums} and on (symbol) ({old})", "{{symbol}}, partly last known"),
    ]


def share(part: str, whole: str, name: str) -> list[Query]:
    """Return a part of a whole, both sums over bots; the name says of how many bots it is last known."""
    down = left_behind(whole)
    both = f"sum({part}) / sum({whole})"
    return [
        Query(f"{both} unless on () {down}", name),
        Query(counted_beside(f"({both})", down=down, of=f"count({whole})"), _LAST_KNOWN % name),
    ]


def summed(of_bots: str, name: str, every: str | None = None) -> list[Query]:
    """Return the queries of a sum over bots: one with all values known now, one with last known values.

    If the figure is unknown for bots in `every`, a third query counts them; with none known it is NaN.
    """
    down = left_behind(of_bots)
    fresh, kept = (
        f"sum({of_bots}) unless on () {down}",
        counted_beside(f"sum({of_bots})", down=down, of=f"count({of_bots})"),
    )
    last_known = _LAST_KNOWN % name
    if every is None:
        return [Query(fresh, name), Query(kept, last_known)]
    lacking = f"count({every} unless on (bot) {of_bots})"
    rest = counted_beside(f"(sum({of_bots}) or NaN * {lacking})", unknown=lacking, of=f"count({every})")
    return [
        Query(f"{fresh} unless on () {lacking}", name),
        Query(f"{kept} unless on () {lacking}", last_known),
        Query(rest, f"{name}: {{{{unknown}}}} of {{{{of}}}} not known"),
    ]
