"""Settings of a desk's other systems: Datadog and New Relic."""

from typing import Annotated

from pydantic import Field, StrictBool

from stack.settings.response import RetryPolicy, Timeout
from stack.settings.types import SecretFile, Section, Url

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]


class Datadog(Section):
    """Datadog: Nightdesk renders what its agent reads, and sends events to its API."""

    enabled: StrictBool
    api_url: Url
    api_key_file: SecretFile | None
    tags: list[str]
    timeout: Timeout
    delivery: RetryPolicy


class NewRelic(Section):
    """New Relic: metrics by remote write, events to its collector, rendered files for its agent."""

    enabled: StrictBool
    account: Annotated[int, Field(ge=0)]
    name: Name
    license_key_file: SecretFile | None
    metrics_url: Url
    events_url: Url
    timeout: Timeout
    delivery: RetryPolicy


class Integrations(Section):
    """The other systems."""

    datadog: Datadog
    newrelic: NewRelic
