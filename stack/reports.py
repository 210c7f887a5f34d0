"""The command `nightdesk report`: webhook_actions computes a report, and the command writes it."""

import sys
from pathlib import Path
from urllib.parse import quote

import click

from clients.http import NoAnswer, ask
from clients.stack_requests import stack_request
from stack.instance import BOTS, Instance, on_instance
from stack.oncall import NotDone, reason
from stack.settings import Settings

_FORMS = ("text", "html", "pdf", "json")
_TIMEOUT = 120.0  # seconds; a month of a busy bot takes Prometheus this long


def fetch(settings: Settings, bot: str, period: str, form: str) -> bytes:
    """Return a report in the given format. Raises NotDone with the reason if there is none."""
    file = settings.webhook_actions.tokens.read_file
    url = f"{settings.services.webhook_actions.url}/api/v1/bots/{quote(bot, safe='')}/report"
    query = {"period": period, "format": form}
    try:
        answer = ask(stack_request(settings.web, "GET", url, _TIMEOUT, token_file=file, query=query))
    except NoAnswer:
        raise NotDone(f"webhook_actions at {url} does not answer; `nightdesk up` starts it") from None
    except OSError as error:
        raise NotDone(f"{file}: {error.strerror}; `nightdesk up` writes it") from None
    if not answer.ok:
        raise NotDone(f"no report: {reason(answer)}")
    return answer.body


@click.command()
@click.option(
    "--bot", metavar="NAME", shell_complete=BOTS, help="The bot; needed if the settings have several"
)
@click.option("--period", default="day", metavar="PERIOD", help="day, week, month or 2026-11-01..2026-11-07")
@click.option(
    "--format", "form", type=click.Choice(_FORMS), default="text", help="Default: text", metavar="FORM"
)
@click.option("--json", "form", flag_value="json", help="As --format json")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Default: standard output")
@on_instance
def report(instance: Instance, bot: str | None, period: str, form: str, out: Path | None) -> None:
    """Report a bot's day, week, month, or FROM..TO: P&L, trades, incidents and suggestions."""
    if form == "pdf" and out is None and sys.stdout.isatty():
        raise NotDone("a terminal cannot show a PDF; add --out FILE")
    settings = instance.settings()
    content = fetch(settings, bot or _only(settings), period, form)
    if out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        out.write_bytes(content)
        print(f"wrote {out}")


def _only(settings: Settings) -> str:
    """Return the only bot. Raises NotDone if there are several, or none."""
    if len(settings.bots) != 1:
        raise NotDone(f"--bot: name the bot: {', '.join(settings.bots) or 'none is watched'}")
    return next(iter(settings.bots))
