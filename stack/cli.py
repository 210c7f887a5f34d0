"""The command `nightdesk`: looks at settings, renders them, runs the stack and says how it is."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stack import alerts, capabilities, dead_man, drawdown, reach, schedule, who
from stack.binaries import MissingBinary
from stack.drill.command import add_command as add_drill
from stack.limits import add_command as add_limits
from stack.limits import unarmed as without_capital
from stack.notify import DELIVERED, SENT, NotifyError, send_tests
from stack.oncall import NotDone, add_commands
from stack.render import RenderError, render
from stack.reports import add_command as add_report
from stack.rotation import run as rotate
from stack.schema import user_schema
from stack.settings import (
    Duration,
    Settings,
    SettingsError,
    add_arguments,
    from_arguments,
    missing_secrets,
)
from stack.status import Unreachable, read_status
from stack.up import CannotStart, up

Command = Callable[[argparse.Namespace], int]


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
        raise SettingsError(problems)
    print("\n".join(_overview(settings, found.used)))
    for line in filter(None, [*found.warnings, switch]):
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


def status(arguments: argparse.Namespace) -> int:
    """Say how the bots are, what fires and what is open, once."""
    print(read_status(from_arguments(arguments)))
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
    """Run `nightdesk`; return its exit code: 2 for settings that cannot be used, 1 for anything else."""
    words = sys.argv[1:] if words is None else words
    for name, elsewhere in (("logs", logs), ("backfill", backfill)):
        if words[:1] == [name]:
            return elsewhere(argparse.Namespace(words=words[1:]))
    arguments = _parser().parse_args(words)
    command: Command = arguments.command
    try:
        return command(arguments)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (RenderError, MissingBinary, CannotStart, Unreachable, NotDone, NotifyError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nightdesk", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, command: Command) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
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
    for name, command in (
        ("status", status),
        ("test-notify", test_notify),
    ):
        add_arguments(add(name, command))
    rendering = add("render", render_build)
    add_arguments(rendering)
    rendering.add_argument("--out", type=Path, default=Path("build"), metavar="DIR", help="default: build")
    running = add("up", up)
    add_arguments(running)
    running.add_argument("--data", type=Path, default=Path(".data"), metavar="DIR", help="default: .data")
    running.add_argument("--ha", action="store_true", help="several of each part; what ends is started again")
    running.add_argument(
        "--replica",
        type=int,
        metavar="N",
        help="of several machines, what runs on the Nth; what ends is started again",
    )
    running.add_argument(
        "--for", dest="duration", type=_duration, metavar="TIME", help="stop by itself after 30s, 5m, …"
    )
    rotating = add("rotate", rotate)
    add_arguments(rotating)
    rotating.add_argument("--data", type=Path, default=Path(".data"), metavar="DIR", help="default: .data")
    rotating.add_argument("--once", action="store_true", help="look once, instead of every minute")
    add_commands(add, _duration)
    add_limits(add)
    schedule.add_command(add, _duration)
    add_report(add)
    add_drill(add)
    return parser


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
