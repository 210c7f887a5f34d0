"""The table of all alerts as settings make them: `nightdesk alerts`, and docs/alerts.md."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from stack.render import ROOT, as_data, evaluate
from stack.settings import Duration, Settings, load
from stack.settings.plan import climbs

SOURCE = ROOT / "prometheus/alerts.jsonnet"
HEAD = """# Alerts

<!-- Written by `python -m stack.alerts`; change the rules and stack/defaults.yaml instead. -->

As the profile `production` makes them; the last column says what is otherwise in another.
`nightdesk alerts` prints the table as your `monitoring.yaml` makes it. `for` is how long the limit is
passed before the alert fires; within its cooldown nothing is said or done again; after `escalate` without
an answer the next person hears. Actions are tried in their order, each only after the one before has
failed to help.

The rules are a monitoring mixin (`_config`, `prometheusAlerts`, `prometheusRules`): with jsonnet-bundler,
`jb install github.com/nightdesk/nightdesk@main` and
`import 'github.com/nightdesk/nightdesk/prometheus/mixin.libsonnet'`.
"""


@dataclass(frozen=True)
class Row:
    """One alert as people read it; its fields are the columns."""

    alert: str
    severity: str
    fires_when: str
    for_: str
    cooldown: str
    escalate: str
    channels: str
    actions: str


COLUMNS = tuple(field.name.replace("_", " ").strip() for field in fields(Row))


def table(settings: Settings) -> list[Row]:
    """Return all alerts that the settings switch on, the most urgent first."""
    rules: list[dict[str, Any]] = evaluate(SOURCE, json.dumps(as_data(settings)))
    return list(dict.fromkeys(_row(settings, rule) for rule in rules))


def _row(settings: Settings, rule: dict[str, Any]) -> Row:
    # Meta alerts have no severity to take from: people are told, and nothing else.
    severity = getattr(settings.severities, rule["severity"], None)
    name = rule["name"].removeprefix("TradingBot")
    pace = settings.alerts[name]
    following = climbs(settings, name, rule["severity"])
    channels = (severity.channels if severity else []) if pace.channels is None else pace.channels
    return Row(
        f"{rule['name']} {rule['about']}".strip(),
        rule["severity"],
        rule["limit"],
        rule["for"] or "at once",
        str(pace.cooldown) if pace.cooldown else "none",
        str(Duration(following.after)) if following else "never",
        ", ".join(channels) or "none",
        ", ".join(rule["actions"]) or "none",
    )


def as_text(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the table's lines, with columns as wide as they have to be."""
    lines = [COLUMNS, *map(astuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def document() -> str:
    """Return docs/alerts.md."""
    others = {name: {_key(row): row for row in _of_profile(name)} for name in ("starter", "experienced")}
    head = [*COLUMNS, "otherwise in"]
    lines = [head, ["---"] * len(head)]
    for row in _of_profile("production"):
        unlike = [f"{name}: {_unlike(row, rows.get(_key(row)))}" for name, rows in others.items()]
        name = row.alert.split()[0]
        linked = row.alert.replace(name, f"[{name.removeprefix('TradingBot')}](runbooks/{name}.md)")
        otherwise = "; ".join(one for one in unlike if not one.endswith(": "))
        lines.append([linked, *astuple(row)[1:], otherwise])
    return HEAD + "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _of_profile(name: str) -> list[Row]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(f"profile: {name}")
        file.flush()
        return table(load([Path(file.name)]))


def _key(row: Row) -> tuple[str, str, str]:
    return row.alert, row.severity, row.fires_when


def _unlike(row: Row, other: Row | None) -> str:
    """Return what `other` says where it differs."""
    if other is None:
        return "off"
    pairs = zip(COLUMNS, astuple(row), astuple(other), strict=True)
    return ", ".join(f"{column} {there}" for column, here, there in pairs if here != there)


if __name__ == "__main__":
    print(document(), end="")
