"""Writes docs/who.md: the rules of notification, and the plan of each profile as an example."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from stack.settings import Settings, load
from stack.settings.timetable import HEAD, Entry, rows
from stack.who import every_subject, grouped

_WHEN = datetime(2026, 3, 10, 12, tzinfo=UTC)  # within the hours for news
_TEXT = """# Who is notified, over which channels, when

<!-- Written by `python -m stack.who_doc`; change that module, stack/settings/plan.py or the defaults. -->

One function of alert, bot, settings and time makes Alertmanager's receivers, the engine's steps,
`nightdesk check` and these tables, so they always agree. For your settings:

```sh
nightdesk alerts --who        # alerts with the same plan share a row
nightdesk alerts --who Down --bot my_bot --at 2026-12-24T03:00
nightdesk alerts --who CriticalLoss --json
```

The rules:

- **The first notice** uses the channels in `alerts.<name>.channels`, or the severity's if that is null.
  If none of these is configured, critical alerts use all configured channels, others use those that do
  not ring (email, Telegram, Slack), else any. News (`info`) never rings.
- Over each channel it goes to **the channel's own addresses** (`to`, `chats`, `channel`; below: the desk)
  and to the addresses of `escalation.first`, a contact or a rota. A bot's `team` replaces both if it has
  an address; a team that is a rota is notified beside the desk, since Alertmanager cannot follow turns.
- The first notice leaves `routing.group_wait` after the alert has fired: *at once* below. CriticalLoss
  and LossLimit do not wait.
- **Without an answer** `escalation.levels` follow, after the alert's `escalate`, else its severity's,
  else `no_response`; then escalation starts again, five minutes later if no message arrived. A warning
  without either time is sent once. A level without an address over its channels is skipped; `check` warns
  of it.
- `system_down`, `critical_loss` and `repeated_alerts` are additional. When Nightdesk can do nothing more,
  it notifies the contact of `spent_attempts`, else the first person.
- **Quiet hours** (`escalation.quiet_hours`) delay warnings, in Alertmanager and in the engine; those over
  by the end are not sent. Critical alerts and `meta` do not wait; news has `routing.info_hours`. Hours
  are those of the clock in `timezone`: an hour that a clock change repeats counts twice.
- A contact without an address stands for the readers of the channels' own addresses.
- A rota stands for the person **on call** when a message is written,
  [overrides](oncall.md#who-is-on-call) included.
- **A storm is one message.** Alertmanager sends one alert of many bots as one message with a list. A
  person who got `escalation.storm.incidents` (5) messages `within` a minute gets the next ones together:
  one message with a list, one call.
- **One person gets one message a moment**: if two roles share an address, the first of them counts, and a
  message that repeats the first notice goes only to people who have not got that.
- **Who is called hears of all of it.** When a level is told of one incident, it hears in the same message
  and call of every other that would have reached it within `no_response`, and that nobody has answered. A
  later message to an address carries at its end what that address was told of before and nobody has
  answered. `system_down` rings the phone of an address that has the first notice already, and sends it
  nothing else twice. So three faults of twelve bots within minutes of one another that nobody answers cost,
  in the profile `production`, three SMS and two calls in 23 minutes: an SMS each for the two that send one,
  since neither waits for the other; a call for the bot that stays down; and an SMS and a call to the
  manager about all three. With an answer at minute eight: two SMS, no call.
- Alertmanager sends email, Telegram chats that are numbers, and Slack; webhook_actions sends the rest, and
  all that depends on time or answers. Alerts of severity `meta` say that a part of Nightdesk is broken and
  never depend on webhook_actions.

`nightdesk check` refuses settings by which an alert would reach nobody (for the demo bot alone it warns), a
channel that nothing is sent over, maintenance that never ends, and an address that is none.

## Links that a phone opens

Messages link to the on-call page and to Grafana. Without `links` these are the services' own addresses,
`127.0.0.1` at first: right on a first evening, when mail is read on the same machine, and of no use to a
phone at three in the morning. So `check` warns in `starter` and `experienced`, and refuses in `production`,
where messages go out over any channel:

```yaml
links: {webhook_actions: "https://desk.example.org", grafana: "https://desk.example.org/grafana"}
```

A name in your own network or VPN is fine (`http://192.168.1.5:9099`, `http://desk.local:9099`). How to be
reached from outside: [on-call page](oncall.md#who-may-log-in), [TLS](tls.md).

## How soon somebody answered

`severities.*.respond` says within which time a person should have acknowledged or snoozed an incident, or
asked for an action. `nightdesk_response_seconds` has the times to the first of these,
`nightdesk_responses_total{bot,severity,outcome}` counts them as `within` and `late`, and as `never` where an
incident ended later than that and nobody had answered; drills do not count. The dashboard *Nightdesk itself*
and the reports show both.
"""
_MAIL: dict[str, Any] = {
    "email": {"host": "smtp.example.org", "from": "desk@example.org", "to": ["me@example.org"]}
}
_CHAT: dict[str, Any] = {
    "telegram": {"token_file": "secrets/telegram", "chats": [-1001234567890]},
    "slack": {"url_file": "secrets/slack"},
}
_TWILIO = {"account": "AC…", "token_file": "secrets/twilio", "from": "+15005550006", "to": ["+15550000001"]}
_PEOPLE: dict[str, Any] = {
    "administrator": {"email": ["admin@example.org"], "phone": ["+15550000010"]},
    "manager": {"phone": ["+15550000020"]},
    "technical_lead": {"email": ["lead@example.org"], "phone": ["+15550000030"]},
    "risk_manager": {"email": ["risk@example.org"], "phone": ["+15550000040"]},
    "emergency_contact": {"email": ["night@example.org"], "phone": ["+15550000050"]},
}
_EVERY = _MAIL | _CHAT | {"sms": _TWILIO, "phone": _TWILIO}
_EXAMPLES: Sequence[tuple[str, Mapping[str, Mapping[str, Any]], Mapping[str, Any]]] = (
    ("starter", _MAIL, {}),
    ("experienced", _MAIL | _CHAT | {"sms": _TWILIO}, {}),
    ("production", _EVERY, _PEOPLE),
)


def document() -> str:
    """Return docs/who.md."""
    parts = [_TEXT.rstrip()]
    for profile, channels, people in _EXAMPLES:
        with_ = "every contact has its addresses" if people else "no contact has an address"
        parts.append(f"## `{profile}`, with {_and(sorted(channels))}; {with_}")
        for title, entries in _plans(_settings(profile, channels, people)):
            parts.append(f"{title}\n\n{_table(entries)}")
    return "\n\n".join(parts) + "\n"


def _settings(profile: str, channels: Mapping[str, Mapping[str, Any]], people: Mapping[str, Any]) -> Settings:
    on = {name: {"enabled": True, **one} for name, one in channels.items()}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"profile": profile, "channels": on, "contacts": people}, file)
        file.flush()
        return load([Path(file.name)])


def _plans(settings: Settings) -> Iterator[tuple[str, list[Entry]]]:
    for subjects, entries in grouped(settings, every_subject(settings), _WHEN):
        names = (f"[{one.kind}](runbooks/TradingBot{one.kind}.md)" for one in subjects)
        yield f"**{subjects[0].severity}**: {', '.join(dict.fromkeys(names))}", entries


def _table(entries: Sequence[Entry]) -> str:
    lines = [HEAD, ["---"] * len(HEAD), *rows(entries)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


if __name__ == "__main__":
    print(document(), end="")
