"""Lists the dashboards, and gives the addresses by which panels link to each other."""

from stack.settings import Settings

# For a first bot: profit, risk, state, alerts.
SIMPLE = ("overview", "performance", "edge", "risk", "money", "positions", "system", "alerts")
UIDS = {
    "performance": "trading-bot-performance",
    "risk": "trading-bot-risk",
    "system": "trading-bot-system",
    "alerts": "trading-bot-alerts",
    "fleet": "trading-bot-fleet",
}


def chosen(settings: Settings, name: str) -> bool:
    """Return whether the settings want the dashboard of this name."""
    widget = getattr(settings.dashboards.widgets, name, None)
    wanted = (settings.dashboards.set == "all" or name in SIMPLE) and (widget is None or widget.enabled)
    return wanted and _has_something_to_say(settings, name)


def _has_something_to_say(settings: Settings, name: str) -> bool:
    """Return whether any bot reports figures of this dashboard; without bots it is kept."""
    bots = settings.bots.values()
    if name == "logs":
        return not bots or settings.demo.enabled or any(bot.logs for bot in bots)
    if name == "edge":
        return not bots or any(bot.edge for bot in bots)
    if name in ("model", "market"):  # no Freqtrade reports models or markets
        return not bots or any(bot.source.type != "freqtrade" for bot in bots)
    return True


def leads_to(settings: Settings, *names: str) -> str | None:
    """Return the address of the first of these dashboards that exists; it keeps time and variables."""
    found = (UIDS[name] for name in names if chosen(settings, name))
    uid = next(found, None)
    return uid and f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}"
