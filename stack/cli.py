"""The command `nightdesk`: looks at settings, renders them, runs the stack and says how it is."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from importlib.metadata import version
from inspect import cleandoc
from pathlib import Path

from stack import alerts, capabilities, dead_man, drawdown, guard, reach, schedule, state, who
from stack.binaries import MissingBinary
from stack.doctor.command import add_command as add_doctor
from stack.drill.command import add_command as add_drill
from stack.limits import add_command as add_limits
from stack.limits import unarmed as without_capital
from stack.notify import DELIVERED, SENT, NotifyError, send_tests
from stack.oncall import NotDone, add_commands
from stack.render import RenderError, render
from stack.reports import add_command as add_report
from stack.rotation import run as rotate
from stack.schema import user_schema
from stack.service import add_command as add_service
from stack.settings import (
    DEFAULT_CONFIG,
    Duration,
    Settings,
    SettingsError,
    add_arguments,
    from_arguments,
    missing_secrets,
)
from stack.status import Unreachable
from stack.up import CannotStart, up

Command = Callable[[argparse.Namespace], int]
EXITS = (
    "Exit code: 0 it is done, and all is well; 1 it could not be done, or something is not well; "
    "2 the settings or the words are wrong; 141 whoever reads the output has closed it."
)
_BROKEN_PIPE = 141  # as a shell reports it
_SAME = {"oncall": "on-call"}  # what it was called before


def check(arguments: argparse.Namespace) -> int:
    """Say whether the settings can be used, and what they watch."""
    settings = from_arguments(arguments)
    found = reach.look(settings)
    problems = missing_secrets(settings) + drawdown.unarmed(settings) + found.errors
    problems += without_capital(settings)
    switch = dead_man.missing(settings)
    if switch and dead_man.refuses(settings):
        problems.append(switch)
    if problems:
        raise SettingsError(problems, arguments.config or [DEFAULT_CONFIG])
    print("\n".join(_overview(settings, found.used)))
    for line in filter(None, [*found.warnings, *guard.slow(settings), switch]):
        print(f"warning: {line}")
    if arguments.live:
        print("\n".join(capabilities.live(settings)))
        print("\n".join(drawdown.live(settings)))
    return 0


def schema(_: argparse.Namespace) -> int:
    """Print the JSON Schema of the settings file, for editors."""
    print(json.dumps(user_schema(), indent=2))
    return 0


def render_build(arguments: argparse.Namespace) -> int:
    """Write the configuration of Prometheus, Alertmanager, blackbox_exporter and Grafana."""
    settings = from_arguments(arguments)
    render(settings, arguments.out)
    print(f"rendered {arguments.out}")
    return 0


def list_alerts(arguments: argparse.Namespace) -> int:
    """Print all alerts as the settings make them: limit, waits, channels, actions; or who is told of them."""
    settings = from_arguments(arguments)
    if arguments.who is not None or arguments.bot or arguments.at or arguments.json:
        known, missing = schedule.with_made(settings, arguments.at)
        print(who.show(known, arguments.who or "", arguments.bot, arguments.at, arguments.json))
        if missing:
            print(missing, file=sys.stderr)
        return 0
    print(f"profile {settings.profile}")
    print("\n".join(alerts.as_text(alerts.table(settings))))
    return 0


def test_notify(arguments: argparse.Namespace) -> int:
    """Send one message over each channel that is set."""
    settings = from_arguments(arguments)
    given = [word for file in arguments.config or [] for word in ("--config", str(file))]
    moved = ["--port-offset", str(arguments.port_offset), "--speed", str(arguments.speed)]
    sent = send_tests(settings, [*given, *moved])
    for channel, outcome in sent:
        print(f"{channel}: {outcome}")
    return 0 if all(outcome in (SENT, DELIVERED) for _, outcome in sent) else 1


def logs(arguments: argparse.Namespace) -> int:
    """Report what is in bots' logs: errors, performance, trading and system."""
    # A program of the exporter's own: the stack imports no service.
    os.execv(sys.executable, [sys.executable, "-m", "exporter.logs", *arguments.words])  # noqa: S606 - no shell wanted


