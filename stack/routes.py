"""The notification plan in Alertmanager's terms: its receivers, and the route of each alert of each bot."""

from stack.settings import Settings
from stack.settings.plan import PUT_OFF, carrying, of_alert, of_alertmanager, own_addresses, shared_addresses

SEVERITIES = ("critical", "warning", "info", "meta")
_CHANNELS = ("email", "slack", "telegram")


def routes(settings: Settings) -> dict[str, object]:
    """Return the plan as data for alertmanager.jsonnet.

    `receivers`: by name, the channel and the addresses; the desk's receivers have the names of their
    channels. `channels`: by severity and alert, the channels; `foreign`: by severity, those of other people's
    rules. `owned`: by bot and channel, the receiver that replaces the desk's. `put_off`: the severities that
    wait for the end of quiet hours.
    """
    able = [channel for channel in _CHANNELS if channel in carrying(settings, "meta")]

    def chosen(kind: str, severity: str) -> list[str]:
        wanted = of_alert(settings, kind, severity).channels
        return [channel for channel in able if channel in wanted]

    receivers = {channel: _receiver(channel, own_addresses(settings, channel)) for channel in able}
    owned: dict[str, dict[str, str]] = {}
    for name, bot in settings.bots.items():
        for channel in able:
            addresses = shared_addresses(settings, name, channel)
            if addresses != own_addresses(settings, channel):
                receiver = f"{channel}-of-{bot.team}"
                receivers[receiver] = _receiver(channel, addresses)
                owned.setdefault(name, {})[channel] = receiver
    return {
        "receivers": receivers,
        "channels": {one: {kind: chosen(kind, one) for kind in settings.alerts} for one in SEVERITIES},
        "foreign": {one: chosen("", one) for one in SEVERITIES},
        "owned": owned,
        "put_off": [one for one in SEVERITIES if one in PUT_OFF and settings.escalation.quiet_hours],
    }


def _receiver(channel: str, addresses: tuple[str, ...]) -> dict[str, object]:
    return {"channel": channel, "to": list(of_alertmanager(channel, addresses))}
