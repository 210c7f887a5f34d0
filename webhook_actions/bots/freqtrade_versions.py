"""What Freqtrade's API can do by version, read from the releases themselves, 2022.1 to 2026.9."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from clients.freqtrade import Config

_PARTIAL_EXITS = 2.17  # the number of its API, for builds that name no release


class Release(NamedTuple):
    """A release's year and month, as 2025.4."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year}.{self.month}"


@dataclass(frozen=True)
class Ability:
    """An ability of Freqtrade: its calls with the release of each, and the call before them."""

    name: str
    calls: tuple[tuple[str, Release], ...]  # newest first
    before: str = ""


EXIT = Ability("exit a whole trade", (("/forceexit", Release(2022, 4)), ("/forcesell", Release(2022, 1))))
EXIT_PART = Ability(
    "exit a part of a trade",
    (("/forceexit with `amount`", Release(2022, 8)),),
    "it ignores the amount and sells the whole trade, so Nightdesk refuses a reduction",
)
STOP_ENTRIES = Ability(
    "stop entries",
    (
        ("/pause", Release(2025, 4)),
        ("/locks", Release(2024, 4)),
        ("/stopentry", Release(2022, 8)),
        ("/stopbuy", Release(2022, 1)),
    ),
)
STOP_AND_START = Ability("stop and start", (("/stop and /start", Release(2022, 1)),))
RELOAD = Ability("reload its configuration and its markets", (("/reload_config", Release(2022, 1)),))
ABILITIES = (EXIT, EXIT_PART, STOP_ENTRIES, STOP_AND_START, RELOAD)


@dataclass(frozen=True)
class Capabilities:
    """What one bot can do; `stops_entries` are the calls to try, best first."""

    version: str
    exit: str
    partial_exits: bool
    stops_entries: tuple[str, ...]

    @property
    def pauses(self) -> bool:
        """Whether it has a state `paused`, which a start ends."""
        return "pause" in self.stops_entries


def capabilities(config: Config) -> Capabilities:
    """Return what a bot can do by its report; a build without a release counts as new."""
    release = _release(config.version)
    partial = bool(_calls(EXIT_PART, release))
    if release is None:
        partial = config.api_version is not None and config.api_version >= _PARTIAL_EXITS
    return Capabilities(
        config.version or "an unknown version",
        exit=_calls(EXIT, release)[0],
        partial_exits=partial,
        stops_entries=_calls(STOP_ENTRIES, release),
    )


def _calls(ability: Ability, release: Release | None) -> tuple[str, ...]:
    """Return the calls of a release, newest first; for a release before the table, the oldest."""
    known = [call.lstrip("/") for call, since in ability.calls if release is None or release >= since]
    oldest = [] if ability.before else [ability.calls[-1][0].lstrip("/")]
    return tuple(known or oldest)


def _release(version: str | None) -> Release | None:
    found = re.search(r"\b(20\d\d)\.(\d{1,2})\b", version or "")
    return Release(int(found[1]), int(found[2])) if found else None
