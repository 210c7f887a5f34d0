"""The adapter of a bot that only reports: Nightdesk cannot act through files or pushes."""

from collections.abc import Collection

from clients.trading import Trade
from webhook_actions.bots.protocol import BotStatus, Mode, Order, Target, Verb
from webhook_actions.outcome import Outcome

NO_WAY = "it has neither `control` nor `restart`; set one of them in its settings"
_NOBODY = "it has no API to ask"


class NoAdapter:
    """Used if settings give a bot neither `control` nor `restart`."""

    verbs: frozenset[Verb] = frozenset()
    timeout = longest = longest_back = longest_reload = 0.0

    def longest_restart(self, wait: float) -> float:
        """Return 0: there is nothing to wait for."""
        return 0.0

    def restart(self, wait: float, key: str) -> Outcome:
        """Return that it is impossible."""
        return Outcome.cannot(NO_WAY)

    def answers(self) -> Outcome:
        """Return that the bot cannot be asked."""
        return Outcome.cannot(_NOBODY)

    def mode(self) -> Mode | Outcome:
        """Return that the bot cannot be asked."""
        return Outcome.cannot(_NOBODY)

    def bring_back(self, mode: Mode) -> Outcome:
        """Return that it is impossible."""
        return Outcome.cannot(f"cannot make it {mode}: it has no `control`; set one in its settings")

    def lacks(self, verbs: Collection[Verb]) -> Outcome | None:
        """Return that it can do nothing, if a verb is named."""
        return (
            Outcome.cannot(f"{' or '.join(verbs)}: it has no `control`; set one in its settings")
            if verbs
            else None
        )

    def version(self) -> str | Outcome:
        """Return that the bot cannot be asked."""
        return Outcome.cannot(_NOBODY)

    def carry_out(self, order: Order, key: str) -> Outcome:
        """Return that it is impossible."""
        return Outcome.cannot(f"{order.verb}: it has no `control`; set one in its settings")

    def bring_to(self, target: Target, key: str) -> Outcome:
        """Return that it is impossible."""
        return Outcome.cannot("cannot bring it to a target: it has no `control`; set one in its settings")

    def standing(self) -> BotStatus | Outcome:
        """Return that the bot cannot be asked."""
        return Outcome.cannot("its positions are unknown: it has no API to ask")

    def trades(self, limit: int) -> tuple[Trade, ...] | Outcome:
        """Return that the bot cannot be asked."""
        return Outcome.cannot("its trades are unknown: it has no API to ask")
