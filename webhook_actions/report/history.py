"""A bot's history in Prometheus: the same series as on the dashboards, at the same times."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from clients.observer import Observer, Sample, for_bot
from stack.settings.names import PNL
from webhook_actions.report.model import Figure, Points, Unit
from webhook_actions.report.period import Period

_DRAWN = 300  # points of a chart
_FINEST = 1.0  # seconds between two of them

# `$range` is the period up to its end, in which the last known value of a bot that is down counts.
_LAST = 'max(last_over_time(trading_bot_%s{bot="$bot"}[$range]))'
_OVER = 'max(%s_over_time(trading_bot_%s{bot="$bot"}[$range]))'
_AT_END: tuple[tuple[str, Unit, str, str | None], ...] = (
    (f"{PNL} since the start", "money", _LAST % "profit_loss", "high"),
    ("Equity", "money", _LAST % "equity", "high"),
    ("Win rate since the start", "ratio", _LAST % "win_rate", "high"),
    ("Sharpe ratio", "number", _LAST % "sharpe_ratio", "high"),
    ("Deepest drawdown", "ratio", _OVER % ("max", "drawdown_ratio"), "low"),
    ("Available", "ratio", _OVER % ("avg", "up"), "high"),
    ("Failed calls", "ratio", _OVER % ("avg", "error_rate"), "low"),
)  # fmt: skip


@dataclass(frozen=True)
class History:
    """A bot's series in one period. All methods raise Unanswered if Prometheus does not answer."""

    observer: Observer
    bot: str
    period: Period

    def known_from(self, metric: str = "up") -> float | None:
        """Return when the bot was first seen in the period, None if never.

        Back-filled data begin before `up` existed.
        """
        step = max(60, int(self.period.seconds / 2000))
        first = f'min(min_over_time(timestamp(trading_bot_{metric}{{bot="$bot"}})[%s:%ds]))'
        about = self.number(first % ("$range", step))
        return self.number(first % (f"{step}s", 1), about)  # to the second

    def number(self, expression: str, at: float | None = None) -> float | None:
        """Return the highest value of an expression at the period's end, or at another time."""
        return max((sample.value for sample in self.ask(expression, at)), default=None)

    def by(self, label: str, expression: str) -> Mapping[str, float]:
        """Return the values of an expression at the period's end by a label."""
        return {sample.labels.get(label, ""): sample.value for sample in self.ask(expression)}

    def ask(self, expression: str, at: float | None = None) -> tuple[Sample, ...]:
        """Return the samples of an expression at the period's end, or at another time.

        The time is rounded up to a whole second: a subquery steps in whole seconds, and would miss a sample
        within that second.
        """
        moment = self.period.end.timestamp() if at is None else math.ceil(at)
        text = for_bot(expression, self.bot).replace("$range", f"{max(1, round(self.period.seconds))}s")
        return self.observer.ask(text, moment)

    def made(self) -> float | None:
        """Return the profit, open positions included: `profit_loss` at the end minus that at the start."""
        known_from = self.known_from("profit_loss")
        if known_from is None:
            return None
        begin = max(known_from, self.period.start.timestamp())
        before = self.number('max(trading_bot_profit_loss{bot="$bot"})', begin)
        after = self.number(_LAST % "profit_loss")
        return None if before is None or after is None else after - before

    def line(self, metric: str) -> Points:
        """Return a series over the known part of the period, for a chart."""
        known_from = self.known_from(metric)
        if known_from is None:
            return ()
        seconds = self.period.end.timestamp() - known_from
        step = max(_FINEST, seconds / _DRAWN)
        expression = for_bot(f'max(trading_bot_{metric}{{bot="$bot"}})', self.bot)
        found = self.observer.ask_range(expression, seconds, step, self.period.end.timestamp())
        return found[0].points if found else ()


def figures(now: History, before: History) -> list[Figure]:
    """Return Prometheus's figures of a period and of the one before."""
    found = [Figure(name=PNL, unit="money", value=now.made(), before=before.made(), best="high")]
    for name, unit, expression, best in _AT_END:
        values = {"value": now.number(expression), "before": before.number(expression)}
        found.append(Figure.model_validate({"name": name, "unit": unit, "best": best, **values}))
    return found
