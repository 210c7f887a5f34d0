"""Reads for the actions: Prometheus's series, and the response times of exchange endpoints."""

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
_PARALLEL = 8  # endpoints measured at the same time


class Unanswered(Exception):
    """Prometheus gave no usable answer."""


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
        """The address without the probed path and query, as a bot needs it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"


@dataclass(frozen=True)
class Reach:
    """An endpoint's answer: the seconds of each step that was reached, and the problem, if any."""

    endpoint: Endpoint
    seconds: Mapping[str, float]  # dns, tcp, tls, http: the steps that were reached
    status: int | None = None
    error: str | None = None

    @property
    def healthy(self) -> bool:
        """Whether it answered without a server error."""
        return self.error is None and self.status is not None and self.status < 400

    @property
    def total(self) -> float:
        """Seconds of all steps."""
        return sum(self.seconds.values())


def for_bot(expression: str, bot: str) -> str:
    """Return PromQL with the bot's name, quoted as a label value, for `$bot`."""
    quoted = bot.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return expression.replace("$bot", quoted)


class Observer:
    """Asks the first Prometheus that answers, and measures endpoints within `timeout` seconds."""

    def __init__(
        self,
        prometheus: Sequence[str],
        endpoints: Sequence[Endpoint],
        timeout: float,
        web: Web | None = None,
    ) -> None:
        """`web` has the TLS and login for Prometheus; the default is neither."""
        self._prometheus = tuple(prometheus)
        self._web = web
        self._timeout = timeout
        self.endpoints = tuple(endpoints)

    @classmethod
    def of(cls, settings: Settings) -> "Observer":
        """Return the observer for these settings."""
        endpoints = [Endpoint(probe.name, str(probe.url)) for probe in settings.collection.probes]
        timeout = float(settings.collection.timeout)
        return cls(settings.services.prometheus.urls, endpoints, timeout, settings.web)

    @property
    def longest(self) -> float:
        """The most seconds that one question usually takes."""
        return self._timeout * len(self._prometheus)

    def ask(self, expression: str, at: float | None = None) -> tuple[Sample, ...]:
        """Return an expression's samples now, or at a unix time, without NaN. Raises Unanswered."""
        asked = {"query": expression} | ({} if at is None else {"time": at})
        found = self._get("query", asked, VECTOR)["data"]["result"]
        samples = (Sample(each["metric"], each["value"][1]) for each in found)
        return tuple(sample for sample in samples if math.isfinite(sample.value))

    def ask_range(
        self, expression: str, seconds: float, step: float, end: float | None = None
    ) -> tuple[Series, ...]:
        """Return an expression's series over the `seconds` before now or before `end`, every `step` seconds.

        Raises Unanswered.
        """
        end = time.time() if end is None else end
        asked = {"query": expression, "start": end - seconds, "end": end, "step": step}
        lines = self._get("query_range", asked, MATRIX)["data"]["result"]
        return tuple(Series(each["metric"], tuple(each["values"])) for each in lines)

    def reach_all(self) -> tuple[Reach, ...]:
        """Measure all endpoints at the same time; return the fastest first, failures last."""
        if not self.endpoints:
            return ()
        with ThreadPoolExecutor(min(_PARALLEL, len(self.endpoints))) as pool:
            reached = list(pool.map(self.reach, self.endpoints))
        return tuple(sorted(reached, key=lambda each: (not each.healthy, each.total)))

    def reach(self, endpoint: Endpoint) -> Reach:
        """Measure one endpoint on a new connection, as a new client would."""
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
