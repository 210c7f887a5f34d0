"""The typed model of monitoring.yaml, which every part of Nightdesk reads its settings from."""

from stack.settings.alerts import Alert, Severities
from stack.settings.bots import (
    Bot,
    BotProcess,
    CommandRestart,
    DockerRestart,
    FileBot,
    FreqtradeBot,
    HttpBot,
    PushBot,
    Source,
)
from stack.settings.consistency import META, contradictions, severities_of
from stack.settings.edge import CsvReference, Edge, FreqtradeReference, OwnReference
from stack.settings.load import (
    DEFAULT_CONFIG,
    SettingsError,
    add_arguments,
    add_replica,
    from_arguments,
    load,
    replica_of,
)
from stack.settings.logs import LogPattern
from stack.settings.model import Settings
from stack.settings.response import ActionLimit, Contact, Hours, Maintenance, Override, RetryPolicy, Rota
from stack.settings.secrets import missing_secrets, own_secrets
from stack.settings.services import Address, Replicated, Service
from stack.settings.types import Duration, RealTime, Size

__all__ = [
    "DEFAULT_CONFIG",
    "META",
    "ActionLimit",
    "Address",
    "Alert",
    "Bot",
    "BotProcess",
    "CommandRestart",
    "Contact",
    "CsvReference",
    "DockerRestart",
    "Duration",
    "Edge",
    "FileBot",
    "FreqtradeBot",
    "FreqtradeReference",
    "Hours",
    "HttpBot",
    "LogPattern",
    "Maintenance",
    "Override",
    "OwnReference",
    "PushBot",
    "RealTime",
    "Replicated",
    "RetryPolicy",
    "Rota",
    "Service",
    "Settings",
    "SettingsError",
    "Severities",
    "Size",
    "Source",
    "add_arguments",
    "add_replica",
    "contradictions",
    "from_arguments",
    "load",
    "missing_secrets",
    "own_secrets",
    "replica_of",
    "severities_of",
]
