"""The table of all alerts under given settings: for `nightdesk alerts` and docs/alerts.md."""

import json
import sys
import tempfile
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

import click

from stack import schedule, who
from stack.files import ROOT
from stack.instance import BOTS, Instance, as_json, names_of, on_instance
from stack.printing import say, show_json, show_table
from stack.render import as_data, evaluate
from stack.settings import Duration, Settings, load
from stack.settings.plan import climbs

SOURCE = ROOT / "prometheus/alerts.jsonnet"
HEAD = """# Alerts

<!-- Written by `python -m stack.alerts`; change the rules and stack/defaults.yaml instead. -->

The table shows the profile `production`; the last column has the differences of the other profiles.
`nightdesk alerts` prints the table for your `monitoring.yaml`. `for` is how long the limit is passed before
the alert fires; within its cooldown Nightdesk sends and does nothing again; after `escalate` without an
answer it notifies the next person. Nightdesk tries the actions in their order, each only after the one before
has not helped.

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
    # Meta alerts have no severity with defaults: they only notify people.
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


@click.command("alerts")
@click.option(
    "--who",
    "alert",
    is_flag=False,
    flag_value="",
    metavar="[ALERT]",
    shell_complete=names_of(lambda settings: settings.alerts),
    help="Who is notified, of this alert or of each, and when",
)
@click.option("--bot", metavar="NAME", shell_complete=BOTS, help="With --who: of this bot only")
@click.option("--at", metavar="TIME", help="With --who: when it fires, 2026-12-24T03:00; default: now")
@as_json
@on_instance
def list_alerts(
    instance: Instance, alert: str | None, bot: str | None, at: str | None, as_json: bool
) -> None:
    """Print all alerts of the settings: limit, waits, channels, actions; or who is notified."""
    settings = instance.settings()
    if alert is not None or bot or at:
        known, missing = schedule.with_made(settings, at)
        print(who.show(known, alert or "", bot, at, as_json))
        if missing:
            print(missing, file=sys.stderr)
    elif as_json:
        show_json([asdict(row) for row in table(settings)])
    else:
        say(f"profile {settings.profile}")
        show_table(COLUMNS, map(astuple, table(settings)))


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
    """Return the fields in which `other` differs, as text."""
    if other is None:
        return "off"
    pairs = zip(COLUMNS, astuple(row), astuple(other), strict=True)
    return ", ".join(f"{column} {there}" for column, here, there in pairs if here != there)


if __name__ == "__main__":
    print(document(), end="")
