"""Finds the receivers of an alert in the rendered configuration, and the integrations of each."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)(".*")', re.DOTALL)
WEBHOOK = "webhook"  # the integration for webhook_actions


@dataclass(frozen=True)
class MatchedRoute:
    """One receiver of an alert, its integrations, and the time intervals that may mute it."""

    receiver: str
    integrations: tuple[str, ...]
    intervals: frozenset[str]


def matched_routes(config: Mapping[str, Any], labels: Mapping[str, str]) -> list[MatchedRoute]:
    """Return the receivers of an alert with these labels, as Alertmanager chooses them."""
    integrations = {
        one["name"]: tuple(
            key.removesuffix("_configs") for key, value in one.items() if key != "name" for _ in value
        )
        for one in config["receivers"]
    }
    return [
        MatchedRoute(name, integrations[name], intervals)
        for name, intervals in _walk(config["route"], "", labels)
    ]


def _walk(
    route: Mapping[str, Any], inherited: str, labels: Mapping[str, str]
) -> Iterator[tuple[str, frozenset[str]]]:
    receiver = route.get("receiver", inherited)
    found: list[tuple[str, frozenset[str]]] = []
    for child in route.get("routes", ()):
        if not _matches(child.get("matchers", ()), labels):
            continue
        found += _walk(child, receiver, labels)
        if not child.get("continue", False):
            break
    if found:
        yield from found
    else:
        named = (*route.get("mute_time_intervals", ()), *route.get("active_time_intervals", ()))
        yield receiver, frozenset(named)


def _matches(matchers: Sequence[str], labels: Mapping[str, str]) -> bool:
    return all(_holds(matcher, labels) for matcher in matchers)


def _holds(matcher: str, labels: Mapping[str, str]) -> bool:
    read = _MATCHER.fullmatch(matcher)
    if read is None:
        raise ValueError(f"{matcher} is not a matcher of ours")
    value, wanted = labels.get(read[1], ""), json.loads(read[3])
    same = value == wanted if read[2] in ("=", "!=") else re.fullmatch(wanted, value) is not None
    return same == read[2].startswith("=")
