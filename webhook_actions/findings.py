"""Formats the findings of an action as a few short lines, for the incident and for messages."""

import functools
import logging
from collections.abc import Callable, Iterable

from clients.observer import Unanswered
from stack.settings.names import PNL
from webhook_actions.bots import BotControl
from webhook_actions.outcome import Outcome, Result
from webhook_actions.report import Report
from webhook_actions.store.incidents import Incident

log = logging.getLogger(__name__)

LONGEST = 2000  # characters of all findings: what fits into a message
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_SUMMARIES = ("DailySummary", "WeeklySummary", "MonthlySummary")

Look = Callable[[BotControl, Incident], Iterable[str]]


def findings(look: Look) -> Callable[[BotControl, Incident], Outcome]:
    """Return an action that reports the lines of `look`, or why Prometheus did not answer."""

    @functools.wraps(look)
    def run(bot: BotControl, incident: Incident) -> Outcome:
        try:
            return Outcome.ok(as_text(look(bot, incident)))
        except Unanswered as error:
            return Outcome.retry(str(error))

    return run


def as_text(lines: Iterable[str]) -> str:
    """Return the lines as one text, cut at a line's end where it is too long."""
    text = "\n".join(lines) or "nothing to report: there are no series and no trades"
    if len(text) <= LONGEST:
        return text
    return text[: LONGEST - 2].rpartition("\n")[0] + "\n…"


def message(incident: Incident) -> str:
    """Return a line each: the incident's subject, the recommendation, where to read more."""
    about = f" of {incident.bot}" if incident.bot else ""
    parts = (
        incident.annotations.get("summary") or f"{incident.alert}{about}",
        incident.annotations.get("description"),
        incident.annotations.get("recommended_actions"),
        incident.annotations.get("runbook_url"),
        incident.annotations.get("dashboard_url"),
    )
    return as_text(part.strip() for part in parts if part)


def noted(kind: str, incident: Incident) -> Outcome:
    """Log an incident as an achievement, an issue or an event, and return the logged text."""
    text = message(incident)
    level = logging.WARNING if kind == "issue" else logging.INFO
    about = {"incident": incident.id, "alert": incident.alert, "bot": incident.bot}
    log.log(level, kind, extra=about | {"reason": text})
    return Outcome.ok(f"{kind}: {text}")


def reported(bot: BotControl, period: str, incident: Incident) -> Outcome:
    """Return the reports of a day, week or month, up to a summary's set time or to now."""
    due_at = incident.starts_at if incident.kind in _SUMMARIES else None
    try:
        reports = bot.reporter(bot.observer, period, bot.name, due_at)
    except Unanswered as error:
        return Outcome.retry(str(error))
    lines = [f"{report.bot}, {report.period}: {_made(report)}" for report in reports]
    return Outcome(Result.DONE, as_text(lines or ["no bot is watched"]), reports)


def _made(report: Report) -> str:
    profit = report.figure(PNL).value
    said = f"{PNL} {money(profit)} {report.currency}" if profit is not None else f"{PNL} not known"
    return " ".join([said, *(f"({note})" for note in report.notes)])


def money(amount: float) -> str:
    """Return an amount with its sign."""
    return f"{amount:+,.2f}"


def percent(ratio: float) -> str:
    """Return a ratio as a percentage."""
    return f"{ratio:.1%}"


def span(seconds: float) -> str:
    """Return a duration in a suitable unit."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"
