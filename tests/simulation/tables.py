"""The tables of the in-memory store. Rows are frozen, so old tables serve as a transaction's rollback."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from webhook_actions.store.acknowledgements import Acknowledgement
from webhook_actions.store.incidents import Incident
from webhook_actions.store.overrides import Made
from webhook_actions.store.runs import Run


@dataclass(frozen=True)
class Step:
    """A row of escalation_steps."""

    id: int
    incident: int
    rule: str
    level: int
    round: int
    why: str
    due_at: datetime
    state: str = "waiting"
    postponed: bool = False


@dataclass(frozen=True)
class Message:
    """A row of deliveries."""

    id: int
    incident: int | None
    step: int | None
    contact: str
    channel: str
    address: str
    body: str | None
    due_at: datetime
    written_at: datetime
    state: str = "waiting"
    attempts: int = 0
    interrupted: int = 0
    outcome: str | None = None
    sent_at: datetime | None = None
    receipt: str | None = None
    ask_at: datetime | None = None
    arrived: str | None = None


@dataclass(frozen=True)
class OutageRow:
    """A row of outages."""

    channel: str
    address: str
    failures: int
    reason: str
    told: bool = False


@dataclass(frozen=True)
class HaltRow:
    """A row of halts."""

    id: int
    bot: str
    incident: int
    reason: str
    since: datetime
    released_at: datetime | None = None
    astray: bool = False
    due_at: datetime | None = None


@dataclass(frozen=True)
class ControlRow:
    """A row of controls."""

    id: int
    bot: str
    incident: int
    reason: str
    since: datetime
    before: str | None = None
    released_by: str | None = None
    detail: str | None = None
    removed_at: datetime | None = None


@dataclass
class Tables:
    """All tables."""

    incidents: dict[int, Incident] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    timeline: list[tuple[datetime, int, str, str]] = field(default_factory=list)
    halts: dict[int, HaltRow] = field(default_factory=dict)
    controls: dict[int, ControlRow] = field(default_factory=dict)
    pauses: dict[int, tuple[str, str, datetime, datetime | None]] = field(default_factory=dict)
    steps: dict[int, Step] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    outages: dict[tuple[str, str], OutageRow] = field(default_factory=dict)
    overrides: dict[int, Made] = field(default_factory=dict)
    answers: list[tuple[int, Acknowledgement]] = field(default_factory=list)
    audit: list[tuple[Any, ...]] = field(default_factory=list)

    def copy(self) -> "Tables":
        return Tables(*(getattr(self, each.name).copy() for each in fields(self)))
