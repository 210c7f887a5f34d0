"""Cases in which each alert must fire or must not: promtool tests them, and a drill plays them."""

from collections.abc import Iterator

from stack.drill.cases import bots, edge, execution, guard, limits, losses, meta, objectives, positions
from stack.drill.cases.case import Case
from stack.settings import Settings


def cases(settings: Settings) -> Iterator[Case]:
    """Yield the cases of all alerts that the settings enable."""
    for part in (limits, losses, guard, execution, edge, positions, bots, objectives, meta):
        yield from (case for case in part.cases(settings) if settings.alerts[case.alert].enabled)
