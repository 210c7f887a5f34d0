"""Writes docs/who.md: the rules by which people are told, and the plan of each profile as an example."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from stack.settings import Settings, load
from stack.settings.timetable import HEAD, Entry, rows
from stack.who import every_subject, grouped

_WHEN = datetime(2026, 3, 10, 12, tzinfo=UTC)  # within hours at which news is sent
_TEXT = """# Who is told, over what, when

<!-- Written by `python -m stack.who_doc`; change that, stack/settings/plan.py or the defaults. -->

One plan, a function of alert, bot, settings and time. Alertmanager's receivers, the engine's steps,
`nightdesk check` and these tables are made from it, so that they cannot disagree. Yours:

    nightdesk alerts --who        those that are told alike stand together
    nightdesk alerts --who Down --bot my_bot --at 2026-12-24T03:00
    nightdesk alerts --who CriticalLoss --json

The rules:

- **The first notice** goes over the alert's channels: `alerts.<name>.channels`, where that is null its
  severity's. Where none of these is configured, others take their place: all configured ones for critical
  alerts, for the rest those that do not ring (email, Telegram, Slack), for want of these any. News
  (`info`) never rings.
- Over each channel it goes to **the channel's own addresses** (`to`, `chats`, `channel`; below: the desk)
  and to those that `escalation.first` has there, a contact or a rota. A bot's `team` takes the place of
  both where it has an address; a team that is a rota is told beside the desk, since Alertmanager cannot
  follow turns.
- `routing.group_wait` after the alert has fired, the first notice leaves: *at once* below. That of
  CriticalLoss and LossLimit waits for nothing.
- **Without an answer** `escalation.levels` follow, after the alert's `escalate`, else its severity's, else
  `no_response`; then all of it begins anew. A warning without either time is told once. A level without an
  address over its channels is passed over at once; `check` warns of it.
- `system_down`, `critical_loss` and `repeated_alerts` come beside the levels. `spent_attempts` says who
  hears that nothing is left to try: whoever is first, unless it names a contact.
- **Quiet hours** (`escalation.quiet_hours`) put warnings off, in Alertmanager and in the engine; what is over
  by their end is not told. Critical alerts and `meta` do not wait; news has `routing.info_hours`. Hours are
  what the clock in `timezone` shows: twice where a change of the clocks repeats it.
- A contact without any address is whoever reads the channels' own.
- A rota is whoever is **on call** when a message is written: whose week it is, or [who stands
  in](oncall.md#who-is-on-call), also as it was said at run time.
- **A storm is one message.** Alertmanager tells of one alert of many bots in one message with a list. Whoever
  the engine told of `escalation.storm.incidents` (5) `within` a minute hears of the next ones together: one
  message with a list, one call.
- **One person hears of one moment once**: an address that two roles share is told by the first of them, and
  what the opening has said already (no action helps, the administrator is to be told) goes only to whom it
  missed.
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

    links: {webhook_actions: "https://desk.example.org", grafana: "https://desk.example.org/grafana"}

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
