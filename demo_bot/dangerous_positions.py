"""Opens positions in danger, to show how Nightdesk handles them."""

import logging
from dataclasses import replace

from demo_bot.account import Position
from demo_bot.arguments import FundingDrain, LiquidationNear, Peril, Unprotected
from demo_bot.simulation import FOR_EVER, Simulation

_MARGIN = 0.005  # the exchange's maintenance margin, a share of the position's value


def imperil(bot: Simulation, peril: Peril) -> None:
    """Open a long position in such danger, in the least held symbol; no target or time closes it."""
    held = [position.symbol for position in bot.book.positions.values()]
    symbol = min(sorted(bot.prices), key=held.count)
    price, stake = bot.prices[symbol], bot.style.stake(bot.book.equity(bot.prices))
    leverage, liquidation, stop = 1.0, None, price / 2
    match peril:
        case Unprotected():
            stop = 0.0
        case LiquidationNear(distance=distance):
            leverage, liquidation = 1 / (distance + _MARGIN), price * (1 - distance)
            stop = price * (1 - 0.95 * distance)  # a stop behind the liquidation would be none
    position = bot.book.open(
        symbol, "long", stake, price, bot.now,
        stop=stop, target=10 * price, until=bot.now + FOR_EVER, leverage=leverage, liquidation=liquidation,
    )  # fmt: skip
    if isinstance(peril, FundingDrain):
        bot.book.pay_funding(position.id, peril.ratio * stake)
    bot.positions_changed = True
    text = f"Position opened in danger: long {symbol} at {price:.6g} (position {position.id})"
    bot.diary.note("trader", logging.WARNING, text)


def unprotected(bot: Simulation) -> list[Position]:
    """Return the positions without a stop."""
    return [position for position in bot.book.positions.values() if not position.stop_price]


def protect(bot: Simulation) -> None:
    """Set a stop at half the entry price for each position without one."""
    for position in unprotected(bot):
        bot.book.positions[position.id] = replace(position, stop_price=position.entry_price / 2)
        bot.positions_changed = True
        bot.diary.note("trader", logging.WARNING, f"Stop set for position {position.id}")
