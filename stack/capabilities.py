"""Lists the actions that each bot cannot do, as webhook_actions reports them."""

from collections.abc import Iterator

from clients.webhook_actions import Bot, CapabilitiesUnavailable, told_bots
from stack.settings import Settings

_HEAD = ("bot", "source and version", "actions it cannot do")


def live(settings: Settings) -> Iterator[str]:
    """Yield a table with a row for each bot, or a warning if webhook_actions does not answer."""
    try:
        told = told_bots(settings)
    except CapabilitiesUnavailable as error:
        yield f"warning: the bots' capabilities are unknown: {error}"
        return
    rows = [_HEAD, *(_row(name, bot.source.type, told.get(name)) for name, bot in settings.bots.items())]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, runs, cannot in rows:
        yield f"{name:{widths[0]}}  {runs:{widths[1]}}  {cannot}"


def _row(name: str, source: str, bot: Bot | None) -> tuple[str, str, str]:
    if bot is None:
        return name, source, "unknown: webhook_actions has other settings; reload them"
    through = "" if bot.adapter in (source, None) else f" by {bot.adapter}"
    cannot = ", ".join(each.action for each in bot.cannot) or "it can do everything"
    if bot.adapter is None:
        return name, f"{source}, no control", cannot
    if bot.version is None:
        return name, f"{source}{through}, version unknown", f"{cannot}; {bot.version_unknown}"
    return name, f"{source}{through} {bot.version}", cannot
