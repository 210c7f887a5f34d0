"""Reports of a bot's day, week or month: computed once, stored as data, shown as mail, page, PDF and text."""

from webhook_actions.report.model import Report
from webhook_actions.report.period import Period, PeriodError

__all__ = ["Period", "PeriodError", "Report"]
