"""Asks Prometheus what blackbox_exporter's probes last saw of the exchange endpoints of the settings."""

import asyncio
import logging

from clients.observer import Observer, Unanswered
from exporter.health import Endpoint
from stack.settings import Settings

_log = logging.getLogger(__name__)
_QUERY = '{__name__=~"probe_success|probe_duration_seconds", endpoint!=""}'


class Probes:
    """The endpoints of `collection.probes`."""

    def __init__(self, settings: Settings) -> None:
        self._observer = Observer.of(settings)
        self._names = [probe.name for probe in settings.collection.probes]

    async def look(self) -> list[Endpoint]:
        """Return what is known of each endpoint; nothing while Prometheus does not answer."""
        if not self._names:
            return []
        try:
            samples = await asyncio.to_thread(self._observer.ask, _QUERY)
        except Unanswered as error:
            _log.warning("network_connectivity is unknown: %s", error)
            return []
        found = {(each.labels["__name__"], each.labels["endpoint"]): each.value for each in samples}
        return [
            Endpoint(name, found["probe_success", name] == 1, found["probe_duration_seconds", name])
            for name in self._names
            if ("probe_success", name) in found and ("probe_duration_seconds", name) in found
        ]
