"""Asks each account's exchange for its key's rights, and refuses a key that may withdraw."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from clients.exchange import Exchange, ExchangeError, access_of
from clients.venues import Rights
from stack.settings import Settings

_WITHIN: Final = 10.0  # seconds for each question
WAY_OUT: Final = "make a key that may only read; see docs/exchange.md"


@dataclass(frozen=True)
class Asked:
    """An exchange's answer about an account's key and our clock, or the `error`. `ahead` is the number of
    seconds by which its clock is ahead; `unlisted` are the markets of `tolerate` that it does not list.
    """

    account: str
    rights: Rights | None = None
    ahead: float | None = None
    unlisted: tuple[str, ...] = ()
    error: str = ""


def asked(settings: Settings) -> list[Asked]:
    """Ask the exchanges of all accounts with a key, at the same time."""
    names = [name for name, each in settings.accounts.items() if each.exchange is not None]
    if not names:
        return []
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: asyncio.run(_ask(settings, name)), names))


def refused(found: list[Asked]) -> Iterator[str]:
    """Yield an error for each key that may withdraw."""
    for each in found:
        if each.rights is not None and each.rights.may_withdraw:
            yield f"accounts.{each.account}.exchange.key_file: the key may withdraw; {WAY_OUT}"


def unknown(found: list[Asked]) -> Iterator[str]:
    """Yield a warning for each key whose rights are unknown."""
    for each in found:
        if each.error:
            yield f"accounts.{each.account}.exchange: {each.error}"


async def _ask(settings: Settings, name: str) -> Asked:
    one = settings.accounts[name].exchange
    tolerated = one.tolerate if one else ()
    ahead = None
    try:
        exchange = Exchange(access_of(settings, name), _WITHIN)
    except (OSError, UnicodeDecodeError) as error:
        return Asked(name, error=f"its key cannot be read: {error}")
    try:
        ahead = await exchange.ahead(time.time)
        rights = await exchange.rights()
        unlisted = await exchange.unlisted(time.time(), tolerated) if tolerated else []
        return Asked(name, rights, ahead, tuple(unlisted))
    except ExchangeError as error:
        return Asked(name, ahead=ahead, error=str(error))
    finally:
        await exchange.close()
