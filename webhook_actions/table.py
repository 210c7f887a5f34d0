"""Writes docs/actions.md: `python -m webhook_actions.table > docs/actions.md`."""

from collections.abc import Iterator

from stack.settings import Settings, load
from stack.settings.load import DEFAULTS
from webhook_actions.actions import Action, Effect, load_actions
from webhook_actions.bots.freqtrade import FreqtradeAdapter
from webhook_actions.bots.freqtrade_versions import ABILITIES
from webhook_actions.bots.http import HttpAdapter

_EFFECTS = {
    Effect.MONEY: 'Run only where `actions.armed` names them; else recorded and told as "would have".',
    Effect.DISRUPTIVE: "Change how a bot runs. All but `stop_entries` count against the fleet limit.",
    Effect.OBSERVE: "Look and report; what they find stands in the incident and in its messages.",
}

_HEAD = """\
# Actions

<!-- Written by `python -m webhook_actions.table`; change webhook_actions/actions/ instead. -->

An alert's actions are tried in the order of its settings, the next one only after the one before could not
be proven to have helped. Attempts are counted within {window}, for a bot and an action, over all incidents;
after a success an action rests. What a bot's adapter cannot do is said, and the next one is tried; `GET
bots`, `nightdesk check --live` and the on-call page beside "Run an action" say it beforehand.

What touches money sets a *target*, which is written down when it is first committed: what each position may
keep, and whether entries stay stopped. The bot is brought to it, as often as that takes, and the bot itself
shows that it is there. To do so again, after a crash or a double click, orders nothing more.
"""


_FREQTRADE = """\
## Freqtrade by its version

Read from the releases themselves. A bot says its version with its state, before anything is ordered; what
it cannot do is refused then, and nothing is done. Of several ways to stop entries the newest is taken.
"""


def table(actions: dict[str, Action], settings: Settings) -> str:
    """Return docs/actions.md."""
    lines = [_HEAD.format(window=settings.actions.attempts_window)]
    for effect, meaning in _EFFECTS.items():
        lines += [f"## {effect}", "", meaning, ""]
        lines += ["| action | what it does | limits | proven by | adapters |", "|---|---|---|---|---|"]
        lines += [_row(each, settings) for _, each in sorted(actions.items()) if each.effect is effect]
        lines.append("")
    return "\n".join([*lines, *_versions()])


def _versions() -> Iterator[str]:
    """Yield what Freqtrade can do by its version."""
    yield from (_FREQTRADE, "| what | by | from |", "|---|---|---|")
    for ability in ABILITIES:
        for call, since in reversed(ability.calls):
            before = f"; before, {ability.before}" if ability.before else ""
            yield f"| {ability.name} | {call} | {since}{before} |"
    yield ""


def _row(action: Action, settings: Settings) -> str:
    cells = (f"`{action.name}`", action.does, _limits(action, settings), _proof(action), _adapters(action))
    return "| " + " | ".join(cells) + " |"


def _limits(action: Action, settings: Settings) -> str:
    limit = settings.actions.limit(action.name)
    parts = ["pursued until it is reached"]
    if action.paced:
        attempts = f"{limit.attempts} attempts" if limit.attempts > 1 else "1 attempt"
        parts = [attempts, f"rests {limit.cooldown}"]
    if action.once or action.effect is Effect.OBSERVE:
        parts.append("once an incident")
    if action.halts:
        parts.append("halts the bot")
    return ", ".join(parts)


def _proof(action: Action) -> str:
    if action.effect is Effect.OBSERVE:
        return "nothing: it changes nothing"
    if action.target is not None:
        return "the bot itself"
    return "the alert's `verify`" + (f", else `{action.proof}`" if action.proof else "")


def _adapters(action: Action) -> str:
    if action.effect is Effect.OBSERVE:
        return "any"
    if action.restarts:  # which docker and command can do as well
        return "http, freqtrade, docker, command"
    adapters = {"http": HttpAdapter.verbs, "freqtrade": FreqtradeAdapter.verbs}
    return ", ".join(name for name, verbs in adapters.items() if verbs & set(action.verbs))


if __name__ == "__main__":
    print(table(load_actions(), load([DEFAULTS])), end="")
