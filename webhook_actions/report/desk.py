"""The reports of several bots as one: the worst first, and their sum in each currency."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stack.settings.names import PNL
from webhook_actions.report.model import Done, Happened, Report
from webhook_actions.report.words import NAMES, UNKNOWN, Words

_CHAT = 1000  # characters: Telegram's limit of a caption is 1024


@dataclass(frozen=True)
class Total:
    """The sum of the bots of a currency; `unknown` are those without a known figure."""

    currency: str
    made: float
    bots: int
    unknown: int


def worst_first(reports: Sequence[Report]) -> list[Report]:
    """Return the bots with open incidents first, then by the largest loss ratio.

    The ratio is the P&L divided by the equity before. Unknown ratios come before known ones.
    """
    return sorted(reports, key=lambda report: (not _open(report), _share(report)))


def _open(report: Report) -> bool:
    return any(one.closed_at is None for one in report.incidents if one.severity == "critical")


def _share(report: Report) -> float:
    made, equity = report.figure(PNL).value, report.figure("Equity").value
    if made is None:
        return -math.inf
    if equity is None or equity - made <= 0:
        return math.copysign(1.0, made)
    return made / (equity - made)


class Desk:
    """Several bots' reports of one period, in words. `pages` is the number of bots with their own page."""

    def __init__(self, reports: Sequence[Report], pages: int) -> None:
        """`reports` has at least two, all of one period."""
        self.reports = worst_first(reports)
        self.pages = self.reports[:pages]
        self._words = Words(self.reports[0])

    @property
    def title(self) -> str:
        """The kind of report, and the number of bots."""
        return f"{NAMES.get(self.reports[0].period, 'Report')}: {len(self.reports)} bots"

    @property
    def span(self) -> str:
        """Start and end, in the owner's time zone."""
        return self._words.span

    @property
    def day(self) -> str:
        """The last day of the period, as 2026-11-25."""
        return self._words.day

    @property
    def totals(self) -> list[Total]:
        """The sum by currency, never added across currencies; that of most bots first."""
        found = []
        for currency in dict.fromkeys(report.currency for report in self.reports):
            made = [each.figure(PNL).value for each in self.reports if each.currency == currency]
            known = [value for value in made if value is not None]
            found.append(Total(currency, math.fsum(known), len(made), len(made) - len(known)))
        return sorted(found, key=lambda total: (total.unknown - total.bots, total.currency))

    @property
    def incidents(self) -> list[Happened]:
        """The incidents that are still open, each once, even if several bots have it."""
        every = {one.id: one for report in self.reports for one in report.incidents if one.closed_at is None}
        return sorted(every.values(), key=lambda one: (one.severity != "critical", one.opened_at))

    @property
    def wake_ups(self) -> str | None:
        """The number of wake-ups, None if it was not counted; each report has that of all bots."""
        counted = next((report.wake_ups for report in self.reports if report.wake_ups is not None), None)
        return None if counted is None else self._words.woken(counted)

    @property
    def status(self) -> str:
        """The state at the period's end."""
        names = [one.summary for one in self.incidents]
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        return f"still open: {'; '.join(names[:2])}{more}" if names else "no incident is open"

    @property
    def helped(self) -> list[str]:
        """Nightdesk's actions on all bots together, a line each, and whether they helped."""
        every: dict[str, list[Done]] = {}
        for one in (one for report in self.reports for one in report.done):
            every.setdefault(one.action, []).append(one)
        summed = [
            Done(
                action=action,
                times=sum(one.times for one in these),
                helped=sum(one.helped for one in these),
                not_helped=sum(one.not_helped for one in these),
            )
            for action, these in every.items()
        ]
        return [f"{one.action} {self._words.did(one)}" for one in sorted(summed, key=lambda one: -one.times)]

    @property
    def answers(self) -> list[str]:
        """How soon a person first answered, a line a severity; each report has that of all bots."""
        told = next((report.desk_responses for report in self.reports if report.desk_responses), ())
        return [f"{one.severity}: {self._words.answers(one)}" for one in told]

    def amount(self, total: Total) -> str:
        """Return the sum of a currency."""
        known = total.unknown < total.bots
        return f"{self._words.money(total.made) if known else UNKNOWN} {total.currency}"

    def tone(self, total: Total) -> str:
        """Return `won` or `lost`; '' for neither, and for a gain with an unknown part."""
        return "" if total.unknown and total.made >= 0 else self._words.tone(total.made)

    def total(self, total: Total) -> str:
        """Return the sum of a currency, and the number of bots without a known figure."""
        unknown = f", {total.unknown} of {total.bots} bots not known" if total.unknown else ""
        return f"{self.amount(total)}{unknown}"

    @property
    def made(self) -> str:
        """The sums of all currencies."""
        return "; ".join(self.total(total) for total in self.totals)

    def row(self, report: Report) -> tuple[str, ...]:
        """Return a bot's name, P&L, deepest drawdown, trades, win rate and state."""
        words, names = Words(report), (PNL, "Deepest drawdown", "Trades", "Win rate")
        known = {figure.name: words.value(figure) for figure in report.figures}
        made, fall, trades, won = (known.get(name, words.number(None, "count")) for name in names)
        return report.bot, f"{made} {report.currency}", fall, trades, won, words.status

    def text(self) -> str:
        """Return the text for a chat: as many bots as fit, a line each."""
        head = [self.title, self.span, f"Status: {self.status}", f"{PNL}: {self.made}"]
        head += [f"Calls and SMS: {self.wake_ups}"] if self.wake_ups is not None else []
        head += [
            *(f"Done: {each}" for each in self.helped),
            *(f"Answered, {each}" for each in self.answers),
            "",
        ]
        lines = [
            f"{bot}: {made}, drawdown {fall}, {trades} trades"
            for bot, made, fall, trades, _, _ in map(self.row, self.reports)
        ]
        for left_out in range(len(lines)):
            rest = [f"{left_out} more in the file"] if left_out else []
            said = "\n".join([*head, *lines[: len(lines) - left_out], *rest])
            if len(said) <= _CHAT:
                return said
        return "\n".join(head)[:_CHAT]
