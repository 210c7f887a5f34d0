"""The dead man's switch outside, which alerts a person when Nightdesk itself stops."""

from stack.settings import Settings

_SAYS = (
    "routing.watchdog_url_file: is not set: if this machine stops, nobody notices; write the address of "
    "a dead man's switch outside into a file (docs/drill.md), or `none` if you want none"
)


def missing(settings: Settings) -> str | None:
    """Return the missing setting and the way out; None if a switch exists or the settings want none."""
    return _SAYS if settings.routing.watchdog_url_file is None else None


def refuses(settings: Settings) -> bool:
    """Return whether the settings handle real money, so that a switch is required."""
    return settings.profile == "production"
