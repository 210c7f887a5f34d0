"""Asks Prometheus what is true: the webhook is only a hint."""

import asyncio
import json
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import aiohttp

_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=2)
_OF_SERIES = ("__name__", "alertstate")  # labels that ALERTS has beside the alert's own


class Unreachable(Exception):
    """Prometheus did not answer, or not with an answer."""


class Firing:
    """The alerts that fire."""

    def __init__(self, alerts: Iterable[Mapping[str, str]]) -> None:
        self._alerts = defaultdict[tuple[str, str], list[Mapping[str, str]]](list)
        for alert in alerts:
            self._alerts[_key(alert)].append(alert)

    def __contains__(self, labels: Mapping[str, str]) -> bool:
        """Return whether an alert with these labels is among them.

        Alertmanager's alert has all labels of Prometheus's and the external labels besides.
        """
        return any(
            all(labels.get(name) == value for name, value in alert.items())
            for alert in self._alerts.get(_key(labels), ())
        )


class Prometheus:
    """Prometheus's HTTP API, as far as the engine needs it; of several, whichever answers."""

    def __init__(
        self, *urls: str, context: ssl.SSLContext | bool = True, user: tuple[str, str] | None = None
    ) -> None:
        """`context` says whom to trust, `user` who asks, with the password."""
        self._urls = deque(urls)
        self._context = context
        self._user = aiohttp.BasicAuth(*user) if user else None
        self._session: aiohttp.ClientSession | None = None

    async def holds(self, expression: str, since: datetime | None = None) -> bool:
        """Return whether the expression returns a sample, computed from samples newer than `since` if given.

        Raises Unreachable, also for an expression that Prometheus refuses.
        """
        parameters = {"query": expression}
        if since is not None:
            age = time.time() - since.timestamp()
            if age <= 0:
                return False
            parameters["lookback_delta"] = f"{age:.3f}"
        return bool((await self._get(parameters))["result"])

    async def firing(self) -> Firing:
        """Return the alerts that fire, at any Prometheus that answers. Raises Unreachable."""
        return await self._firing("")

    async def fires(self, labels: Mapping[str, str]) -> bool:
        """Return whether the alert with these labels fires, at any that answers. Raises Unreachable.

        Asked of the one alert: in a storm of thousands, all of them for each would be megabytes a time.
        """
        chosen = ",".join(f"{name}={json.dumps(labels.get(name, ''))}" for name in ("alertname", "bot"))
        return labels in await self._firing(chosen)

    async def _firing(self, chosen: str) -> Firing:
        # The series, not /api/v1/alerts, which would send each alert's annotations along.
        found = await self._all({"query": f'ALERTS{{alertstate="firing",{chosen}}}'})
        return Firing(
            {name: value for name, value in series["metric"].items() if name not in _OF_SERIES}
            for each in found
            for series in each["result"]
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def _get(self, parameters: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        failed = []
        for url in tuple(self._urls):
            try:
                return await self._ask(url, parameters)
            except Unreachable as error:
                failed.append(str(error))
                if self._urls[0] == url:
                    self._urls.rotate(-1)  # the one that answers is asked first from now on
        raise Unreachable("; ".join(failed))

    async def _all(self, parameters: Mapping[str, str]) -> list[Any]:
        """Return what each that is reached answers: of two, one sees a change a little before the other."""
        asked = (self._ask(url, parameters) for url in self._urls)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        failed = [each for each in answers if isinstance(each, BaseException)]
        for error in failed:
            if not isinstance(error, Unreachable):
                raise error
        if len(failed) == len(answers):
            raise Unreachable("; ".join(map(str, failed)))
        return [each for each in answers if not isinstance(each, BaseException)]

    async def _ask(self, url: str, parameters: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._context)
            self._session = aiohttp.ClientSession(connector=connector, auth=self._user, timeout=_TIMEOUT)
        try:
            async with self._session.get(f"{url}/api/v1/query", params=parameters) as answer:
                body = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(f"{url}: {type(error).__name__}: {error}") from None
        if body.get("status") != "success":
            raise Unreachable(f"{url} refused the query: {body.get('error', answer.status)}")
        return body["data"]


def _key(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("alertname", ""), labels.get("bot", "")
