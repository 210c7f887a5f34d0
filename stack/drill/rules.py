"""The drill's rules: a copy of each alert over the series of the synthetic bot alone.

They come from the same source as the real rules, with shorter waits, and read metrics with their own names:
no real rule, dashboard or report reads a series of the drill, and no rule of the drill reads a bot.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stack.drill.fast_settings import SCRAPE

LABEL = "drill"  # which drill an alert belongs to; Nightdesk runs no action for an alert with this label
ASKED = "drill_asked"  # 1 for each alert that the drill plays at present, with its name and severity
MARK = "DRILL: "
_SAID = "A drill: nothing is wrong, and no bot is touched.\n"
_TODO = "Acknowledge this; do nothing else. In earnest: "
_FRESH = "5s"
_UNDRILLED = ("TradingBotWatchdog",)  # it always fires; the dead man's switch outside tests it
# The names of all metrics that rules read: Nightdesk's, and those of the watched parts.
_METRIC = re.compile(r"\b(?=trading_bot_|nightdesk_|probe_|alertmanager_|prometheus_|up\{)")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
Rule = dict[str, Any]


def renamed(text: str) -> str:
    """Return a query, or a text that contains queries, with the drill's metrics instead of the real ones."""
    return _METRIC.sub("drill_", text).replace("ALERTS{", f'ALERTS{{{LABEL}!="",')


def drill_groups(groups: Iterable[Mapping[str, Any]], stay: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the groups of the drill, made from groups that `quick` settings make.

    `stay` says by severity how long an alert fires: longer than Alertmanager's wait.
    """
    made = []
    every = [rule for group in groups for rule in group["rules"]]
    wanted = _needed(every)
    for group in groups:
        rules = [
            _drilled(rule, stay)
            for rule in group["rules"]
            if rule.get("alert") not in _UNDRILLED and ("alert" in rule or rule["record"] in wanted)
        ]
        if rules:
            made.append({"name": f"drill-{group['name']}", "interval": str(SCRAPE), "rules": rules})
    return made


def _needed(rules: Iterable[Rule]) -> set[str]:
    """Return the names of the recording rules that alerts read, directly or through others."""
    records: dict[str, list[str]] = {}
    read: list[str] = []
    for rule in rules:
        if "alert" in rule:
            read += [rule["expr"], *rule["annotations"].values()]
        else:
            records.setdefault(rule["record"], []).append(rule["expr"])
    needed: set[str] = set()
    while read:
        found = {*_NAME.findall(read.pop())} & records.keys() - needed
        needed |= found
        read += [expr for name in found for expr in records[name]]
    return needed


def _drilled(rule: Rule, stay: Mapping[str, str]) -> Rule:
    expr = renamed(rule["expr"]).strip()
    if "record" in rule:
        return {**rule, "record": renamed(rule["record"]), "expr": expr}
    asked = f'{ASKED}{{alert="{rule["alert"]}",severity="{rule["labels"]["severity"]}"}}'
    # Adds the label that names the drill, and is empty unless the drill plays this alert.
    now = f"max by ({LABEL}) (last_over_time({asked}[{_FRESH}]))"
    gated = f"(\n  {expr}\n)\n+ on () group_left ({LABEL}) 0 * {now}"
    said = dict(_annotations(rule["annotations"]))
    return {**rule, "expr": gated, "annotations": said, "keep_firing_for": stay[rule["labels"]["severity"]]}


def _annotations(annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the alert's annotations without `verify`, because a drill's alert has no cause that could end."""
    for name, text in annotations.items():
        if name == "verify":
            continue
        before = {"summary": MARK, "description": _SAID, "recommended_actions": _TODO}.get(name, "")
        yield name, before + renamed(text)
