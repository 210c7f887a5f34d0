"""The command `nightdesk report`: has webhook_actions compute a report, and writes it."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from clients.http import NoAnswer, ask
from clients.parts import to_part
from stack.oncall import NotDone, reason
from stack.settings import Settings, add_arguments, from_arguments

_FORMS = ("text", "html", "pdf", "json")
_TIMEOUT = 120.0  # seconds: a month of a busy bot takes Prometheus a while


def fetch(settings: Settings, bot: str, period: str, form: str) -> bytes:
    """Return a report in a form. Raises NotDone, which says why there is none."""
    file = settings.webhook_actions.tokens.read_file
    url = f"{settings.services.webhook_actions.url}/api/v1/bots/{quote(bot, safe='')}/report"
    query = {"period": period, "format": form}
    try:
        answer = ask(to_part(settings.web, "GET", url, _TIMEOUT, token_file=file, query=query))
    except NoAnswer:
        raise NotDone(f"webhook_actions at {url} does not answer; `nightdesk up` starts it") from None
    except OSError as error:
        raise NotDone(f"{file}: {error.strerror}; `nightdesk up` writes it") from None
    if not answer.ok:
        raise NotDone(f"no report: {reason(answer)}")
    return answer.body


def report(arguments: argparse.Namespace) -> int:
    """Report a bot's day, week, month, or FROM..TO: P&L, trades, incidents and what to think about."""
    if arguments.format == "pdf" and arguments.out is None and sys.stdout.isatty():
        raise NotDone("a terminal shows no PDF; add --out FILE")
    content = fetch(from_arguments(arguments), arguments.bot, arguments.period, arguments.format)
    if arguments.out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        arguments.out.write_bytes(content)
        print(f"wrote {arguments.out}")
    return 0


def add_command(add: Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]) -> None:
    """Add the command to `nightdesk`."""
    reporting = add("report", report)
    reporting.add_argument("--bot", required=True, metavar="NAME", help="of the settings' bots")
    reporting.add_argument(
        "--period", default="day", metavar="PERIOD", help="day, week, month or 2026-11-01..2026-11-07"
    )
    reporting.add_argument("--format", choices=_FORMS, default="text", help="default: text")
    reporting.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    add_arguments(reporting)
