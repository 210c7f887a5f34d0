"""What must fire and what must not, for each alert: promtool proves it, and a drill fires it."""

from collections.abc import Iterator

from stack.drill.cases import bots, execution, guard, limits, losses, meta, objectives, positions
from stack.drill.cases.case import Case
from stack.settings import Settings


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all cases of the alerts of the rules that the settings switch on."""
    for part in (limits, losses, guard, execution, positions, bots, objectives, meta):
        yield from (case for case in part.cases(settings) if settings.alerts[case.alert].enabled)
