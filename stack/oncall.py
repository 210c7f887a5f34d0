"""The commands `nightdesk incidents`, `ack`, `run` and `pause`, over the API of webhook_actions."""

import getpass
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import click

from clients.http import Answer, NoAnswer, ask
from clients.stack_requests import stack_request
from stack.failure import Failure
from stack.instance import BOTS, TIME, Instance, as_json, names_of, on_instance
from stack.printing import say, show_json
from stack.settings import Duration, Settings

_TIMEOUT = 15.0  # seconds; making a silence waits for Alertmanager


class NotDone(Failure):
    """A refused or unanswered request. The message says why and what to do."""


class OnCall:
    """The API of webhook_actions, with the act token."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"{settings.services.webhook_actions.url}/api/v1"
        self._web = settings.web
        self._token_file = settings.webhook_actions.tokens.act_file
        self._zone = ZoneInfo(settings.timezone)

    def incidents(self, state: str, text: str, limit: int) -> list[dict[str, Any]]:
        """Return incidents, newest first, in the API's form."""
        query = {"state": state, "text": text, "limit": str(limit)}
        found: list[dict[str, Any]] = self.ask("GET", "incidents", parameters=query)["incidents"]
        return found

    def acknowledge(
        self, incident: int, comment: str, snooze: Duration | None, silence: Duration | None
    ) -> str:
        """Acknowledge an incident, or snooze it; return what was done."""
        path = "acknowledge"
        body: dict[str, object] = {"comment": comment, "silence": silence and str(silence)}
        if snooze is not None:
            path, body = "snooze", {"comment": comment, "for": str(snooze), "silence": silence is not None}
        return str(self.ask("POST", f"incidents/{incident}/{path}", body)["done"])

    def run(self, incident: int, action: str, confirm: str) -> str:
        """Request an action on an incident's bot now; return what was done."""
        body = {"action": action, "confirm": confirm}
        return str(self.ask("POST", f"incidents/{incident}/run", body)["done"])

    def run_on(self, bot: str, action: str, confirm: str) -> str:
        """Request an action on a bot now, with or without an incident; return what was done."""
        body = {"action": action, "confirm": confirm}
        return str(self.ask("POST", f"bots/{quote(bot, safe='')}/run", body)["done"])

    def pause(self, reason: str) -> str:
        """Stop all actions; return what was done."""
        return str(self.ask("POST", "pause", {"reason": reason})["done"])

    def resume(self) -> str:
        """Resume actions; return what was done."""
        return str(self.ask("POST", "resume", {})["done"])

    def release(self, bot: str) -> str:
        """Let a halted bot trade again; return what was done."""
        return str(self.ask("POST", f"bots/{quote(bot, safe='')}/release", {})["done"])

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON, by path
        """Return the API's answer. Raises NotDone with its reason."""
        url, named = f"{self._url}/{path}", None if body is None else {**body, "by": getpass.getuser()}
        try:
            file = self._token_file
            asked = stack_request(
                self._web, method, url, _TIMEOUT, token_file=file, query=parameters, body=named
            )
            answer = ask(asked)
            if not answer.ok:
                raise NotDone(reason(answer))
            return answer.json()
        except OSError as error:
            raise NotDone(f"{self._token_file}: {error.strerror}; `nightdesk up` writes it") from None
        except (NoAnswer, ValueError):
            raise NotDone(
                f"webhook_actions at {self._url} does not answer; `nightdesk up` starts it"
            ) from None

    def block(self, incident: Mapping[str, Any]) -> str:
        """Return an incident in a few lines: its head, and the end of its timeline."""
        opened = self._time(incident["opened_at"])
        state = f"closed {self._time(incident['closed_at'])}" if incident["closed_at"] else "open"
        head = f"{incident['id']:>5}  {incident['severity'] or '-':8}  {incident['alert']}"
        lines = [f"{head}{' of ' + incident['bot'] if incident['bot'] else ''}, since {opened}, {state}"]
        if summary := incident["annotations"].get("summary"):
            lines.append(f"       {summary}")
        for entry in incident["timeline"][-3:]:
            lines.append(
                f"       {self._time(entry['at'])}  {entry['kind'].replace('_', ' ')}: {entry['text']}"
            )
        return "\n".join(lines)

    def _time(self, text: str) -> str:
        return f"{datetime.fromisoformat(text).astimezone(self._zone):%Y-%m-%d %H:%M:%S}"


