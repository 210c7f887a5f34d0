"""The command `nightdesk check`: says whether the settings are usable, and what they watch."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain

import click

from stack import capabilities, day_starts, dead_man, drawdown, edge, exchange_keys, guard, reachability
from stack.instance import Instance, on_instance
from stack.limits import unarmed as without_capital
from stack.printing import say
from stack.settings import Bot, Settings, SettingsError, missing_secrets


@click.command()
@click.option(
    "--live",
    is_flag=True,
    help="Check running bots, too: whether Nightdesk sees their losses, and the actions that they cannot do.",
)
@on_instance
def check(instance: Instance, live: bool) -> None:
    """Say whether the settings are usable, and what they watch."""
    settings = instance.settings()
    found = reachability.findings(settings)
    problems = missing_secrets(settings) + drawdown.unarmed(settings) + found.errors
    problems += [*without_capital(settings), *edge.unusable(settings)]
    keys = [] if problems else exchange_keys.asked(settings)
    problems += exchange_keys.refused(keys)
    switch = dead_man.missing(settings)
    if switch and dead_man.refuses(settings):
        problems.append(switch)
    if problems:
        raise SettingsError(problems, instance.config)
    say("\n".join(_overview(settings, found.used)))
    starts = day_starts.irregular(settings, datetime.now(UTC).date())
    warnings = [*found.warnings, *guard.slow(settings), *starts, *exchange_keys.unknown(keys), switch]
    for line in filter(None, warnings):
        say(f"warning: {line}")
    if live:
        for line in chain(capabilities.live(settings), drawdown.live(settings)):
            say(line)  # one after the other: the second raises if Prometheus does not answer


def _overview(settings: Settings, used: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a few lines on what the settings watch and whom they notify."""
    lines = [f"ok: profile {settings.profile}, watches {len(settings.bots) or 'no'} bot(s)"]
    for name, bot in settings.bots.items():
        lines.append(f"  {name}: {bot.source.type} {bot.source.place}, {_restarted(bot)}")
    told = ", ".join(f"{channel} ({', '.join(severities)})" for channel, severities in used.items())
    lines.append(f"  notified over: {told or 'nothing yet; configure one below channels'}")
    return lines


def _restarted(bot: Bot) -> str:
    """Return how a bot is restarted."""
    if bot.restart is None:
        return "not restarted"
    dead = ", which cannot start a dead process" if bot.restart.type == "freqtrade" else ""
    return f"restarted through {bot.restart.type}{dead}"
