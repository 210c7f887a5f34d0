"""The adapter of a bot that only tells: its files or pushes are no way to act on it."""

from webhook_actions.outcome import Outcome


class NoAdapter:
    """Stands where settings give a bot neither `control` nor `restart`."""

    def restart(self, wait: float, key: str) -> Outcome:
        """Say that there is no way to."""
        return Outcome.cannot("it has neither `control` nor `restart`; set one of them in its settings")

    def answers(self) -> Outcome:
        """Return done: there is nobody to ask, and Prometheus is asked afterwards in any case."""
        return Outcome.ok("it has no API that could be asked")
