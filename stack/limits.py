"""Loss limits for people: which cannot be computed, and `nightdesk limits`: what is left of each."""

import argparse
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from clients.http import NoAnswer, ask
from clients.parts import to_part
from stack.oncall import NotDone
from stack.settings import FreqtradeBot, Settings, SettingsError, add_arguments, from_arguments
from stack.settings.model import DEMO

_TIMEOUT = 5.0  # seconds; the exporter answers from memory
_COLUMNS = ("bot or account", "limit", "used", "acts at", "left", "allowed", "reached at", "known", "")


def unarmed(settings: Settings) -> Iterator[str]:
    """Yield a line for each limit that needs a capital which its settings do not say.

    Freqtrade tells it, and so does the demo bot.
    """
    untold = {
        name
        for name, bot in settings.bots.items()
        if bot.starting_capital is None
        and not isinstance(bot.source, FreqtradeBot)
        and not (name == DEMO and settings.demo.enabled)
    }
    for name, bot in settings.bots.items():
        for limit in bot.limits:
            if limit.needs_capital and name in untold:
                yield _without(f"bots.{name}", limit.name, f"bots.{name}.starting_capital")
    for name, account in settings.accounts.items():
        lacking = sorted(untold.intersection(account.bots))
        for limit in account.limits:
            if limit.needs_capital and account.capital is None and lacking:
                way_out = f"accounts.{name}.capital, or starting_capital of {', '.join(lacking)}"
                yield _without(f"accounts.{name}", limit.name, way_out)


def _without(path: str, limit: str, way_out: str) -> str:
    return f"{path}.limits: {limit}: cannot be computed without a capital; write {way_out}"


def show(settings: Settings, bot: str | None, account: str | None) -> Iterator[str]:
    """Yield a line for each limit, of one bot or account where it is named. Raises NotDone, SettingsError."""
    for name, known, path in ((bot, settings.bots, "bots"), (account, settings.accounts, "accounts")):
        if name is not None and name not in known:
            raise SettingsError([f"{path}: {name} is not there; known: {', '.join(known) or 'none'}"])
    found, now = [], 0.0
    for each in settings.services.exporter.urls:
        answer = _read(settings, f"{each}/limits")
        found += answer["limits"]
        now = answer["time"]
    chosen = [
        one
        for one in found
        if (bot is None or bot in one["bots"]) and (account is None or account == one["account"])
    ]
    rows = [_COLUMNS, *(_row(one, now) for one in chosen)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _read(settings: Settings, url: str) -> Any:  # noqa: ANN401 - JSON, by path
    try:
        answer = ask(to_part(settings.web, "GET", url, _TIMEOUT))
        if not answer.ok:
            raise NotDone(f"{url}: answered {answer.status}; the exporter's log says why")
        return answer.json()
    except (NoAnswer, OSError, ValueError):
        raise NotDone(f"the exporter at {url} does not answer; `nightdesk up` starts it") from None


def _row(one: dict[str, Any], now: float) -> tuple[str, ...]:
    holder = f"account {one['account']}" if one["account"] else one["bot"]
    zone = ZoneInfo(one["timezone"])
    known = one["known_at"]
    if known is None:
        return (holder, one["limit"], "unknown", f"{one['acts_at']:.0%}", "", "", "", "never", one["gap"])
    clock = datetime.fromtimestamp(known, zone).strftime("%m-%d %H:%M:%S %Z")
    state = "REACHED" if one["used"] >= 1 else "acts" if one["used"] >= one["acts_at"] else ""
    says = "; ".join(filter(None, (state, "locked" if one["locked"] else "", one["gap"])))
    return (
        holder,
        one["limit"],
        f"{one['used']:.1%}",
        f"{one['acts_at']:.0%}",
        _money(one["left"], one["currency"]),
        _money(one["allowed"], one["currency"]),
        _money(one["threshold"], one["currency"]) if one["threshold"] else "",
        f"{clock}, {max(0.0, now - known):.0f} s ago",
        says,
    )


def _money(text: str, currency: str) -> str:
    return f"{Decimal(text):,.2f} {currency}"


def limits(arguments: argparse.Namespace) -> int:
    """Show each loss limit: how much of it is used, what is left, and what is not known of it."""
    print("\n".join(show(from_arguments(arguments), arguments.bot, arguments.account)))
    return 0


def add_command(add: Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]) -> None:
    """Add the command to `nightdesk`."""
    showing = add("limits", limits)
    showing.add_argument("--bot", metavar="NAME", help="the limits of a bot, and of its account")
    showing.add_argument("--account", metavar="NAME", help="the limits of an account")
    add_arguments(showing)