def backfill(arguments: argparse.Namespace) -> int:
    """Turn a bot's past trades into Prometheus's history."""
    os.execv(sys.executable, [sys.executable, "-m", "exporter.backfill", *arguments.words])  # noqa: S606 - as above


def main(words: list[str] | None = None) -> int:
    """Run `nightdesk`; return its exit code, as EXITS says."""
    words = sys.argv[1:] if words is None else words
    words = [*map(_SAME.get, words[:1], words[:1]), *words[1:]]
    for name, elsewhere in (("logs", logs), ("backfill", backfill)):
        if words[:1] == [name]:
            return elsewhere(argparse.Namespace(words=words[1:]))
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (RenderError, MissingBinary, CannotStart, Unreachable, NotDone, NotifyError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or 'nightdesk'}: {error.strerror or error}", file=sys.stderr)
        return 1
    return code


def _run(words: list[str]) -> int:
    parser, commands = _parser()
    if words and not words[0].startswith("-") and words[0] not in commands:
        near = get_close_matches(words[0], commands, n=1)
        hint = f"did you mean {near[0]}?" if near else "`nightdesk` lists them"
        print(f"{words[0]}: is no command of nightdesk; {hint}", file=sys.stderr)
        return 2
    arguments = parser.parse_args(words)
    command: Command | None = arguments.command
    if command is None:
        parser.print_help()
        return 0
    return command(arguments)


def _parser() -> tuple[argparse.ArgumentParser, Collection[str]]:
    """Return what reads the words, and the commands that there are."""
    parser = argparse.ArgumentParser(prog="nightdesk", description=__doc__, epilog=EXITS)
    parser.add_argument("--version", action="version", version=f"nightdesk {version('nightdesk')}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name: str, command: Command) -> argparse.ArgumentParser:
        says = cleandoc(command.__doc__ or "").partition("Raises ")[0].strip()  # the rest is for developers
        one = commands.add_parser(name, help=says.partition("\n\n")[0], description=says, epilog=EXITS)
        one.set_defaults(command=command)
        return one

    add("schema", schema)
    add("logs", logs)
    add("backfill", backfill)
    checking = add("check", check)
    add_arguments(checking)
    checking.add_argument(
        "--live", action="store_true", help="look at what runs, too: is a loss seen, what can a bot not do?"
    )
    listing = add("alerts", list_alerts)
    add_arguments(listing)
    who.add_options(listing)
    state.add_commands(add)
    add_arguments(add("test-notify", test_notify))
    rendering = add("render", render_build)
    add_arguments(rendering)
    rendering.add_argument("--out", type=Path, default=Path("build"), metavar="DIR", help="default: build")
    _add_up(add("up", up))
    rotating = add("rotate", rotate)
    add_arguments(rotating)
    rotating.add_argument("--data", type=Path, default=Path(".data"), metavar="DIR", help="default: .data")
    rotating.add_argument("--once", action="store_true", help="look once, instead of every minute")
    add_commands(add, _duration)
    add_limits(add)
    schedule.add_command(add, _duration)
    add_report(add)
    add_drill(add)
    add_doctor(add)
    add_service(add)
    return parser, commands.choices


def _add_up(running: argparse.ArgumentParser) -> None:
    add_arguments(running)
    running.add_argument("--data", type=Path, default=Path(".data"), metavar="DIR", help="default: .data")
    running.add_argument("--ha", action="store_true", help="several of each part")
    running.add_argument("--replica", type=int, metavar="N", help="of several machines, what runs on the Nth")
    running.add_argument(
        "--for", dest="duration", type=_duration, metavar="TIME", help="stop by itself after 30s, 5m, …"
    )


def _duration(text: str) -> Duration:
    try:
        return Duration.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _overview(settings: Settings, used: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what the settings watch and whom they tell, in a few lines."""
    lines = [f"ok: profile {settings.profile}, watches {len(settings.bots) or 'no'} bot(s)"]
    for name, bot in settings.bots.items():
        restarted = f"restarted through {bot.restart.type}" if bot.restart else "restarted by nobody"
        lines.append(f"  {name}: {bot.source.type} {bot.source.place}, {restarted}")
    told = ", ".join(f"{channel} ({', '.join(severities)})" for channel, severities in used.items())
    lines.append(f"  told over: {told or 'nothing yet; set one below channels'}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
