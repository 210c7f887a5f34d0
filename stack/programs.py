"""Commands that run the exporter's own programs, because the stack imports no service."""

import os
import sys
from typing import NoReturn

import click

from stack.instance import Instance, on_instance

# They read their own options, --help included.
_THEIRS = {"ignore_unknown_options": True, "help_option_names": list[str]()}


@click.command(context_settings=_THEIRS)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def logs(words: tuple[str, ...]) -> NoReturn:
    """Report what is in bots' logs: errors, performance, trading and system."""
    _become("exporter.logs", *words)


@click.command(context_settings=_THEIRS)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@on_instance
def backfill(instance: Instance, words: tuple[str, ...]) -> NoReturn:
    """Turn a bot's past trades into Prometheus's history."""
    _become("exporter.backfill", *instance.words(), "--out", str(instance.data / "prometheus"), *words)


def _become(module: str, *words: str) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-m", module, *words])  # noqa: S606 - no shell wanted
