"""Says which bots this exporter watches, and lists all bots for service discovery."""

from collections.abc import Callable
from typing import Any

from exporter.push_api import WatchedElsewhere
from exporter.sources import Source
from stack.settings import Address, Settings


class Shard:
    """The settings of all bots, and this exporter's share of them."""

    def __init__(self, settings: Settings, here: Address) -> None:
        """`here` is this exporter's own address in the settings."""
        self.settings = settings
        mine = {name: bot for name, bot in settings.bots.items() if settings.exporter_of(name) == here}
        self.own = settings.model_copy(update={"bots": mine})

    def source(self, bot: str, find: Callable[[str], Source]) -> Source:
        """Return the result of `find` for a bot of this share. Raises KeyError and WatchedElsewhere."""
        if bot in self.settings.bots and bot not in self.own.bots:
            raise WatchedElsewhere(self.settings.exporter_of(bot).address)
        return find(bot)

    def targets(self) -> list[dict[str, Any]]:
        """Return all bots for Prometheus's HTTP service discovery: targets of the exporter that watches each.

        Format: https://prometheus.io/docs/prometheus/latest/http_sd/. Prometheus 2 takes no brackets in a
        label's name, so a target asks for its bot by `bot`, not `bot[]`.
        """
        return [
            {
                "targets": [self.settings.exporter_of(name).address],
                "labels": {
                    "__param_bot": name,
                    "__meta_nightdesk_bot": name,
                    "__meta_nightdesk_source": bot.source.type,
                    "__meta_nightdesk_team": bot.team or "",
                    "__meta_nightdesk_currency": bot.currency or self.settings.currency,
                },
            }
            for name, bot in self.settings.bots.items()
        ]
