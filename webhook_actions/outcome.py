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
    """A result and a sentence that says what happened; `reports` are to be kept and sent.

    `orders` counts what may have changed something at the bot: it was answered, or nobody knows whether it
    came. What the bot, or something before it, surely let come to nothing does not count. `way_broken` says
    that something between us and the bot refused: the bot itself may be well.

    Of a message: `cause` is the class of why it was not delivered, and `receipt` is what it is known by to
    whoever took it. `retry_after` is the seconds that whoever refused it asked to be left alone for.
    """

    result: Result
    detail: str
    reports: tuple[Report, ...] = ()
    orders: int = 0
    way_broken: bool = False
    cause: str = ""
    receipt: str = ""
    retry_after: float = 0.0

    @property
    def done(self) -> bool:
        """Whether it was done."""
        return self.result is Result.DONE

    @classmethod
    def ok(cls, detail: str, orders: int = 0) -> "Outcome":
        """It was done."""
        return cls(Result.DONE, detail, orders=orders)

    @classmethod
    def retry(cls, detail: str, orders: int = 0, cause: str = "") -> "Outcome":
        """It failed, and may work later."""
        return cls(Result.RETRY, detail, orders=orders, cause=cause)

    @classmethod
    def failed(cls, detail: str, orders: int = 0, cause: str = "") -> "Outcome":
        """It failed, and would again."""
        return cls(Result.FAILED, detail, orders=orders, cause=cause)

    @classmethod
    def cannot(cls, detail: str, orders: int = 0) -> "Outcome":
        """There is no way to do it here."""
        return cls(Result.CANNOT, detail, orders=orders)
