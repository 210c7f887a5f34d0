"""Checks each account's exchange: whether it accepts the key, the key's rights, and the clocks."""

from collections.abc import Iterator

from stack.doctor.finding import Finding, green, red, yellow
from stack.doctor.machine import off
from stack.exchange_keys import WAY_OUT, asked
from stack.settings import Settings


def keys(settings: Settings) -> Iterator[Finding]:
    """Check that each exchange accepts its key, and that the key may only read."""
    for each in asked(settings):
        about = f"exchange of {each.account}"
        if each.ahead is not None:
            yield off(f"clock of {about}", -each.ahead, "the exchange's")
        if each.rights is None:
            yield red(about, each.error, "correct the key or its files; docs/exchange.md")
        elif each.rights.may_withdraw:
            yield red(about, "its key may withdraw, so Nightdesk does not use it", WAY_OUT)
        elif each.rights.may_trade:
            yield yellow(about, "its key may trade, but a witness needs only to read", WAY_OUT)
        else:
            yield green(about, "accepts our key, which may only read")
        for symbol in each.unlisted:
            says = f"does not list {symbol} of tolerate"
            yield yellow(about, says, f"correct accounts.{each.account}.exchange.tolerate")
