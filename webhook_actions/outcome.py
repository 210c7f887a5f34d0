"""What an action or an adapter says of what it did."""

from dataclasses import dataclass
from enum import StrEnum

from webhook_actions.report.model import Report


class Result(StrEnum):
    """How an action ended."""

    DONE = "done"
    RETRY = "retry"  # failed, and trying again makes sense
    FAILED = "failed"  # failed for good
    CANNOT = "cannot"  # this bot, or this adapter, has no way to do it


@dataclass(frozen=True)
class Outcome:
    """A result and a sentence that says what happened; `reports` are to be kept and sent."""

    result: Result
    detail: str
    reports: tuple[Report, ...] = ()

    @property
    def done(self) -> bool:
        """Whether it was done."""
        return self.result is Result.DONE

    @classmethod
    def ok(cls, detail: str) -> "Outcome":
        """It was done."""
        return cls(Result.DONE, detail)

    @classmethod
    def retry(cls, detail: str) -> "Outcome":
        """It failed, and may work later."""
        return cls(Result.RETRY, detail)

    @classmethod
    def failed(cls, detail: str) -> "Outcome":
        """It failed, and would again."""
        return cls(Result.FAILED, detail)

    @classmethod
    def cannot(cls, detail: str) -> "Outcome":
        """There is no way to do it here."""
        return cls(Result.CANNOT, detail)
