"""Checks everything that notifies people: settings, channels, rules, drill, outside dead man's switch."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stack import dead_man, reachability
from stack.doctor.finding import Finding, Level, green, of_problem, red, yellow
from stack.drill import preflight, report
from stack.drill.observation import Parts
from stack.notify import DELIVERED, SENT, NotifyError, by_engine, send_tests
from stack.render import rendered
from stack.settings import Settings, missing_secrets

_OLD = timedelta(days=35)  # a drill a month, and some days
_SHOWN = 5  # problems of a kind; one cause, as a full disk, has a hundred
_VALID = ("valid", SENT, DELIVERED)
_HEARD = {  # by the first word of a problem from `before`
    "rule": "rules in force",
    "scrape": "targets of Prometheus",
    "silence": "silences",
    "loop": "the loop to the outside watchdog",
}


def notifications(settings: Settings) -> Iterator[Finding]:
    """Check that all secrets exist, and that every alert reaches a person."""
    missing, found = missing_secrets(settings), reachability.findings(settings)
    yield from (of_problem(Level.RED, "secrets", line) for line in missing)
    if not missing:
        yield green("secrets", "are all there")
    yield from (of_problem(Level.RED, "who is notified", line) for line in found.errors)
    yield from (of_problem(Level.YELLOW, "who is notified", line) for line in found.warnings)
    if not found.errors and not found.warnings:
        over = ", ".join(found.used) or "no channel"
        yield green("who is notified", f"every alert reaches a person, over {over}")


def channels(settings: Settings, words: Sequence[str], send: bool) -> Iterator[Finding]:
    """Check that each channel accepts our token: without sending or, with `send`, by a message.

    `words` are the options that give a service these settings.
    """
    try:
        asked = send_tests(settings, words) if send else list(by_engine([*words, "--look"]))
    except NotifyError as error:
        yield red("channels", str(error), "`nightdesk test-notify` tries them alone")
        return
    if not asked:
        yield yellow(
            "channels", "none is configured: nobody is notified", "set channels.email, telegram or slack"
        )
    for channel, outcome in asked:
        if outcome in _VALID:
            yield green(f"channel {channel}", outcome)
        elif outcome.startswith(("unknown", "not confirmed", "sent, but")):
            yield yellow(f"channel {channel}", outcome, "`nightdesk doctor --send` sends a message")
        else:
            yield red(
                f"channel {channel}", outcome, f"correct channels.{channel.partition(' ')[0]} or its secret"
            )


def loop(settings: Settings) -> Iterator[Finding]:
    """Check that rules are in force, targets answer, no silence is forgotten, and the watchdog arrives."""
    problems = preflight.differences(settings, Parts(settings), rendered(settings))
    by_kind: dict[str, list[str]] = {}
    for line in problems:
        kind, _, says = line.partition(": ")
        known = kind in _HEARD
        by_kind.setdefault(kind if known else "", []).append(says if known else line)
    for kind, lines in by_kind.items():
        level, about = Level.YELLOW if kind == "silence" else Level.RED, _HEARD.get(kind, "the loop")
        yield from (of_problem(level, about, line) for line in lines[:_SHOWN])
        if len(lines) > _SHOWN:
            yield of_problem(level, about, f"and {len(lines) - _SHOWN} more")
    if not problems:
        for about in _HEARD.values():
            yield green(about, "as in the settings")


def drill(data: Path, now: datetime | None = None) -> Iterator[Finding]:
    """Check that the last drill is recent, and found no fault."""
    kept = report.last(data)
    if kept is None:
        yield yellow("drill", f"none is kept in {data}", "`nightdesk drill --all`, which touches no bot")
        return
    age = (now or datetime.now(UTC)) - datetime.fromisoformat(kept["began"])
    if kept["faults"]:
        says = f"the last one, {age.days} days ago, found {len(kept['faults'])} faults"
        yield red("drill", says, "`nightdesk drill --last` shows them")
    elif age > _OLD:
        yield yellow("drill", f"the last one was {age.days} days ago", "`nightdesk drill --all`")
    else:
        yield green("drill", f"{age.days} days ago, without a fault")


def watchdog(settings: Settings) -> Iterator[Finding]:
    """Check that an outside service notices when this machine stops."""
    if missing := dead_man.missing(settings):
        yield of_problem(
            Level.RED if dead_man.refuses(settings) else Level.YELLOW, "outside watchdog", missing
        )
    elif settings.routing.watchdog_url_file == "none":
        yield green("outside watchdog", "turned off (routing.watchdog_url_file: none)")
    else:
        yield green("outside watchdog", f"pinged at the address in {settings.routing.watchdog_url_file}")
