"""The parts of Prometheus's HTTP API that the engine needs: firing alerts, and which expressions hold."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NotRequired, TypeVar

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from clients.http import OWN_LARGEST, Answer, Http, NoAnswer, Request
from stack.settings.web import Web

_TIMEOUT, _CONNECT = 10.0, 2.0  # seconds for a whole answer, and for the connection
_AT_ONCE = 50  # expressions in one query
_PICK = "expression"  # the label with the number of a sample's expression


class Unreachable(Exception):
    """Prometheus did not answer, or its answer differs from the documented API."""


class Refused(Unreachable):
    """Prometheus refused a query."""


@dataclass(frozen=True)
class FiringAlert:
    """A firing alert with the rule's labels, no external labels, and rendered annotations."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def is_same_drill(some: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Return whether both label sets belong to the same drill, or neither to any."""
    return some.get("drill") == others.get("drill")


class Firing:
    """The alerts that fire."""

    def __init__(self, alerts: Iterable[FiringAlert]) -> None:
        self._alerts = defaultdict[tuple[str, str], list[FiringAlert]](list)
        for alert in alerts:
            self._alerts[_key(alert.labels)].append(alert)

    def __iter__(self) -> Iterator[FiringAlert]:
        """Yield each alert."""
        for alerts in self._alerts.values():
            yield from alerts

    def about(self, labels: Mapping[str, str]) -> Sequence[FiringAlert]:
        """Return the alerts of the same name and bot."""
        return self._alerts.get(_key(labels), ())

    def find(self, labels: Mapping[str, str]) -> FiringAlert | None:
        """Return the alert with these labels; its severity is the rule's, not that of these labels.

        Alertmanager's alert has all labels of Prometheus's alert, and the external labels.
        """
        for alert in self.about(labels):
            if is_same_drill(alert.labels, labels) and all(
                labels.get(name) == value for name, value in alert.labels.items() if name != "severity"
            ):
                return alert
        return None


class _Alert(TypedDict):
    labels: dict[str, str]
    annotations: NotRequired[dict[str, str]]
    state: str


class _Alerts(TypedDict):
    alerts: list[_Alert]


class _AlertsAnswer(TypedDict):
    status: Literal["success"]
    data: _Alerts


class _Series(TypedDict):
    metric: dict[str, str]
    value: tuple[float, float]


class _Vector(TypedDict):
    resultType: Literal["vector"]
    result: list[_Series]


class _VectorAnswer(TypedDict):
    status: Literal["success"]
    data: _Vector


class _Line(TypedDict):
    metric: dict[str, str]
    values: list[tuple[float, float]]  # of texts: pydantic reads NaN and +Inf too


class _Matrix(TypedDict):
    resultType: Literal["matrix"]
    result: list[_Line]


class _MatrixAnswer(TypedDict):
    status: Literal["success"]
    data: _Matrix


# Typed dictionaries, not models: of thousands of alerts each costs a tenth.
_ALERTS, VECTOR, MATRIX = TypeAdapter(_AlertsAnswer), TypeAdapter(_VectorAnswer), TypeAdapter(_MatrixAnswer)
_Data = TypeVar("_Data")


def parsed(url: str, answer: Answer, kind: TypeAdapter[_Data]) -> _Data:
    """Return the data from the Prometheus at a URL. Raises Refused, and Unreachable for any other shape."""
    if answer.status in (400, 422):
        raise Refused(f"{url} refused the query: {answer.text[:300]}")
    try:
        return kind.validate_json(answer.body)
    except ValidationError:
        raise Unreachable(f"{url} answered {answer.status}, but not as Prometheus does") from None


class Prometheus:
    """One Prometheus, or replicas: an alert fires if it fires at any of them."""

    def __init__(
        self, urls: Iterable[str], web: Web, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """`web` has the TLS and login for its requests; `now` is the clock for the age of samples. Raises
        OSError for an unreadable password.
        """
        self._urls = deque(urls)
        self._now = now
        self._way, self._login = web.way, web.login()
        self._http = Http()

    async def firing(self) -> Firing:
        """Return the alerts that fire at any Prometheus that answers. Raises Unreachable."""
        asked = [self._ask(url, "alerts", None, _ALERTS) for url in self._urls]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        failed = [each for each in answers if isinstance(each, BaseException)]
        for error in failed:
            if not isinstance(error, Unreachable):
                raise error
        if len(failed) == len(answers):
            raise Unreachable("; ".join(map(str, failed)))
        alerts = [
            FiringAlert(alert["labels"], alert.get("annotations", {}))
            for each in answers
            if not isinstance(each, BaseException)
            for alert in each["data"]["alerts"]
            if alert["state"] == "firing"
        ]
        if len(answers) == 1:
            return Firing(alerts)
        # The same alert of several replicas is one alert.
        return Firing({frozenset(alert.labels.items()): alert for alert in alerts}.values())

    async def holds(self, expression: str, since: datetime | None = None) -> bool:
        """Return whether the expression returns a sample, computed from samples newer than `since` if given.

        Raises Unreachable, also for an expression that Prometheus refuses.
        """
        parameters = {"query": expression}
        if since is not None:
            age = (self._now() - since).total_seconds()
            if age <= 0:
                return False
            parameters["lookback_delta"] = f"{age:.3f}"
        return bool(await self._query(parameters))

    async def which_hold(self, expressions: Collection[str]) -> dict[str, bool | None]:
        """Return, for each expression, whether it returns a sample; None for a refused one.

        One query holds many expressions. Raises Unreachable.
        """
        wanted = sorted(set(expressions))
        found: dict[str, bool | None] = {}
        for at in range(0, len(wanted), _AT_ONCE):
            found |= await self._which_hold(wanted[at : at + _AT_ONCE])
        return found

    async def _which_hold(self, wanted: Sequence[str]) -> dict[str, bool | None]:
        query = " or ".join(
            f'label_replace(count({expression}), "{_PICK}", "{number}", "", "")'
            for number, expression in enumerate(wanted)
        )
        try:
            series = await self._query({"query": query})
        except Refused:
            if len(wanted) == 1:
                return {wanted[0]: None}
            half = len(wanted) // 2  # one is wrong: ask for each half alone
            return await self._which_hold(wanted[:half]) | await self._which_hold(wanted[half:])
        held = {one["metric"].get(_PICK) for one in series}
        return {expression: str(number) in held for number, expression in enumerate(wanted)}

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _query(self, parameters: Mapping[str, str]) -> list[_Series]:
        failed = []
        for url in tuple(self._urls):
            try:
                return (await self._ask(url, "query", parameters, VECTOR))["data"]["result"]
            except Refused:
                raise
            except Unreachable as error:
                failed.append(str(error))
                if self._urls[0] == url:
                    self._urls.rotate(-1)  # from now on it asks first the one that answered
        raise Unreachable("; ".join(failed))

    async def _ask(
        self, url: str, path: str, form: Mapping[str, str] | None, kind: TypeAdapter[_Data]
    ) -> _Data:
        try:
            answer = await self._http.ask(
                Request(
                    "POST" if form else "GET",
                    f"{url}/api/v1/{path}",
                    _TIMEOUT,
                    self._login,
                    form=form,
                    way=self._way,
                    largest=OWN_LARGEST,
                    connect=_CONNECT,
                )
            )
        except NoAnswer as error:
            raise Unreachable(f"{url}: {error}") from None
        return parsed(url, answer, kind)


def _key(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("alertname", ""), labels.get("bot", "")
