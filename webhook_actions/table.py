"""Writes docs/actions.md: `python -m webhook_actions.table > docs/actions.md`."""

from collections.abc import Iterator

from stack.settings import Settings, load
from stack.settings.load import DEFAULTS
from webhook_actions.actions import Action, Effect, load_actions
from webhook_actions.bots.freqtrade import FreqtradeAdapter
from webhook_actions.bots.freqtrade_versions import ABILITIES
from webhook_actions.bots.http import HttpAdapter

_EFFECTS = {
    Effect.MONEY: "These run only if `actions.armed` names them; else Nightdesk only reports them.",
    Effect.DISRUPTIVE: "These change how a bot runs. All but `stop_entries` count against the fleet limit.",
    Effect.OBSERVE: "These review and report; the incident and its messages have their findings.",
}

_HEAD = """\
# Actions

<!-- Written by `python -m webhook_actions.table`; change webhook_actions/actions/ instead. -->

Nightdesk tries an alert's actions in the order of its settings, the next one only if nothing proves that the
one before helped. It counts the attempts of a bot and an action within {window}, over all incidents; after a
success the action has a cooldown. If a bot's adapter cannot do an action, Nightdesk says so and tries the
next one; `GET bots`, `nightdesk check --live` and the on-call page beside "Run an action" say it beforehand.

A money action sets a *target*, which Nightdesk stores when it first commits to the action: the quantity that
each position may keep, and whether entries stay stopped. Nightdesk brings the bot to the target, with as many
attempts as necessary, and the bot's own state proves it. A repeat, after a crash or a double click, orders
nothing more.
"""


_FREQTRADE = """\
## Freqtrade by its version

Read from the releases themselves. A bot reports its version with its state, before Nightdesk orders anything;
Nightdesk then refuses what this version cannot do. Of several ways to stop entries it uses the newest.
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
    if action.restarts:  # docker and command can do this, too
        return "http, freqtrade, docker, command"
    adapters = {"http": HttpAdapter.verbs, "freqtrade": FreqtradeAdapter.verbs}
    return ", ".join(name for name, verbs in adapters.items() if verbs & set(action.verbs))


if __name__ == "__main__":
    print(table(load_actions(), load([DEFAULTS])), end="")
