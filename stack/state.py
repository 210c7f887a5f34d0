"""The commands `nightdesk status` and `nightdesk bots`: the state of everything, for a person or as JSON."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import click

from clients.http import NoAnswer, ask
from clients.stack_requests import stack_request
from clients.webhook_actions import Bot, CapabilitiesUnavailable, told_bots
from stack.instance import Instance, as_json, on_instance
from stack.printing import say, show_json, show_table
from stack.settings import Address, Settings
from stack.status import BotState, Unreachable, read_status

_HEALTH = {
    "exporter": "/healthz",
    "prometheus": "/-/ready",
    "alertmanager": "/-/ready",
    "webhook_actions": "/healthz",
}
_TIMEOUT = 3.0  # seconds; a part on the same machine answers within milliseconds


@dataclass(frozen=True)
class Part:
    """One process of the stack. If it is not well, `problem` says why and `said` has its answer, if any."""

    name: str
    url: str
    problem: str | None
    answers: bool = True
    said: str = ""

    def __str__(self) -> str:
        said = f": {self.said}" if self.said else ""
        return f"{self.name} {self.problem or 'runs'}{said}"


def parts(settings: Settings) -> list[Part]:
    """Return the state of each process that alerts depend on."""
    found: list[tuple[str, Address]] = [
        (name if number == 1 else f"{name}-{number}", one)
        for name in _HEALTH
        for number, one in enumerate(getattr(settings.services, name).all, start=1)
    ]
    with ThreadPoolExecutor(len(found)) as pool:
        return list(pool.map(lambda each: _part(settings, *each), found))


def _part(settings: Settings, name: str, address: Address) -> Part:
    url = address.url + _HEALTH[name.partition("-")[0]]
    try:
        answer = ask(stack_request(settings.web, "GET", url, _TIMEOUT))
    except NoAnswer as error:
        return Part(name, address.url, f"does NOT answer at {address.url} ({error})", answers=False)
    if answer.ok:
        return Part(name, address.url, None)
    said = " ".join(answer.text.split())[:200]
    return Part(name, address.url, f"is NOT well at {address.url}: HTTP {answer.status}", said=said)


@click.command()
@as_json
@on_instance
def status(instance: Instance, as_json: bool) -> int:
    """Print the state of the bots, alerts, incidents and parts; exit with 1 if a bot or part is down."""
    settings = instance.settings()
    running = parts(settings)
    try:
        found, unknown = read_status(settings), None
    except Unreachable as error:
        found, unknown = None, str(error)
    if as_json:
        show_json({"bots": None, **(asdict(found) if found else {}), "parts": list(map(asdict, running))})
    else:
        say(str(found or f"bots unknown: {unknown}"))
        say(("\n" if any(one.problem for one in running) else " | ").join(map(str, running)))
    well = found is not None and all(bot.up for bot in found.bots)
    return 0 if well and not any(one.problem for one in running) else 1


@click.command()
@as_json
@on_instance
def bots(instance: Instance, as_json: bool) -> None:
    """List the bots: state, profit, version, and the actions that Nightdesk cannot do to them."""
    settings = instance.settings()
    found = read_status(settings)
    try:
        told, unknown = told_bots(settings), ""
    except CapabilitiesUnavailable as error:
        told, unknown = {}, str(error)
    if as_json:
        show_json([_as_data(settings, one, told) for one in found.bots])
        return
    show_table(_COLUMNS, [_row(settings, one, told.get(one.name)) for one in found.bots])
    if unknown:
        say(f"the bots' versions and capabilities are unknown: {unknown}")


def _down(one: BotState) -> str:
    return f"DOWN: {one.unread}" if one.unread else "DOWN"


_COLUMNS = ("bot", "state", "earned", "source and version", "actions it cannot do")


def _row(settings: Settings, one: BotState, bot: Bot | None) -> tuple[str, ...]:
    state = "not seen yet" if one.up is None else one.state or "up" if one.up else _down(one)
    earned = "unknown" if one.profit_loss is None else f"{one.profit_loss:+,.2f} {one.currency}"
    source = settings.bots[one.name].source.type
    runs = f"{source} {bot.version or 'unknown version'}" if bot else source
    cannot = ", ".join(each.action for each in bot.cannot) or "it can do everything" if bot else "unknown"
    return one.name, state, earned, runs, cannot


def _as_data(settings: Settings, one: BotState, told: Mapping[str, Bot]) -> dict[str, object]:
    bot = told.get(one.name)
    return {
        **asdict(one),
        "source": settings.bots[one.name].source.type,
        "version": bot and bot.version,
        "cannot": [each.action for each in bot.cannot] if bot else None,
    }
