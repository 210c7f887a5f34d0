"""Which dashboards there are, and the addresses by which panels lead to one another."""

from stack.settings import Settings

# For a first bot: what it earns, what it risks, whether it runs, what fires.
SIMPLE = ("overview", "performance", "risk", "money", "positions", "system", "alerts")
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
    """Return whether any bot can tell what the dashboard is about; without bots it waits for them."""
    bots = settings.bots.values()
    if name == "logs":
        return not bots or settings.demo.enabled or any(bot.logs for bot in bots)
    if name in ("model", "market"):  # no Freqtrade tells of its models or of the market
        return not bots or any(bot.source.type != "freqtrade" for bot in bots)
    return True


def leads_to(settings: Settings, *names: str) -> str | None:
    """Return the address of the first of these dashboards that exists; it takes time and choice along."""
    found = (UIDS[name] for name in names if chosen(settings, name))
    uid = next(found, None)
    return uid and f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}"