_ACTIONS = names_of(lambda settings: settings.actions.limits)


@click.command()
@click.argument("text", required=False)
@click.option("--all", "closed", is_flag=True, help="Closed ones too")
@click.option("--limit", type=int, default=20, metavar="N", help="The largest number to show; default: 20")
@as_json
@on_instance
def incidents(instance: Instance, text: str | None, closed: bool, limit: int, as_json: bool) -> None:
    """Show incidents, newest first: open ones, or with a search those of the history.

    TEXT is searched in names, messages and timelines.
    """
    desk = OnCall(instance.settings())
    found = desk.incidents("all" if closed else "open", text or "", limit)
    if as_json:
        show_json(found)
    else:
        nothing = f"no incident {'was found' if closed else 'is open'}"
        say("\n".join(map(desk.block, found)) or nothing)


@click.command()
@click.argument("incident", type=int)
@click.option("--comment", default="", metavar="TEXT", help="For the timeline")
@click.option("--snooze", type=TIME, metavar="TIME", help="Length; escalation continues after it")
@click.option(
    "--silence", type=TIME, metavar="TIME", help="Silence Alertmanager too; a snooze's length counts"
)
@on_instance
def ack(
    instance: Instance, incident: int, comment: str, snooze: Duration | None, silence: Duration | None
) -> None:
    """Acknowledge an incident, so that Nightdesk wakes nobody else for it; or snooze it.

    INCIDENT is its number, as `nightdesk incidents` shows it.
    """
    done = OnCall(instance.settings()).acknowledge(incident, comment, snooze, silence)
    say(f"incident {incident}: {done.replace('_', ' ')}")


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[INCIDENT] ACTION", shell_complete=_ACTIONS)
@click.option("--bot", metavar="BOT", shell_complete=BOTS, help="Instead of an incident")
@click.option(
    "--confirm",
    default="",
    metavar="BOT",
    shell_complete=BOTS,
    help="The bot's name, required for an action that moves money",
)
@on_instance
def run(instance: Instance, words: tuple[str, ...], bot: str | None, confirm: str) -> None:
    """Run an action now, on an incident's bot or any other; `nightdesk incidents` shows how it goes.

    INCIDENT is its number, as `nightdesk incidents` shows it. ACTION is restart_bot, check_network, …
    """
    *incident, action = words
    if len(incident) != (0 if bot else 1) or not all(map(str.isdecimal, incident)):
        raise NotDone("say `nightdesk run INCIDENT ACTION`, or `nightdesk run ACTION --bot BOT`")
    desk = OnCall(instance.settings())
    done = desk.run_on(bot, action, confirm) if bot else desk.run(int(incident[0]), action, confirm)
    say(f"{action}: {done}")


@click.command()
@click.option("--reason", default="", metavar="TEXT", help="Why, for the next person")
@click.option("--resume", is_flag=True, help="Resume actions")
@click.option("--release", metavar="BOT", shell_complete=BOTS, help="No longer keep this halted bot paused")
@on_instance
def pause(instance: Instance, reason: str, resume: bool, release: str | None) -> None:
    """Stop all actions (the kill switch), or let them run again; or release a halted bot."""
    desk = OnCall(instance.settings())
    if release:
        say(f"{release}: {desk.release(release)}")
    else:
        say(f"all actions: {desk.resume() if resume else desk.pause(reason)}")


def reason(answer: Answer) -> str:
    """Return the reason of a refusal, from the API's answer."""
    try:
        said = answer.json()
    except ValueError:
        return f"HTTP {answer.status}: {answer.text.strip()[:300]}"
    detail = said.get("detail") if isinstance(said, dict) else None
    if isinstance(detail, list):  # FastAPI's list of faults in an invalid request
        return "; ".join(str(each.get("msg", each)) for each in detail)
    return str(detail or said)
