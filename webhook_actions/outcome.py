"""The result of an action or of an adapter's call."""

from dataclasses import dataclass
from enum import StrEnum

from webhook_actions.report.model import Report


class Result(StrEnum):
    """How an action ended."""

    DONE = "done"
    RETRY = "retry"  # failed, and a retry makes sense
    FAILED = "failed"  # failed for good
    CANNOT = "cannot"  # this bot, or this adapter, has no way to do it


@dataclass(frozen=True)
class Outcome:
    """A result and a sentence that describes it; the engine stores and sends the `reports`.

    `orders` counts the orders that may have reached the bot: it answered, or it is unknown whether the order
    arrived. Orders that were certainly refused do not count. `way_broken`: something between Nightdesk and
    the bot refused, so the bot itself may be well.

    For a message, `cause` is the class of the reason for a failure, and `receipt` is its id at the service
    that took it. `retry_after` is the pause in seconds that a refusing service requested.
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
        """It failed; a later attempt may work."""
        return cls(Result.RETRY, detail, orders=orders, cause=cause)

    @classmethod
    def failed(cls, detail: str, orders: int = 0, cause: str = "") -> "Outcome":
        """It failed; a later attempt would fail too."""
        return cls(Result.FAILED, detail, orders=orders, cause=cause)

    @classmethod
    def cannot(cls, detail: str, orders: int = 0) -> "Outcome":
        """The bot or its adapter cannot do it."""
        return cls(Result.CANNOT, detail, orders=orders)
