"""One attempt of an action, and the check before each of its orders."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from webhook_actions.actions import Action
from webhook_actions.bots.protocol import Mode, OrderRefused, Target
from webhook_actions.store.incidents import Incident
from webhook_actions.store.runs import Lease


@dataclass(frozen=True)
class Attempt:
    """One attempt of an action, and what is known of its run."""

    lease: Lease
    incident: Incident
    action: Action
    asked_by: str | None
    target: Target | None
    before: Mode | None  # the mode to restore: it was ordered, and is not seen yet
    attempts: int
    began: datetime  # the time of its first attempt


class AttemptGuard:
    """The check in the attempt's thread, before each order, whether it may still be sent."""

    def __init__(
        self, attempt: Attempt, refusal: Callable[[Attempt], str | None], now: Callable[[], datetime]
    ) -> None:
        """`refusal` returns, in the attempt's thread, why an order must not be sent, None if it may."""
        self._attempt = attempt
        self._refusal = refusal
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + (attempt.lease.ends - now()).total_seconds()
        self.passed = 0  # orders that were allowed
        self.keeps_mode = False  # this attempt has stored the bot's mode before

    @property
    def owes_mode(self) -> bool:
        """Whether the bot's stored mode may have changed, so that the run goes on until it is back."""
        return self._attempt.before is not None or (self.keeps_mode and self.passed > 0)

    def __call__(self) -> None:
        """Count the order. Raises OrderRefused.

        A restart finishes its work: a pause must not leave the bot stopped.
        """
        goes_on = self.passed > 0 and self._attempt.action.target is None
        refusal = None if goes_on else self._refusal(self._attempt)
        if refusal is None and self._loop.time() >= self._ends:
            refusal = "its lease is over"
        if refusal is not None:
            raise OrderRefused(refusal)
        self.passed += 1
