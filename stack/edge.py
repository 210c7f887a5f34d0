"""Says which references of the edge watch cannot be used."""

from collections.abc import Iterator

from clients.backtest import BadReference
from clients.reference import reference_from
from stack.settings import OwnReference, Settings


def unusable(settings: Settings) -> Iterator[str]:
    """Yield a line for each file that cannot be used, with the value and the way out."""
    for name, bot in settings.bots.items():
        if bot.edge is None or isinstance(bot.edge.reference, OwnReference):
            continue
        try:
            reference_from(bot.edge.reference)
        except BadReference as error:
            yield f"bots.{name}.edge.reference: {error}"
