"""The command `nightdesk doctor`: checks everything, and says what is wrong and what to do."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import click

from stack.binaries import MissingBinary
from stack.doctor import bots, exchanges, machine, people
from stack.doctor.finding import Finding, Level, red
from stack.instance import Instance, as_json, on_instance
from stack.printing import say, show_json
from stack.render import RenderError
from stack.settings import Settings

Check = Callable[[], Iterable[Finding]]


@click.command()
@click.option("--send", is_flag=True, help="Send a message over each channel, too")
@as_json
@on_instance
def doctor(instance: Instance, send: bool, as_json: bool) -> int:
    """Check machine, bots, channels, rules and drill: what is green, yellow or red, and how to fix it."""
    found = run_checks(instance.settings(), instance.data, instance.words(), send)
    if as_json:
        show_json([asdict(one) for one in found])
    else:
        say("\n".join(_lines(found)))
    return 1 if any(one.level is Level.RED for one in found) else 0


def run_checks(settings: Settings, data: Path, words: Sequence[str], send: bool) -> list[Finding]:
    """Return the findings of all checks, in order; `words` are the options that name the settings."""
    checks: list[Check] = [
        lambda: machine.ports(settings),
        lambda: machine.disk(data),
        lambda: machine.clock(settings),
        lambda: machine.database(settings),
        lambda: bots.reached(settings),
        lambda: bots.capabilities(settings),
        lambda: bots.capital(settings),
        lambda: bots.restarts(settings),
        lambda: exchanges.keys(settings),
        lambda: people.notifications(settings),
        lambda: people.channels(settings, words, send),
        lambda: people.loop(settings),
        lambda: people.drill(data),
        lambda: people.watchdog(settings),
    ]
    with ThreadPoolExecutor(len(checks)) as pool:
        return [one for found in pool.map(_found, checks) for one in found]


def _found(check: Check) -> list[Finding]:
    try:
        return list(check())
    except (OSError, RenderError, MissingBinary) as error:  # one check that fails must not stop the others
        return [red("doctor", f"the check failed: {error}", "mend that first")]


def _lines(found: Sequence[Finding]) -> Iterator[str]:
    width = max(len(one.about) for one in found)
    for one in found:
        yield f"{one.level:6}  {one.about:{width}}  {one.says}"
        if one.way_out:
            yield f"{'':6}  {'':{width}}  → {one.way_out}"
    counts = ", ".join(f"{sum(one.level is level for one in found)} {level}" for level in Level)
    yield f"\n{counts}"
