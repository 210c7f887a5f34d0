"""The command `nightdesk`: finds the command and returns its exit code."""

import os
import sys
from collections import ChainMap, UserDict
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from stack import VERSION
from stack.failure import Failure
from stack.instance import instance_options

EXITS = (
    "Exit code: 0 done, and all is well; 1 not done, or something is not well; "
    "2 wrong settings or arguments; 130 Ctrl-C; 141 the reader closed the output."
)
_INTERRUPTED, _BROKEN_PIPE = 130, 141  # as a shell reports signals
_SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
_WHOLE = 200  # characters: cuts no sentence
_SAME = {"oncall": "on-call"}  # its former name
# Where each command is (module:name). A command is imported only when it is called.
SECTIONS = {
    "Set up": {
        "init": "stack.init:init",
        "check": "stack.check:check",
        "schema": "stack.schema:schema",
        "render": "stack.render:render_build",
        "test-notify": "stack.notify:test_notify",
        "service": "stack.service:service",
        "compose": "stack.containers.command:compose",
        "completion": "stack.cli:completion",
    },
    "Run": {
        "up": "stack.up:up",
        "reload": "stack.reload:reload",
        "backup": "stack.backup.command:backup",
        "restore": "stack.backup.command:restore",
        "uninstall": "stack.uninstall:uninstall",
        "rotate": "stack.rotation:run",
    },
    "Look": {
        "status": "stack.state:status",
        "bots": "stack.state:bots",
        "doctor": "stack.doctor.command:doctor",
        "alerts": "stack.alerts:list_alerts",
        "limits": "stack.limits:limits",
        "report": "stack.reports:report",
        "logs": "stack.programs:logs",
        "backfill": "stack.programs:backfill",
    },
    "Act": {
        "incidents": "stack.oncall:incidents",
        "ack": "stack.oncall:ack",
        "run": "stack.oncall:run",
        "pause": "stack.oncall:pause",
        "on-call": "stack.schedule:oncall",
        "drill": "stack.drill.command:drill",
    },
}


class _Commands(UserDict[str, Any]):
    """The commands by name; each is imported when it is called."""

    def __getitem__(self, name: str) -> click.Command:
        module, _, attribute = self.data[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        command.epilog = EXITS
        return command


class _Nightdesk(click.Group):
    """The commands in their sections, and the handling of their errors."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, _SAME.get(cmd_name, cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            with formatter.section(title):
                says = [(name, self.commands[name].get_short_help_str(_WHOLE)) for name in names]
                formatter.write_dl(says)

    def invoke(self, ctx: click.Context) -> int:
        """Run a command; return its exit code, as EXITS says."""
        try:
            code: int | None = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has closed the pipe, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _BROKEN_PIPE
        except Failure as error:
            print(error, file=sys.stderr)
            return error.exit_code
        except OSError as error:
            print(f"{error.filename or 'nightdesk'}: {error.strerror or error}", file=sys.stderr)
            return 1
        return code or 0


@click.group(
    cls=_Nightdesk,
    commands=_Commands(ChainMap(*SECTIONS.values())),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXITS,
)
@click.version_option(VERSION, message="nightdesk %(version)s")
@instance_options
@click.pass_context
def nightdesk(context: click.Context, /, **_: object) -> None:
    """Watch trading bots, act on what breaks, prove that it helped, and wake the right person."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
def completion(shell: str) -> None:
    """Print the code that completes commands, options and names of bots in a shell.

    In ~/.bashrc: eval "$(nightdesk completion bash)". In ~/.zshrc: eval "$(nightdesk completion zsh)".

    For fish: nightdesk completion fish > ~/.config/fish/completions/nightdesk.fish
    """
    print(_SHELLS[shell](nightdesk, {}, "nightdesk", "_NIGHTDESK_COMPLETE").source())


def main(words: Sequence[str] | None = None) -> int:
    """Run `nightdesk`; return its exit code, as EXITS says."""
    try:
        code: int = nightdesk.main(words, "nightdesk", standalone_mode=False)
    except click.Abort:
        return _INTERRUPTED
    except click.ClickException as error:  # wrong options or arguments
        error.show()
        return error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main())
