"""Asks Prometheus what blackbox_exporter's probes last saw of the exchange endpoints of the settings."""

import logging

import aiohttp
from pydantic import BaseModel, ValidationError

from exporter.health import Endpoint
from stack.settings import Settings

_log = logging.getLogger(__name__)
_QUERY = '{__name__=~"probe_success|probe_duration_seconds", endpoint!=""}'


class _Labels(BaseModel):
    name: str
    endpoint: str

    model_config = {"alias_generator": lambda name: "__name__" if name == "name" else name}


class _Series(BaseModel):
    metric: _Labels
    value: tuple[float, float]


class _Data(BaseModel):
    result: list[_Series]


class _Answer(BaseModel):
    data: _Data


class Probes:
    """The endpoints of `collection.probes`."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._names = [probe.name for probe in settings.collection.probes]
        self._url = f"{settings.services.prometheus.url}/api/v1/query"
        self._web = settings.web
        self._timeout = aiohttp.ClientTimeout(total=float(settings.collection.timeout))

    def _user(self) -> aiohttp.BasicAuth | None:
        user = self._web.user()
        return aiohttp.BasicAuth(*user) if user else None

    async def look(self) -> list[Endpoint]:
        """Return what is known of each endpoint; nothing while Prometheus does not answer."""
        if not self._names:
            return []
        try:
            async with self._session.get(
                self._url,
                params={"query": _QUERY},
                timeout=self._timeout,
                ssl=self._web.context(),
                auth=self._user(),
            ) as response:
                answer = _Answer.model_validate_json(await response.read())
        except (aiohttp.ClientError, OSError, ValidationError) as error:
            _log.warning("network_connectivity is unknown: %s: %s", self._url, error or type(error).__name__)
            return []
        found = {(each.metric.name, each.metric.endpoint): each.value[1] for each in answer.data.result}
        return [
            Endpoint(name, found["probe_success", name] == 1, found["probe_duration_seconds", name])
            for name in self._names
            if ("probe_success", name) in found and ("probe_duration_seconds", name) in found
        ]
