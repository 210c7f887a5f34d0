"""Writes a report's figures and times as people read them."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from stack.settings.names import PNL, PNL_CLOSED
from webhook_actions.findings import percent, span
from webhook_actions.report.model import (
    Benchmark,
    Compared,
    Done,
    Edge,
    Figure,
    Group,
    Happened,
    Objective,
    Open,
    Proposal,
    Report,
    Responses,
    Unit,
    WakeUps,
)

UNKNOWN = "–"
_KEY = ("Trades", "Win rate", "Equity", "Deepest drawdown", "Sharpe ratio", "Available")
NAMES = {"day": "Daily report", "week": "Weekly report", "month": "Monthly report"}
_CLOSED = (PNL_CLOSED, "Closed trades' P&L")  # names in reports that an earlier version stored
_SIGNED = (PNL, f"{PNL} since the start", *_CLOSED, "Mean trade", "Best trade", "Worst trade")


class Words:
    """A report in words; `currency` is added to money only on request."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._zone = ZoneInfo(report.zone)

    @property
    def title(self) -> str:
        """The bot and the kind of report."""
        return f"{NAMES.get(self.report.period, 'Report')}: {self.report.bot}"

    @property
    def span(self) -> str:
        """Start and end, in the owner's time zone."""
        start, end = self.moment(self.report.start), self.moment(self.report.end)
        return f"{start} – {end}, {self.report.zone}"

    @property
    def status(self) -> str:
        """The state at the period's end: the bot, holds, and open positions."""
        still = [one.summary for one in self.report.incidents if one.closed_at is None]
        more = f" and {len(still) - 2} more" if len(still) > 2 else ""
        incidents = f"still open: {'; '.join(still[:2])}{more}" if still else "no incident is open"
        return "; ".join([*self.standing, incidents])

    @property
    def standing(self) -> list[str]:
        """The bot's state and positions at the period's end, and what held it or Nightdesk back."""
        holds = [f"{one.kind} since {self.moment(one.since)}: {one.reason}" for one in self.report.holds]
        if self.report.state is None:  # stored by a release that did not record it
            return holds
        return [f"{self.report.state}, {self.held}", *holds]

    @property
    def held(self) -> str:
        """The number of open positions, and of those without a known stop."""
        positions = self.report.positions
        if positions is None:
            return "open positions not known"
        bare = sum(one.unprotected is True for one in positions)
        count = f"{len(positions) or 'no'} open position{'s' if len(positions) != 1 else ''}"
        return f"{count}, {bare} without a known stop" if bare else count

    def position(self, one: Open) -> tuple[str, ...]:
        """Return a position's symbol and side, its value, its profit, and whether it has a stop."""
        stop = {True: "no known stop", False: "has a stop", None: UNKNOWN}[one.unprotected]
        value, profit = self.number(one.value, "money"), self.number(one.profit, "money", signed=True)
        return f"{one.symbol} {one.side}".strip(), value, profit, stop

    @property
    def day(self) -> str:
        """The last day of the period, as 2026-11-25."""
        return f"{datetime.fromtimestamp(self.report.end, self._zone):%Y-%m-%d}"

    @property
    def headline(self) -> Figure:
        """The main figure: the P&L with open positions, else that of closed trades."""
        first = self.report.figure(PNL)
        closed = [figure for figure in self.report.figures if figure.name in _CLOSED]
        return closed[0] if first.value is None and closed else first

    @property
    def key(self) -> list[Figure]:
        """The figures beside the headline."""
        return [figure for name in _KEY for figure in self.report.figures if figure.name == name]

    def moment(self, at: float) -> str:
        """Return a time."""
        return f"{datetime.fromtimestamp(at, self._zone):%a %d %b %Y %H:%M}"

    def number(self, value: float | None, unit: Unit, *, signed: bool = False) -> str:
        """Return a value in its unit, a dash if it is unknown."""
        if value is None:
            return UNKNOWN
        match unit:
            case "money":
                text = f"{value:+,.2f}" if signed else f"{value:,.2f}"
            case "ratio":
                text = percent(value)
            case "seconds":
                text = span(value)
            case "count":
                text = f"{value:,.0f}"
            case _:
                text = f"{value:,.2f}"
        return text.replace("-", "\u2212", 1) if text.startswith("-") else text

    def value(self, figure: Figure) -> str:
        """Return a figure of the period."""
        return self.number(figure.value, figure.unit, signed=figure.name in _SIGNED)

    def before(self, figure: Figure) -> str:
        """Return a figure of the period before."""
        return self.number(figure.before, figure.unit, signed=figure.name in _SIGNED)

    def trend(self, figure: Figure) -> str:
        """Return `better` or `worse` than before, '' if neither is known."""
        if figure.value is None or figure.before is None or figure.best is None:
            return ""
        if figure.value == figure.before:
            return ""
        return "better" if (figure.value > figure.before) == (figure.best == "high") else "worse"

    def tone(self, value: float | None) -> str:
        """Return `won` or `lost` for an amount of money, '' for none."""
        return "" if not value else "won" if value > 0 else "lost"

    def money(self, amount: float) -> str:
        """Return an amount with its sign."""
        return self.number(amount, "money", signed=True)

    def group(self, group: Group) -> str:
        """Return the profit of a group of trades."""
        return f"{group.name} {self.money(group.profit)}, {group.won} of {group.trades} won"

    def benchmark(self, benchmark: Benchmark) -> str:
        """Return a benchmark's wanted value."""
        side = "at least" if benchmark.at_least else "at most"
        return f"{side} {self.number(benchmark.limit, benchmark.unit)}"

    def stands(self, edge: Edge) -> str:
        """Return how live trades stand against their reference."""
        return f"{edge.verdict}, by {edge.trades:,} live trades"

    def compared(self, one: Compared) -> tuple[str, str, str]:
        """Return a figure's name, of live trades, and of the reference; small ratios with their digits."""
        if one.unit != "ratio" or one.name == "Win rate":
            return one.name, self.number(one.live, one.unit), self.number(one.reference, one.unit)
        live, promised = (UNKNOWN if each is None else f"{each:.3%}" for each in (one.live, one.reference))
        return one.name, live.replace("-", "\u2212", 1), promised.replace("-", "\u2212", 1)

    def objective(self, objective: Objective) -> str:
        """Return how long an objective was met."""
        return f"met {percent(objective.share)} of the time" + ("" if objective.met else ", not now")

    def answers(self, one: Responses) -> str:
        """Return how soon people answered the incidents of a severity."""
        median = f", half of them in {span(one.median)}" if one.median is not None else ""
        return f"{one.within} of {one.within + one.late} within {span(one.wanted)}{median}"

    def did(self, one: Done) -> str:
        """Return how often an action ran, and whether it helped."""
        told = {
            "proven to have helped": one.helped,
            "not proven to": one.not_helped,
            "without a proof": one.times - one.helped - one.not_helped,
        }
        return f"{one.times} times: {', '.join(f'{count} {what}' for what, count in told.items() if count)}"

    def woken(self, one: WakeUps) -> str:
        """Return how often people were woken."""
        night = f", {one.at_night} of them at night" if one.at_night else ""
        calls = "1 call" if one.calls == 1 else f"{one.calls} calls"
        return f"{calls}, {one.sms} SMS{night}" if one.calls or one.sms else "none"

    def answered(self, one: Happened) -> str:
        """Return how soon a person answered an incident."""
        return (
            "nobody answered" if one.answered_after is None else f"answered after {span(one.answered_after)}"
        )

    def proposal(self, proposal: Proposal) -> str:
        """Return a suggestion with the numbers that led to it."""
        limit = self.number(proposal.limit, proposal.unit)
        now = f": {self.number(proposal.value, proposal.unit)}" if proposal.value is not None else ""
        return f"{plain(proposal.action)}, since {proposal.says} {limit}{now}"


