"""What Alertmanager's webhook (version 4) says, read alert by alert so that a bad one spoils no good one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from stack.settings import Severities

_NEVER = datetime(1, 1, 2, tzinfo=UTC)  # Alertmanager writes the year 1 for "has not ended"


def no_nul(text: str) -> str:
    """Return a text that PostgreSQL can keep. Raises ValueError for any other."""
    if "\0" in text:
        raise ValueError("holds a NUL, which PostgreSQL cannot keep")
    return text


Text = Annotated[str, StringConstraints(max_length=65_536), AfterValidator(no_nul)]
Names = Annotated[dict[Text, Text], Field(max_length=256)]


def severity_of(labels: Mapping[str, str]) -> str:
    """Return the label where settings know it; what another team's rule calls its alerts is a warning."""
    said = labels.get("severity", "")
    return said if said in Severities.model_fields else "warning"


class Alert(BaseModel):
    """One alert of a webhook; keys that later versions add are ignored."""

    model_config = ConfigDict(frozen=True)

    status: Literal["firing", "resolved"]
    labels: Names
    annotations: Names = {}
    starts_at: Annotated[AwareDatetime, Field(alias="startsAt")]
    ends_at: Annotated[AwareDatetime | None, Field(alias="endsAt")] = None
    fingerprint: Annotated[Text, StringConstraints(min_length=1, max_length=64)]

    @classmethod
    def firing(
        cls, labels: Mapping[str, str], annotations: Mapping[str, str], since: datetime, fingerprint: str
    ) -> "Alert":
        """Return an alert that fires, as a webhook would have told it."""
        return cls.model_validate(
            {
                "status": "firing",
                "labels": dict(labels),
                "annotations": dict(annotations),
                "startsAt": since,
                "fingerprint": fingerprint,
            }
        )

    @property
    def name(self) -> str:
        """The alert's name; a webhook of Alertmanager always has one."""
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> str:
        """How bad it is."""
        return severity_of(self.labels)

    @property
    def ended(self) -> datetime | None:
        """When it ended, None while it has not."""
        return self.ends_at if self.ends_at and self.ends_at > _NEVER else None


class _Envelope(BaseModel):
    version: Literal["4"]
    alerts: list[Any]


class PayloadError(ValueError):
    """A webhook that cannot be read as a whole."""


def read(body: bytes) -> tuple[list[Alert], list[str]]:
    """Return the good alerts (the last of each fingerprint) and a line for each bad one.

    Raises PayloadError where the webhook as a whole cannot be read.
    """
    try:
        envelope = _Envelope.model_validate_json(body)
    except ValidationError as error:
        raise PayloadError("; ".join(_lines(error, "webhook"))) from None
    alerts: dict[str, Alert] = {}
    problems: list[str] = []
    for index, item in enumerate(envelope.alerts):
        try:
            alert = Alert.model_validate(item)
            alerts[alert.fingerprint] = alert
        except ValidationError as error:
            problems.append("; ".join(_lines(error, f"alerts[{index}]")))
    return list(alerts.values()), problems


def _lines(error: ValidationError, path: str) -> list[str]:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return [f"{'.'.join([path, *map(str, detail['loc'])])}: {detail['msg']}" for detail in details]
