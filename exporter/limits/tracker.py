"""The limits of one bot or one account: takes the bots' profits, and returns the rest of each limit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from exporter.limits.arithmetic import Left, State, Terms, left, step
from exporter.limits.figures import Clock, Figures, observe
from exporter.limits.state_file import LimitStateStore
from stack.settings.limits import LossLimit


@dataclass(frozen=True)
class Rule:
    """One limit's terms, and the share of it at which it acts."""

    limit: LossLimit
    terms: Terms
    acts_at: float


@dataclass(frozen=True)
class LimitStatus:
    """A limit's present status. Without `left` it is still unknown. `gap` names the missing figure, or is
    empty. `known_at` is the unix time of its figures. Without `has_capital` it has no threshold.
    """

    rule: Rule
    left: Left | None
    known_at: float | None
    gap: str
    has_capital: bool


def rule(limit: LossLimit, share: float) -> Rule:
    """Return the limit's rule; it acts at `share` unless it has its own share."""
    amount = limit.ratio if limit.money is None else limit.money
    known = limit.known
    terms = Terms(
        limit.kind,
        _exact(amount),
        limit.money is None,
        limit.of,
        limit.mark,
        limit.trails,
        limit.open_positions,
        None if limit.locks_at is None else _exact(limit.locks_at),
        limit.follows_transfers,
        None if known is None else (known.at.timestamp(), _exact(known.mark)),
    )
    return Rule(limit, terms, limit.acts_at or share)


def _exact(value: float | None) -> Decimal:
    return Decimal(repr(value))


class Holder:
    """A bot (`account` is empty) or an account with its bots; `capital` is the one in the settings."""

    def __init__(
        self,
        name: str,
        account: str,
        bots: Sequence[str],
        rules: Sequence[Rule],
        clock: Clock,
        kept: LimitStateStore,
        place: str,
        capital: float | None = None,
    ) -> None:
        """`place` distinguishes the sources of its bots from others of the same name."""
        self.name, self.account, self.bots, self.clock = name, account, tuple(bots), clock
        self._rules, self._capital = tuple(rules), capital
        self.kept, self._place = kept, place
        self._terms = {each.limit.name: each.terms for each in rules}
        self._states = kept.read(place, self._terms)
        self._seen_at: float | None = None
        self._has_capital: bool | None = None
        self._missing = "not seen yet since the exporter started"

    def take(self, figures: Mapping[str, Figures | None], now: float) -> None:
        """Take each bot's last figures; a bot that does not answer, or was not asked yet, has none."""
        silent = [bot for bot in self.bots if figures.get(bot) is None]
        known = [found for bot in self.bots if (found := figures.get(bot)) is not None]
        if any(each.restarted for each in known):
            self._states.clear()
        if silent:
            self._seen_at, self._missing = None, f"{', '.join(silent)}: no answer"
            return
        seen, self._has_capital = observe(known, self.clock, now, self._capital)
        self._seen_at, self._missing = now, ""
        for each in self._rules:
            if each.limit.needs_capital and not self._has_capital:
                continue
            state = step(each.terms, self._states.get(each.limit.name), seen)
            if state is not None:
                self._states[each.limit.name] = state
        self.kept.note(self._place, self._terms, self._states)

    def glance(self, figures: Mapping[str, Figures | None], now: float) -> Iterator[tuple[str, Left]]:
        """Yield the rest of each limit at figures between two observations, and keep nothing.

        This does not begin a new day: its mark needs the previous day's trades, which only an observation
        has.
        """
        known = [found for bot in self.bots if (found := figures.get(bot)) is not None]
        seen = None
        if len(known) == len(self.bots):
            seen, has_capital = observe(known, self.clock, now, self._capital)
        for each in self._rules:
            state = self._states.get(each.limit.name)
            if state is None:
                continue
            if seen and seen.day == state.day and (has_capital or not each.limit.needs_capital):
                state = step(each.terms, state, seen) or state
            yield each.limit.name, left(each.terms, state)

    def standings(self) -> Iterator[LimitStatus]:
        """Yield each limit's status; for an unknown one, the last known status."""
        for each in self._rules:
            state = self._states.get(each.limit.name)
            yield LimitStatus(
                each,
                None if state is None else left(each.terms, state),
                None if state is None else state.time,
                self._gap(each, state),
                state is not None and (each.limit.needs_capital or self._stands_on_capital(state)),
            )

    def _stands_on_capital(self, state: State) -> bool:
        """Return whether the state's money is equity, and not only the profit since 0."""
        return state.base != 0 if self._has_capital is None else self._has_capital

    def _gap(self, each: Rule, state: State | None) -> str:
        """Return the figure that the limit lacks, with the way out; empty if it lacks none."""
        if self._missing:
            return self._missing
        if each.limit.needs_capital and not self._has_capital:
            return "its capital is unknown; write starting_capital for a bot, capital for an account"
        if state is None or self._seen_at is None or state.time < self._seen_at:
            lacks = "equity" if each.limit.open_positions else "balance"
            return f"its {lacks}, or the value behind its mark, is not reported"
        if state.unseen is None:
            return ""
        start, end = (self._time(at) for at in state.unseen)
        since = f"from {start} to {end}" if state.unseen[0] else f"before {end}"
        return f"the exporter saw nothing {since}: its mark may be higher; write your known mark as `known`"

    def _time(self, moment: float) -> str:
        return datetime.fromtimestamp(moment, ZoneInfo(self.clock.zone)).strftime("%Y-%m-%d %H:%M:%S %Z")