def plain(name: str) -> str:
    """Return a setting's name as words."""
    words = name.removeprefix("min_").removeprefix("max_").replace("_", " ")
    return words[:1].upper() + words[1:]


def best_and_worst(groups: Sequence[Group], each: int) -> tuple[list[Group], list[Group]]:
    """Return the best groups and the worst ones; none is in both."""
    best = [group for group in groups[:each] if group.profit > 0]
    worst = [group for group in reversed(groups[-each:]) if group.profit < 0]
    return best, worst


def text(report: Report) -> str:
    """Return a report in a few lines, for a chat."""
    words = Words(report)
    headline = words.headline
    before = f" (before: {words.before(headline)})" if headline.before is not None else ""
    lines = [words.title, words.span, f"Status: {words.status}", ""]
    lines.append(f"{headline.name}: {words.value(headline)} {report.currency}{before}")
    lines += [f"{figure.name}: {words.value(figure)}" for figure in words.key]
    if report.score.value is not None:
        lines.append(f"Performance score: {words.value(report.score)}")
    if report.edge is not None:
        lines.append(f"Live against backtest: {words.stands(report.edge)}")
    best, worst = best_and_worst(report.symbols, 1)
    lines += [f"Best: {words.group(group)}" for group in best]
    lines += [f"Worst: {words.group(group)}" for group in worst]
    lines.append(f"Incidents: {len(report.incidents) or 'none'}")
    lines += [f"Done: {one.action} {words.did(one)}" for one in report.done]
    if report.wake_ups is not None:
        lines.append(f"Calls and SMS, all bots: {words.woken(report.wake_ups)}")
    lines += [f"Answered, {one.severity}: {words.answers(one)}" for one in report.responses]
    lines += [f"Suggested: {words.proposal(proposal)}" for proposal in report.proposals]
    return "\n".join([*lines, *report.notes])
