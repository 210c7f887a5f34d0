"""What the actions look at: Prometheus's series, and how long each exchange endpoint takes to answer."""

import http.client
import math
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from clients.http import OWN_LARGEST, NoAnswer, Request, ask
from clients.prometheus import MATRIX, VECTOR, Unreachable, parsed
from stack.settings import Settings
from stack.settings.web import Way, Web

_Data = TypeVar("_Data")
_PARALLEL = 8  # endpoints that are measured at once


class Unanswered(Exception):
    """Prometheus did not answer, or not with an answer."""


@dataclass(frozen=True)
class Sample:
    """A value of a series with its labels."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Series:
    """The values of a series over time, oldest first; times are unix seconds."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Endpoint:
    """An exchange's address whose times are measured."""

    name: str
    url: str

    @property
    def origin(self) -> str:
        """The address without the path and the query that are probed: what a bot can work with."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"


@dataclass(frozen=True)
class Reach:
    """How an endpoint answered: seconds of each part that was reached, and what went wrong, if anything."""

    endpoint: Endpoint
    seconds: Mapping[str, float]  # dns, tcp, tls, http: as far as it came
    status: int | None = None
    error: str | None = None

    @property
    def healthy(self) -> bool:
        """Whether it answered, and not with an error of its own."""
        return self.error is None and self.status is not None and self.status < 400

    @property
    def total(self) -> float:
        """Seconds of all parts."""
        return sum(self.seconds.values())


def for_bot(expression: str, bot: str) -> str:
    """Return PromQL with the bot's name, quoted as a label value, for `$bot`."""
    quoted = bot.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return expression.replace("$bot", quoted)


class Observer:
    """Asks Prometheus, of several the first that answers, and measures endpoints within `timeout` seconds."""

    def __init__(
        self,
        prometheus: Sequence[str],
        endpoints: Sequence[Endpoint],
        timeout: float,
        web: Web | None = None,
    ) -> None:
        """`web` is how Prometheus is asked; by default without TLS and as nobody."""
        self._prometheus = tuple(prometheus)
        self._web = web
        self._timeout = timeout
        self.endpoints = tuple(endpoints)

    @classmethod
    def of(cls, settings: Settings) -> "Observer":
        """Return the observer that settings describe."""
        endpoints = [Endpoint(probe.name, str(probe.url)) for probe in settings.collection.probes]
        timeout = float(settings.collection.timeout)
        return cls(settings.services.prometheus.urls, endpoints, timeout, settings.web)

    @property
    def longest(self) -> float:
        """Seconds that one question usually takes at most."""
        return self._timeout * len(self._prometheus)

    def ask(self, expression: str, at: float | None = None) -> tuple[Sample, ...]:
        """Return what an expression is now, or at a unix time, without NaN. Raises Unanswered."""
        asked = {"query": expression} | ({} if at is None else {"time": at})
        found = self._get("query", asked, VECTOR)["data"]["result"]
        samples = (Sample(each["metric"], each["value"][1]) for each in found)
        return tuple(sample for sample in samples if math.isfinite(sample.value))

    def ask_range(
        self, expression: str, seconds: float, step: float, end: float | None = None
    ) -> tuple[Series, ...]:
        """Return what an expression was over the last `seconds`, or those before `end`, every `step` seconds.

        Raises Unanswered.
        """
        end = time.time() if end is None else end
        asked = {"query": expression, "start": end - seconds, "end": end, "step": step}
        lines = self._get("query_range", asked, MATRIX)["data"]["result"]
        return tuple(Series(each["metric"], tuple(each["values"])) for each in lines)

    def reach_all(self) -> tuple[Reach, ...]:
        """Measure every endpoint, at once; fastest first, those that fail last."""
        if not self.endpoints:
            return ()
        with ThreadPoolExecutor(min(_PARALLEL, len(self.endpoints))) as pool:
            reached = list(pool.map(self.reach, self.endpoints))
        return tuple(sorted(reached, key=lambda each: (not each.healthy, each.total)))

    def reach(self, endpoint: Endpoint) -> Reach:
        """Measure one endpoint on a new connection, as a client of its own would meet it."""
        seconds: dict[str, float] = {}
        try:
            status = _walk(endpoint.url, self._timeout, seconds)
        except (OSError, http.client.HTTPException, ValueError) as error:
            at = next(part for part in ("dns", "tcp", "tls", "http", "") if part not in seconds)
            return Reach(endpoint, seconds, error=f"{at}: {type(error).__name__}: {error}"[:200])
        return Reach(endpoint, seconds, status)

    def _request(self, url: str, parameters: Mapping[str, object]) -> Request:
        form = {name: str(value) for name, value in parameters.items()}
        way, login = (self._web.way, self._web.login()) if self._web else (Way(), {})
        return Request("POST", url, self._timeout, login, form=form, way=way, largest=OWN_LARGEST)

    def _get(self, path: str, parameters: Mapping[str, object], kind: TypeAdapter[_Data]) -> _Data:
        failed = []
        for url in self._prometheus:
            try:
                return parsed(url, ask(self._request(f"{url}/api/v1/{path}", parameters)), kind)
            except NoAnswer as error:
                failed.append(f"Prometheus at {url}: {error}")
            except Unreachable as error:
                failed.append(f"Prometheus at {error}")
        raise Unanswered("; ".join(failed))


def _walk(url: str, timeout: float, seconds: dict[str, float]) -> int:
    """Go to a URL step by step, noting the seconds of each, and return the status.

    Raises OSError, HTTPException or ValueError at the step that fails; the steps before are noted.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    began = time.perf_counter()

    def passed(step: str) -> None:
        seconds[step] = time.perf_counter() - began - sum(seconds.values())

    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    passed("dns")
    with socket.socket(family, kind, protocol) as plain:
        plain.settimeout(timeout)
        plain.connect(address)
        passed("tcp")
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.sock = plain
        if secure:
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
            passed("tls")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"User-Agent": "nightdesk", "Connection": "close"})
        status = connection.getresponse().status
        connection.close()
    passed("http")
    return status
