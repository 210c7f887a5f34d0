"""The dead man's switch outside: by it somebody hears of the end of Nightdesk itself."""

from stack.settings import Settings

_SAYS = (
    "routing.watchdog_url_file: is not set: if this machine stops, nobody notices; write the address of "
    "a dead man's switch outside into a file (docs/drill.md), or `none` if you want none"
)


def missing(settings: Settings) -> str | None:
    """Return what is missing, with the way out; None if a switch exists or the settings want none."""
    return _SAYS if settings.routing.watchdog_url_file is None else None


def refuses(settings: Settings) -> bool:
    """Return whether the settings are for money that matters, so that a switch may not be forgotten."""
    return settings.profile == "production"
