"""Sums over bots whose names say which bots are missing."""

from grafana.panel_fields import Query
from grafana.promql import counted_beside, left_behind


def summed(of_bots: str, name: str, every: str | None = None) -> list[Query]:
    """Return the queries of a sum over bots: one with all values known now, one with last known values.

    If the figure is unknown for bots in `every`, a third query counts them; with none known it is NaN.
    """
    down = left_behind(of_bots)
    fresh, kept = (
        f"sum({of_bots}) unless on () {down}",
        counted_beside(f"sum({of_bots})", down=down, of=f"count({of_bots})"),
    )
    last_known = f"{name}: {{{{down}}}} of {{{{of}}}} last known"
    if every is None:
        return [Query(fresh, name), Query(kept, last_known)]
    lacking = f"count({every} unless on (bot) {of_bots})"
    rest = counted_beside(f"(sum({of_bots}) or NaN * {lacking})", unknown=lacking, of=f"count({every})")
    return [
        Query(f"{fresh} unless on () {lacking}", name),
        Query(f"{kept} unless on () {lacking}", last_known),
        Query(rest, f"{name}: {{{{unknown}}}} of {{{{of}}}} not known"),
    ]
