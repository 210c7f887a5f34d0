"""A bot's state and positions at a period's end."""

from webhook_actions.report.history import History
from webhook_actions.report.model import Open

_HELD = 'max by (symbol, side) (trading_bot_position_%s{bot="$bot"})'


def state(history: History) -> str:
    """Return the bot's state, `up` if it reports none, `down`, or `unknown` without samples."""
    up = history.number('max(trading_bot_up{bot="$bot"})')
    if up is None:
        return "unknown"
    if up == 0:
        return "down"
    return next(iter(history.by("state", 'trading_bot_state{bot="$bot"} == 1')), "up")


def positions(history: History) -> tuple[Open, ...] | None:
    """Return the bot's positions, the worst first, None if it reported none or all."""
    counted = history.by("symbol", 'max by (symbol) (trading_bot_active_positions{bot="$bot"})')
    if not counted and not _says(history):
        return None
    known: dict[tuple[str, str], dict[str, float]] = {}
    for name in ("value", "profit", "unprotected"):
        for sample in history.ask(_HELD % name):
            place = sample.labels.get("symbol", ""), sample.labels.get("side", "")
            known.setdefault(place, {})[name] = sample.value
    told = {symbol for symbol, _ in known}
    found = [
        Open(symbol=symbol, side=side, value=of.get("value"), profit=of.get("profit"), unprotected=_flag(of))
        for (symbol, side), of in known.items()
    ]
    found += [Open(symbol=symbol) for symbol, count in counted.items() if count and symbol not in told]
    return tuple(sorted(found, key=lambda one: (one.profit or 0.0, one.symbol, one.side)))


def _says(history: History) -> bool:
    """Return whether a bot without a known position reports that it has none."""
    said = 'max(trading_bot_current_exposure{bot="$bot"} or trading_bot_guard_open_positions{bot="$bot"})'
    return history.number(said) == 0


def _flag(known: dict[str, float]) -> bool | None:
    return bool(known["unprotected"]) if "unprotected" in known else None
