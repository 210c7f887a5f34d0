"""Loss limits for people: limits that cannot be computed, and `nightdesk limits`."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import click

from clients.http import NoAnswer, ask
from clients.stack_requests import stack_request
from stack.instance import BOTS, Instance, as_json, names_of, on_instance
from stack.oncall import NotDone
from stack.printing import show_json, show_table
from stack.settings import FreqtradeBot, Settings, SettingsError

_TIMEOUT = 5.0  # seconds; the exporter answers from its memory
_COLUMNS = ("bot or account", "limit", "used", "acts at", "left", "allowed", "reached at", "known", "")


def unarmed(settings: Settings) -> Iterator[str]:
    """Yield a line for each limit that needs a capital which the settings do not give.

    Freqtrade reports its own.
    """
    untold = {
        name
        for name, bot in settings.bots.items()
        if bot.starting_capital is None and not isinstance(bot.source, FreqtradeBot)
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


def told(settings: Settings, bot: str | None, account: str | None) -> tuple[list[dict[str, Any]], float]:
    """Return the limits, all or of one bot or account, and the exporter's time.

    Raises NotDone and SettingsError.
    """
    for name, known, path in ((bot, settings.bots, "bots"), (account, settings.accounts, "accounts")):
        if name is not None and name not in known:
            raise SettingsError([f"{path}: {name} does not exist; known: {', '.join(known) or 'none'}"])
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
    return chosen, now


def _read(settings: Settings, url: str) -> Any:  # noqa: ANN401 - JSON, by path
    try:
        answer = ask(stack_request(settings.web, "GET", url, _TIMEOUT))
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


@click.command()
@click.option("--bot", metavar="NAME", shell_complete=BOTS, help="The limits of a bot, and of its account")
@click.option(
    "--account",
    metavar="NAME",
    shell_complete=names_of(lambda settings: settings.accounts),
    help="The limits of an account",
)
@as_json
@on_instance
def limits(instance: Instance, bot: str | None, account: str | None, as_json: bool) -> None:
    """Show each loss limit: its used share, the loss that is left, and unknown figures."""
    found, now = told(instance.settings(), bot, account)
    if as_json:
        show_json(found)
    else:
        show_table(_COLUMNS, [_row(one, now) for one in found])
