"""Observes Prometheus, Alertmanager and webhook_actions once a second during a drill."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from clients.http import Answer, NoAnswer, ask
from clients.stack_requests import stack_request
from stack.drill.rules import ASKED, LABEL
from stack.settings import Settings

_WITHIN = 3.0  # seconds for one answer of a local part
_NOTHING: frozenset[str] = frozenset()
T = TypeVar("T")


@dataclass(frozen=True)
class Held:
    """An alert in Alertmanager: its receivers, and the reasons that hold it back."""

    receivers: frozenset[str] = frozenset()
    silenced: tuple[str, ...] = ()
    inhibited: tuple[str, ...] = ()
    muted: frozenset[str] = frozenset()
    summary: str = ""


@dataclass(frozen=True)
class Entry:
    """A line of an incident's timeline; `at` is in seconds."""

    at: float
    kind: str
    text: str


@dataclass(frozen=True)
class Incident:
    """An alert's incident in webhook_actions; `runs` are its actions as (name, outcome, begun)."""

    id: int
    opened_at: float
    timeline: tuple[Entry, ...]
    runs: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True)
class Seen:
    """One observation. Alerts and incidents are by their label `drill`, counts by integration. `silent` has
    the parts that do not answer, and why.
    """

    metrics: frozenset[str] = frozenset()
    firing: frozenset[str] = frozenset()
    held: Mapping[str, Held] = field(default_factory=dict)
    tried: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, float] = field(default_factory=dict)
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)


class Silent(Exception):
    """A part that does not answer as it should; the text says how."""


class Parts:
    """The running parts, at the addresses of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def give(self, page: Iterable[str]) -> None:
        """Make every exporter serve a page to Prometheus. Raises Silent."""
        body = {"page": "".join(f"{line}\n" for line in page)}
        file = self._settings.webhook_actions.tokens.reload_file
        for url in self._settings.services.exporter.urls:
            try:
                asked = stack_request(
                    self._settings.web, "PUT", f"{url}/-/drill", _WITHIN, token_file=file, body=body
                )
                answer = ask(asked)
            except (NoAnswer, OSError) as error:
                raise Silent(f"the exporter at {url} does not answer: {error}") from None
            if not answer.ok:
                raise Silent(
                    f"the exporter at {url} refuses the drill: {answer.status} {answer.text.strip()}"
                )

    def look(self, run: str) -> Seen:
        """Return the present observation of a drill."""
        silent: dict[str, str] = {}

        def part(name: str, look: Callable[[], T], nothing: T) -> T:
            try:
                return look()
            except (Silent, NoAnswer, OSError, ValueError, KeyError, TypeError) as error:
                silent[name] = f"{error or type(error).__name__}"
                return nothing

        metrics, firing = part("Prometheus", lambda: self._prometheus(run), (_NOTHING, _NOTHING))
        # Counts come first: they cannot yet include a message of an alert that the alerts' answer lacks.
        tried, failed = part("Alertmanager", self._counts, (Counter[str](), Counter[str]()))
        held = part("Alertmanager", lambda: self._held(run), dict[str, Held]())
        incidents = part("webhook_actions", lambda: self._incidents(run), dict[str, Incident]())
        return Seen(metrics, firing, held, tried, failed, incidents, silent)

    def get(self, part: str, path: str, query: Mapping[str, object] | None = None) -> Answer:
        """Return a part's good answer. Raises Silent."""
        service = getattr(self._settings.services, part)
        file = self._settings.webhook_actions.tokens.read_file if part == "webhook_actions" else None
        why = ""
        for url in service.urls:
            try:
                asked = stack_request(
                    self._settings.web, "GET", f"{url}/{path}", _WITHIN, token_file=file, query=query
                )
                answer = ask(asked)
            except (NoAnswer, OSError) as error:
                why = f"{part} at {url} does not answer: {error}"
                continue
            if answer.ok:
                return answer
            why = f"{part} at {url} answers {answer.status} {answer.text.strip()[:200]}"
        raise Silent(why)

    def acknowledge(self, incident: int, comment: str) -> None:
        """Acknowledge an incident of the drill for the person who answered another. Raises Silent."""
        service, file = (
            self._settings.services.webhook_actions,
            self._settings.webhook_actions.tokens.act_file,
        )
        url = f"{service.url}/api/v1/incidents/{incident}/acknowledge"
        body = {"by": "nightdesk drill", "comment": comment}
        try:
            answer = ask(stack_request(self._settings.web, "POST", url, _WITHIN, token_file=file, body=body))
        except (NoAnswer, OSError) as error:
            raise Silent(f"webhook_actions accepts no acknowledgement: {error}") from None
        if not answer.ok and answer.status != 409:  # closed meanwhile
            raise Silent(f"webhook_actions accepts no acknowledgement: {answer.status}")

    def _prometheus(self, run: str) -> tuple[frozenset[str], frozenset[str]]:
        query = f'{{__name__=~"ALERTS|{ASKED}",{LABEL}=~"{run}-.+",alertstate!="pending"}}'
        found = self.get("prometheus", "api/v1/query", {"query": query}).json()["data"]["result"]
        named = [(one["metric"]["__name__"], one["metric"][LABEL]) for one in found]
        return (
            frozenset(drill for name, drill in named if name == ASKED),
            frozenset(drill for name, drill in named if name == "ALERTS"),
        )

    def _held(self, run: str) -> dict[str, Held]:
        # By groups, each of one receiver: only groups say whether an alert is muted.
        query = {"filter": f'{LABEL}=~"{run}-.+"'}
        held: dict[str, Held] = {}
        for group in self.get("alertmanager", "api/v2/alerts/groups", query).json():
            for one in group["alerts"]:
                drill, status = one["labels"][LABEL], one["status"]
                known = held.get(drill, Held())
                held[drill] = Held(
                    known.receivers | {group["receiver"]["name"]},
                    tuple(status["silencedBy"]),
                    tuple(status["inhibitedBy"]),
                    known.muted | {*(status.get("mutedBy") or ())},
                    one["annotations"].get("summary", ""),
                )
        return held

    def _counts(self) -> tuple[Counter[str], Counter[str]]:
        tried, failed = Counter[str](), Counter[str]()
        for url in self._settings.services.alertmanager.urls:
            answer = ask(stack_request(self._settings.web, "GET", f"{url}/metrics", _WITHIN))
            for family in text_string_to_metric_families(answer.text):
                for sample in family.samples:
                    integration = sample.labels.get("integration", "")
                    if sample.name == "alertmanager_notification_requests_total":
                        tried[integration] += int(sample.value)
                    elif sample.name == "alertmanager_notification_requests_failed_total":
                        failed[integration] += int(sample.value)
        return tried, failed

    def _incidents(self, run: str) -> dict[str, Incident]:
        query = {"state": "all", "limit": 200}
        found = self.get("webhook_actions", "api/v1/incidents", query).json()["incidents"]
        return {
            one["labels"][LABEL]: _incident(one)
            for one in found
            if one["labels"].get(LABEL, "").startswith(f"{run}-")
        }


def _incident(one: Mapping[str, Any]) -> Incident:
    lines = tuple(Entry(_seconds(each["at"]), each["kind"], each["text"]) for each in one["timeline"])
    runs = tuple(
        (each["action"], each["outcome"] or "", each["started_at"] is not None) for each in one["runs"]
    )
    return Incident(one["id"], _seconds(one["opened_at"]), lines, runs)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
