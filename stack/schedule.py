"""The command `nightdesk on-call`: who is on call now and next, and who stands in for whom."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import click

from stack.instance import TIME, Instance, as_json, names_of, on_instance
from stack.oncall import NotDone, OnCall
from stack.printing import say, show_json
from stack.settings import Duration, Override, Settings
from stack.settings.rota import with_overrides

_rota = click.argument("rota", shell_complete=names_of(lambda settings: settings.escalation.rotas))


@click.group("on-call", invoke_without_command=True)
@click.option("--at", metavar="TIME", help="At this time instead of now: 2026-12-24T18:00")
@as_json
@on_instance
def oncall(instance: Instance, at: str | None, as_json: bool) -> None:
    """Say who is on call now and next, and who stands in; or put somebody else on call."""
    if click.get_current_context().invoked_subcommand:
        return
    desk = OnCall(instance.settings())
    when = {"at": at} if at else {}
    roles, overrides = (desk.ask("GET", path, parameters=when) for path in ("oncall", "overrides"))
    if as_json:
        show_json({"roles": roles, "overrides": overrides})
        return
    zones = {role["role"]: role["zone"] for role in roles}
    for line in [*map(_role, roles), *(_override_line(one, zones) for one in overrides)]:
        say(line)


@oncall.command()
@_rota
@click.argument("contact", shell_complete=names_of(lambda settings: settings.contacts))
@click.option("--from", "start", metavar="TIME", help="2026-12-24T18:00; default: now")
@click.option("--to", "end", metavar="TIME", help="Until when, by the rota's clocks")
@click.option("--for", "length", type=TIME, metavar="LENGTH", help="1h, 1d; instead of --to")
@on_instance
def override(
    instance: Instance,
    rota: str,
    contact: str,
    start: str | None,
    end: str | None,
    length: Duration | None,
) -> None:
    """Put a contact on call in a rota, for a time."""
    body = {"contact": contact, "from": start, "to": end, "for": length}
    _change(instance.settings(), f"rotas/{quote(rota, safe='')}/override", body, rota)


@oncall.command()
@_rota
@click.option("--from", "one", required=True, metavar="TIME", help="A time in the first person's shift")
@click.option("--with", "other", required=True, metavar="TIME", help="A time in the second person's shift")
@click.option(
    "--for", "length", type=TIME, metavar="LENGTH", help="How much of both shifts: 1h, 1d; default: all"
)
@on_instance
def swap(instance: Instance, rota: str, one: str, other: str, length: Duration | None) -> None:
    """Exchange two people's times, or their whole shifts."""
    body = {"from": one, "with": other, "for": length}
    _change(instance.settings(), f"rotas/{quote(rota, safe='')}/swap", body, rota)


@oncall.command()
@click.argument("override", type=int)
@on_instance
def cancel(instance: Instance, override: int) -> None:
    """End an override or a swap; `nightdesk on-call` shows its number."""
    _change(instance.settings(), f"overrides/{override}/cancel", {})


def with_made(settings: Settings, at: str | None) -> tuple[Settings, str]:
    """Return settings with the overrides made at run time, and a warning if these are unknown."""
    if not settings.escalation.rotas:
        return settings, ""
    try:
        found = OnCall(settings).ask("GET", "overrides", parameters={"at": at} if at else None)
    except NotDone as error:
        return settings, f"overrides made at run time are missing: {error}"
    known: dict[str, list[Override]] = defaultdict(list)
    for one in found:
        if not one["forgotten"]:
            span = {"from": one["start"], "to": one["end"], "contact": one["contact"]}
            known[one["rota"]].append(Override.model_validate(span))
    return with_overrides(settings, known), ""


def _change(settings: Settings, path: str, body: Mapping[str, object], rota: str = "") -> None:
    given = {name: str(value) for name, value in body.items() if value is not None}
    answer = OnCall(settings).ask("POST", path, given)
    named = settings.escalation.rotas.get(rota)
    zone = (named and named.timezone) or settings.timezone
    say(f"{answer['done']}: override {', '.join(map(str, answer['overrides']))}")
    for one in answer["shifts"]:
        say(f"  {one['contact']} instead of {one['instead_of']}, {_span(one, zone)}")


def _role(role: Mapping[str, Any]) -> str:
    named = f" ({', '.join(role['named'])})" if role["named"] else ""
    who = role["contact"] if role["is_rota"] else ""
    instead = f" instead of {role['instead_of']}" if role["instead_of"] else ""
    then = ""
    if after := role["next"]:
        then = f", until {_at(after['start'], role['zone'])}, then {after['contact']}"
    elif role["is_rota"]:
        then = ", and nobody else"
    return f"{role['role']}{named}{': ' if who else ''}{who}{instead}{then}"


def _override_line(one: Mapping[str, Any], zones: Mapping[str, str]) -> str:
    zone = zones.get(one["rota"], "UTC")
    swapped = f", of swap {one['swap']}" if one["swap"] else ""
    lost = f"; does not count: {one['forgotten']}" if one["forgotten"] else ""
    return (
        f"override {one['id']} of {one['rota']}: {one['contact']}, {_span(one, zone)}, "
        f"by {one['by']}{swapped}{lost}"
    )


def _span(one: Mapping[str, Any], zone: str) -> str:
    return f"{_at(one['start'], zone)} – {_at(one['end'], zone)}"


def _at(text: str, zone: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M %Z}"
