"""A bot's live trades against their reference, at a period's end."""

from typing import Final

from webhook_actions.report.history import History
from webhook_actions.report.model import Compared, Edge, Unit, Verdict

_LAST: Final = 'max by (of) (last_over_time(trading_bot_edge_%s{bot="$bot"}[$range]))'
_FIGURES: Final[tuple[tuple[str, Unit, str], ...]] = (
    ("Expectancy", "ratio", "expectancy_ratio"),
    ("Win rate", "ratio", "win_rate"),
    ("Trades per day", "number", "trades_per_day"),
    ("Slippage", "ratio", "slippage_ratio"),
    ("Fees", "ratio", "fee_ratio"),
    ("Holding time", "seconds", "holding_seconds"),
)


def edge(history: History) -> Edge | None:
    """Return how the trades stand, None for a bot that is compared with nothing. Raises Unanswered."""
    trades = history.number(_LAST % "trades")
    if trades is None:
        return None
    verdict: Verdict = "intact"
    if history.number(_LAST % "gone") == 1:
        verdict = "gone"
    elif history.number(_LAST % "fading") == 1:
        verdict = "fading"
    figures = []
    for name, unit, metric in _FIGURES:
        found = history.by("of", _LAST % metric)
        live, reference = found.get("live"), found.get("reference")
        figures.append(Compared(name=name, unit=unit, live=live, reference=reference))
    return Edge(verdict=verdict, trades=int(trades), figures=tuple(figures))
