"""The command `nightdesk on-call`: who is on call now and next, and who stands in for whom."""

import argparse
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from stack.oncall import NotDone, OnCall
from stack.settings import Duration, Override, Settings, add_arguments, from_arguments
from stack.settings.rota import with_overrides

Add = Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]


def oncall(arguments: argparse.Namespace) -> int:
    """Say who is on call now and next, and who stands in; or put somebody else on call."""
    desk = OnCall(from_arguments(arguments))
    at = {"at": arguments.at} if arguments.at else {}
    roles, overrides = (desk.ask("GET", path, parameters=at) for path in ("oncall", "overrides"))
    for role in roles:
        print(_role(role))
    for one in overrides:
        print(_override_line(one, {role["role"]: role["zone"] for role in roles}))
    return 0


def override(arguments: argparse.Namespace) -> int:
    """Put a contact on call in a rota, for a time."""
    body = {
        "contact": arguments.contact,
        "from": arguments.from_,
        "to": arguments.to,
        "for": arguments.length,
    }
    return _change(arguments, f"rotas/{quote(arguments.rota, safe='')}/override", body)


def swap(arguments: argparse.Namespace) -> int:
    """Exchange two people's times, or their whole shifts."""
    body = {"from": arguments.from_, "with": arguments.with_, "for": arguments.length}
    return _change(arguments, f"rotas/{quote(arguments.rota, safe='')}/swap", body)


def cancel(arguments: argparse.Namespace) -> int:
    """End an override or a swap."""
    return _change(arguments, f"overrides/{arguments.override}/cancel", {})


def with_made(settings: Settings, at: str | None) -> tuple[Settings, str]:
    """Return settings with the overrides made at run time, and what to say where these are unknown."""
    if not settings.escalation.rotas:
        return settings, ""
    try:
        found = OnCall(settings).ask("GET", "overrides", parameters={"at": at} if at else None)
    except NotDone as error:
        return settings, f"without the overrides that were made at run time: {error}"
    known: dict[str, list[Override]] = defaultdict(list)
    for one in found:
        if not one["forgotten"]:
            span = {"from": one["start"], "to": one["end"], "contact": one["contact"]}
            known[one["rota"]].append(Override.model_validate(span))
    return with_overrides(settings, known), ""


def add_command(add: Add, duration: Callable[[str], Duration]) -> None:
    """Add the command to `nightdesk`."""
    asking = add("on-call", oncall)
    add_arguments(asking)
    asking.add_argument("--at", metavar="TIME", help="at another time than now: 2026-12-24T18:00")
    acts = asking.add_subparsers(metavar="ACT")

    def act(name: str, command: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        one = acts.add_parser(name, help=command.__doc__, description=command.__doc__)
        one.set_defaults(command=command)
        return one

    overriding, swapping, ending = act("override", override), act("swap", swap), act("cancel", cancel)
    for one in (overriding, swapping):
        one.add_argument("rota", help="of escalation.rotas")
    overriding.add_argument("contact", help="who is on call instead")
    overriding.add_argument("--from", dest="from_", metavar="TIME", help="2026-12-24T18:00; default: now")
    overriding.add_argument("--to", metavar="TIME", help="until when, by the rota's clocks")
    swapping.add_argument("--from", dest="from_", required=True, metavar="TIME", help="in the one's shift")
    swapping.add_argument("--with", dest="with_", required=True, metavar="TIME", help="in the other's shift")
    for one, otherwise in ((overriding, "instead of --to"), (swapping, "of both; default: the whole shifts")):
        one.add_argument("--for", dest="length", type=duration, metavar="LENGTH", help=f"1h, 1d; {otherwise}")
    ending.add_argument("override", type=int, help="its number, as `nightdesk on-call` shows it")


def _change(arguments: argparse.Namespace, path: str, body: Mapping[str, object]) -> int:
    settings = from_arguments(arguments)
    given = {name: str(value) for name, value in body.items() if value is not None}
    answer = OnCall(settings).ask("POST", path, given)
    rotas = settings.escalation.rotas
    rota = rotas.get(getattr(arguments, "rota", ""))
    zone = (rota and rota.timezone) or settings.timezone
    print(f"{answer['done']}: override {', '.join(map(str, answer['overrides']))}")
    for one in answer["shifts"]:
        print(f"  {one['contact']} instead of {one['instead_of']}, {_span(one, zone)}")
    return 0


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
