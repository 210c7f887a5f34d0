"""Groups the open incidents into lines, those of one cause together, each with a state in a word."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webhook_actions.page.words import answer
from webhook_actions.store.search import Case

_TOGETHER = 3  # incidents of one alert that become one line
_NAMED = 5  # bots that such a line names


def state(case: Case) -> str:
    """Return an incident's state in a word or two."""
    if case.closed_at is not None:
        return "closed"
    if case.severity == "info":
        return "news"
    if case.answered and (by := answer(case)):
        return by.kind
    if any(run.verdict is None and run.ended_at is None for run in case.runs):
        return "acting"
    if case.handed_over_at is not None:
        return "needs a person"
    verdict = case.runs[-1].verdict if case.runs else None
    return {"verified": "verified", "not_verified": "not verified"}.get(verdict or "", "opened")


@dataclass(frozen=True)
class Group:
    """Incidents of one alert, severity and state, the newest first; a single one is a group too."""

    cases: tuple[Case, ...]

    @property
    def id(self) -> str:
        """A name that stays the same while incidents come and go."""
        first = self.cases[0]
        return f"{first.kind}-{first.severity}-{self.state}".replace(" ", "-")

    @property
    def state(self) -> str:
        """The state of each."""
        return state(self.cases[0])

    @property
    def name(self) -> str:
        """The alert, and the number of incidents."""
        bots = len({case.bot for case in self.cases if case.bot})
        kind = self.cases[0].kind
        return f"{kind} of {bots} bots" if bots > 1 else f"{kind}, {len(self.cases)} times"

    @property
    def text(self) -> str:
        """The bots."""
        names = list(dict.fromkeys(case.bot for case in self.cases if case.bot))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more


def groups(cases: Sequence[Case]) -> list[Group]:
    """Return the incidents in their order; many of one alert, severity and state are one group."""
    together: dict[tuple[str, str, str], list[Case]] = {}
    for case in cases:
        together.setdefault((case.alert, case.severity, state(case)), []).append(case)
    found = []
    for same in together.values():
        if len(same) >= _TOGETHER:
            found.append(Group(tuple(same)))
        else:
            found += [Group((case,)) for case in same]
    return found


FILTERS: dict[str, Callable[..., object]] = {"state": state, "groups": groups}
