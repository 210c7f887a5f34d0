"""Reads Alertmanager's webhook (version 4) alert by alert: a bad alert does not affect good ones."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from stack.settings import Severities

MOST_ALERTS = 10_000  # alerts of one webhook
_NEVER = datetime(1, 1, 1, tzinfo=UTC)  # Alertmanager's time of an alert that has not ended
# PostgreSQL's range is wider; Python's datetimes with zones do not reach their limits
_YEARS = range(1970, 9001)
_KEYS = ("alertname", "bot", "severity")  # labels that find rows
_KEY_CHARACTERS = 512
_KEY_BYTES = 1_200  # two of them fit into an index entry, which has 2,704
_SHORT = 300  # characters of a problem


def no_nul(text: str) -> str:
    """Return a text that PostgreSQL can store. Raises ValueError for any other."""
    if "\0" in text:
        raise ValueError("holds a NUL, which PostgreSQL cannot keep")
    return text


def _key(text: str) -> str:
    if len(text) > _KEY_CHARACTERS or len(text.encode()) > _KEY_BYTES:
        raise ValueError(f"has more than {_KEY_CHARACTERS} characters, or {_KEY_BYTES} bytes")
    return text


def _keys(labels: dict[str, str]) -> dict[str, str]:
    for name in _KEYS:
        try:
            _key(labels.get(name, ""))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    return labels


def _written(value: object) -> object:
    """Refuse numbers, and texts of digits only: they would be read as seconds of an epoch."""
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("is no RFC 3339 time")
    return value


def _utc(time: datetime) -> datetime:
    """Return the time in UTC: PostgreSQL refuses time zones that Python accepts. Raises ValueError for far
    years.
    """
    try:
        there = time.astimezone(UTC)
    except OverflowError:
        there = None
    if there is None or there.year not in _YEARS:
        raise ValueError(f"is not in the years {_YEARS.start} to {_YEARS.stop - 1}")
    return there


def _end(time: datetime) -> datetime | None:
    return None if time == _NEVER else _utc(time)


Text = Annotated[str, StringConstraints(max_length=65_536), AfterValidator(no_nul)]
Names = Annotated[dict[Text, Text], Field(max_length=256)]
Written = Annotated[AwareDatetime, BeforeValidator(_written)]


def severity_of(labels: Mapping[str, str]) -> str:
    """Return a known severity; any other is a warning."""
    said = labels.get("severity", "")
    return said if said in Severities.model_fields else "warning"


class Alert(BaseModel):
    """One alert of a webhook; keys that later versions add are ignored.

    Times are in UTC. `ended` is None while it has not.
    """

    model_config = ConfigDict(frozen=True)

    status: Literal["firing", "resolved"]
    labels: Annotated[Names, AfterValidator(_keys)]
    annotations: Names = {}
    starts_at: Annotated[Written, AfterValidator(_utc), Field(alias="startsAt")]
    ended: Annotated[Annotated[Written, AfterValidator(_end)] | None, Field(alias="endsAt")] = None
    fingerprint: Annotated[Text, StringConstraints(min_length=1), AfterValidator(_key)]

    @classmethod
    def firing(
        cls, labels: Mapping[str, str], annotations: Mapping[str, str], since: datetime, fingerprint: str
    ) -> "Alert":
        """Return a firing alert as a webhook would have delivered it."""
        return cls.model_validate(
            {
                "status": "firing",
                "labels": dict(labels),
                "annotations": dict(annotations),
                "startsAt": since.isoformat(),
                "fingerprint": fingerprint,
            }
        )

    @property
    def name(self) -> str:
        """The alert's name; a webhook of Alertmanager always has one."""
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> str:
        """The alert's severity."""
        return severity_of(self.labels)


class _Envelope(BaseModel):
    version: Literal["4"]
    alerts: Annotated[list[Any], Field(max_length=MOST_ALERTS)]


class PayloadError(ValueError):
    """A webhook that cannot be read as a whole."""


def read(body: bytes) -> tuple[list[Alert], list[str]]:
    """Return the good alerts (the last of each fingerprint) and a line for each bad one.

    Raises PayloadError if the webhook as a whole is unreadable.
    """
    try:
        envelope = _Envelope.model_validate_json(body)
    except ValidationError as error:
        raise PayloadError(_problem(error, "webhook")) from None
    alerts: dict[str, Alert] = {}
    problems: list[str] = []
    for index, item in enumerate(envelope.alerts):
        try:
            alert = Alert.model_validate(item)
            alerts[alert.fingerprint] = alert
        except ValidationError as error:
            problems.append(_problem(error, f"alerts[{index}]"))
    return list(alerts.values()), problems


def _problem(error: ValidationError, path: str) -> str:
    """Return one line about the first error only: there may be thousands."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    where = ".".join([path, *map(str, details[0]["loc"])])[:_SHORT]
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    line = f"{where}: {details[0]['msg'][:_SHORT]}{more}"
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)
