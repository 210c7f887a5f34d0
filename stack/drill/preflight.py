"""Checks before a drill that the running parts agree with the settings."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from stack.drill.observation import Parts, Silent
from stack.settings import Settings

_FORGOTTEN = timedelta(days=1)  # a longer silence hides more than its author wanted
_OLD = 180.0  # seconds since the watchdog's loop last completed; it does once a minute
Check = Callable[[Settings, Parts, Mapping[str, Any]], Iterator[str]]


def differences(settings: Settings, parts: Parts, rendered: Mapping[str, Any]) -> list[str]:
    """Return the faults that need no alert; `rendered` has the rendered text by file."""
    found = []
    for check in (_rules, _targets, _silences, _round_trip):
        try:
            found += list(check(settings, parts, rendered))
        except Silent as error:
            found.append(str(error))
        except (KeyError, TypeError, ValueError) as error:
            found.append(
                f"{check.__name__.strip('_')}: the answer differs from the documented API: {error!r}"
            )
    return list(dict.fromkeys(found))


def _rules(_: Settings, parts: Parts, rendered: Mapping[str, Any]) -> Iterator[str]:
    """Check that every rule of the settings, and of the drill, is loaded and that none fails."""
    groups = parts.get("prometheus", "api/v1/rules").json()["data"]["groups"]
    running = Counter(
        _named(group["name"], rule["name"], rule.get("labels", {}))
        for group in groups
        for rule in group["rules"]
    )
    files = [file for name, file in rendered.items() if name.startswith(("rules/", "drill/"))]
    wanted = Counter(
        _named(group["name"], rule.get("alert") or rule["record"], rule.get("labels", {}))
        for file in files
        for group in file["groups"]
        for rule in group["rules"]
    )
    for (group, name, _labels), count in sorted((wanted - running).items()):
        yield f"rule: {name} of {group} is not in force ({count} missing); render and reload"
    for group in groups:
        for rule in group["rules"]:
            if rule.get("health") == "err":
                yield f"rule: {rule['name']} of {group['name']} fails: {rule.get('lastError', '')[:200]}"


def _named(group: str, name: str, labels: Mapping[str, str]) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return group, name, tuple(sorted(labels.items()))


def _targets(_: Settings, parts: Parts, rendered: Mapping[str, Any]) -> Iterator[str]:
    """Check that Prometheus scrapes everything that the settings watch."""
    active = parts.get("prometheus", "api/v1/targets?state=active").json()["data"]["activeTargets"]
    states: dict[str, list[Mapping[str, Any]]] = {}
    for one in active:
        states.setdefault(one["labels"]["job"], []).append(one)
    for job in rendered["prometheus.yml"]["scrape_configs"]:
        name = job["job_name"]
        if name not in states:
            yield f"scrape: Prometheus has no job {name}; render and reload"
        for one in states.get(name, []):
            if one["health"] == "down" and not name.startswith("probe-"):
                yield f"scrape: {name} at {one['scrapeUrl']} does not answer: {one['lastError'][:200]}"


def _silences(_: Settings, parts: Parts, __: Mapping[str, Any]) -> Iterator[str]:
    for one in parts.get("alertmanager", "api/v2/silences").json():
        starts, ends = (datetime.fromisoformat(one[name]) for name in ("startsAt", "endsAt"))
        if one["status"]["state"] == "active" and ends - starts > _FORGOTTEN and ends > datetime.now(UTC):
            hides = ", ".join(f"{each['name']}={each['value']}" for each in one["matchers"])
            yield f"silence: {one['id']} of {one['createdBy']} hides {hides} until {ends:%Y-%m-%d %H:%M}"


def _round_trip(settings: Settings, parts: Parts, __: Mapping[str, Any]) -> Iterator[str]:
    """Check whether the loop that pings the dead man's switch has worked lately."""
    parts.get("webhook_actions", "healthz")
    query = {"query": "max(nightdesk_round_trip_timestamp_seconds)"}
    found = parts.get("prometheus", "api/v1/query", query).json()["data"]["result"]
    last = float(found[0]["value"][1]) if found else 0.0
    if not last:
        yield "loop: no round trip since webhook_actions started (Watchdog: exporter to database)"
    elif time.time() - last > _OLD + 2 * float(settings.routing.watchdog_interval):
        age = time.time() - last
        yield f"loop: the last round trip was {age:.0f} s ago; the dead man's switch is not pinged"
