"""Carries out the control verbs that the trading process handles, each with its effect on the simulation."""

from collections.abc import Callable, Mapping

from demo_bot.account import Position
from demo_bot.arguments import ClosePositions, NoArguments, ReducePositions, SwitchEndpoint
from demo_bot.exchange import TYPICAL_SECONDS
from demo_bot.simulation import Simulation
from demo_bot.strategy import Style, is_risky

SLOWER = 4  # how many times less often reduce_processing polls


class Refused(Exception):
    """The bot cannot carry out a request; the text says why, and which part was done."""


def pause(bot: Simulation) -> str:
    """Stop opening positions."""
    bot.paused = True
    cancelled, bot.pending = len(bot.pending), []
    return f"paused; {cancelled} pending orders cancelled, {len(bot.book.positions)} positions stay open"


def resume(bot: Simulation) -> str:
    """Open positions again."""
    bot.paused = False
    return "running"


def close_positions(bot: Simulation, wanted: ClosePositions) -> str:
    """Close positions; raises Refused for an unknown symbol, or if the exchange refused an order."""
    if unknown := sorted(set(wanted.symbols or ()) - bot.prices.keys()):
        raise Refused(f"{', '.join(unknown)} is not traded here; known: {', '.join(sorted(bot.prices))}")
    if wanted.scope == "all":
        bot.pending = []
    chosen = [position for position in bot.book.positions.values() if _is_wanted(bot, position, wanted)]
    return _close(bot, dict.fromkeys(chosen, 1.0), "closed")


def reduce_positions(bot: Simulation, wanted: ReducePositions) -> str:
    """Reduce positions to sizes, or to `factor` of each; raises Refused if the exchange refused an order."""
    held = list(bot.book.positions.values())
    if wanted.positions is None:
        return _close(bot, dict.fromkeys(held, 1 - wanted.factor), "reduced")
    left = {(each.symbol, each.side): each.size for each in wanted.positions}
    shares: dict[Position, float] = {}
    for position in held:
        place = position.symbol, position.side
        keep = min(position.size, left.get(place, position.size))
        if keep < position.size:
            shares[position] = 1 - keep / position.size
        if place in left:
            left[place] -= keep
    return _close(bot, shares, "reduced")


def retrain_model(bot: Simulation) -> str:
    """Replace the model by one that fits today's market."""
    bot.model.retrain(bot.now)
    return f"retrained, {bot.model.retrainings} times since the start"


def switch_endpoint(bot: Simulation, wanted: SwitchEndpoint) -> str:
    """Leave a failing or slow endpoint."""
    bot.conditions.api_errors = bot.conditions.slow_api = None
    return f"now at {bot.exchange.switch(wanted.endpoint)}"


def retry_connection(bot: Simulation) -> str:
    """Reconnect, subscribe to the feeds again and query the orders."""
    bot.conditions.api_errors = bot.conditions.stale_data = bot.conditions.stuck_orders = None
    return f"connected to {bot.exchange.endpoint}"


def optimize_connections(bot: Simulation) -> str:
    """Halve the response times; a repeat halves no further."""
    bot.conditions.slow_api = None
    bot.exchange.typical_seconds = TYPICAL_SECONDS / 2
    return f"calls take {bot.exchange.typical_seconds * 1000:.0f} ms, typically"


def clear_cache(bot: Simulation) -> str:
    """Free the memory; the trading process does so before it answers."""
    bot.conditions.memory_growth = None
    return "cache cleared"


def reduce_processing(bot: Simulation) -> str:
    """Poll less often."""
    bot.poll_seconds = bot.usual_poll_seconds * SLOWER
    return f"prices are polled every {bot.poll_seconds:g} s"


def adjust_strategy(bot: Simulation) -> str:
    """Trade cautiously from the next entry on; a repeat changes nothing more."""
    bot.style = Style(hold_seconds=bot.style.hold_seconds).cautious()
    return f"stake {bot.style.stake_ratio:.1%} of the equity, target {bot.style.target_ratio:.2%}"


def adjust_parameters(bot: Simulation) -> str:
    """Use only predictions with high confidence."""
    return f"predictions below a confidence of {bot.model.abstain():.2f} are dropped"


_PLAIN: dict[str, Callable[[Simulation], str]] = {
    act.__name__: act
    for act in (
        pause, resume, retrain_model, retry_connection, optimize_connections,
        clear_cache, reduce_processing, adjust_strategy, adjust_parameters,
    )
}  # fmt: skip


def carry_out(bot: Simulation, verb: str, arguments: NoArguments) -> str:
    """Carry out a verb and return a sentence about it; raises Refused."""
    match arguments:
        case ClosePositions():
            return close_positions(bot, arguments)
        case ReducePositions():
            return reduce_positions(bot, arguments)
        case SwitchEndpoint():
            return switch_endpoint(bot, arguments)
        case _:
            return _PLAIN[verb](bot)


def _is_wanted(bot: Simulation, position: Position, wanted: ClosePositions) -> bool:
    price = bot.prices[position.symbol]
    match wanted.scope:
        case "all":
            return True
        case "losing":
            return position.profit(price) < 0
        case "risky":
            return is_risky(position, price, bot.style, bot.book.equity(bot.prices))
        case None:
            return position.symbol in (wanted.symbols or ())


def _close(bot: Simulation, shares: Mapping[Position, float], done: str) -> str:
    """Close a share of each position."""
    left = [position for position, share in shares.items() if not bot.close(position, "by order", share)]
    if left:
        names = ", ".join(f"{position.symbol} ({position.id})" for position in left)
        raise Refused(
            f"{len(shares) - len(left)} of {len(shares)} positions {done}; the exchange refused {names}"
        )
    return f"{len(shares)} positions {done}"
