"""The commands `nightdesk incidents`, `ack`, `run` and `pause`, over the API of webhook_actions."""

import argparse
import getpass
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from clients.http import Answer, NoAnswer, ask
from clients.parts import to_part
from stack.settings import Duration, Settings, add_arguments, from_arguments

_TIMEOUT = 15.0  # seconds; making a silence waits for Alertmanager


class NotDone(Exception):
    """What was asked for was refused, or nobody answered; the message says why and what to do."""


class OnCall:
    """The API of webhook_actions, as whoever has the act token."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"{settings.services.webhook_actions.url}/api/v1"
        self._web = settings.web
        self._token_file = settings.webhook_actions.tokens.act_file
        self._zone = ZoneInfo(settings.timezone)

    def incidents(self, state: str, text: str, limit: int) -> list[str]:
        """Return a block of lines for each incident, newest first."""
        query = {"state": state, "text": text, "limit": str(limit)}
        found = self.ask("GET", "incidents", parameters=query)
        return [self._block(each) for each in found["incidents"]]

    def acknowledge(
        self, incident: int, comment: str, snooze: Duration | None, silence: Duration | None
    ) -> str:
        """Acknowledge an incident, or snooze it; returns what was done."""
        path = "acknowledge"
        body: dict[str, object] = {"comment": comment, "silence": silence and str(silence)}
        if snooze is not None:
            path, body = "snooze", {"comment": comment, "for": str(snooze), "silence": silence is not None}
        return str(self.ask("POST", f"incidents/{incident}/{path}", body)["done"])

    def run(self, incident: int, action: str, confirm: str) -> str:
        """Ask for an action now; returns what was done."""
        body = {"action": action, "confirm": confirm}
        return str(self.ask("POST", f"incidents/{incident}/run", body)["done"])

    def run_on(self, bot: str, action: str, confirm: str) -> str:
        """Ask for an action on a bot now, whether it has an incident or not; returns what was done."""
        body = {"action": action, "confirm": confirm}
        return str(self.ask("POST", f"bots/{quote(bot, safe='')}/run", body)["done"])

    def pause(self, reason: str) -> str:
        """Stop all actions; returns what was done."""
        return str(self.ask("POST", "pause", {"reason": reason})["done"])

    def resume(self) -> str:
        """Let actions run again; returns what was done."""
        return str(self.ask("POST", "resume", {})["done"])

    def release(self, bot: str) -> str:
        """Let a halted bot trade again; returns what was done."""
        return str(self.ask("POST", f"bots/{quote(bot, safe='')}/release", {})["done"])

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON, by path
        """Return what the API answers. Raises NotDone with its reason."""
        url, named = f"{self._url}/{path}", None if body is None else {**body, "by": getpass.getuser()}
        try:
            file = self._token_file
            asked = to_part(self._web, method, url, _TIMEOUT, token_file=file, query=parameters, body=named)
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

    def _block(self, incident: Mapping[str, Any]) -> str:
        """Return an incident in a few lines: what it is, and the end of its timeline."""
        opened = self._time(incident["opened_at"])
        state = f"closed {self._time(incident['closed_at'])}" if incident["closed_at"] else "open"
        head = f"{incident['id']:>5}  {incident['severity'] or '-':8}  {incident['alert']}"
        lines = [f"{head}{' of ' + incident['bot'] if incident['bot'] else ''}, since {opened}, {state}"]
        if summary := incident["annotations"].get("summary"):
            lines.append(f"       {summary}")
        for entry in incident["timeline"][-3:]:
            lines.append(f"       {self._time(entry['at'])}  {entry['kind']}: {entry['text']}")
        return "\n".join(lines)

    def _time(self, text: str) -> str:
        return f"{datetime.fromisoformat(text).astimezone(self._zone):%Y-%m-%d %H:%M:%S}"


def incidents(arguments: argparse.Namespace) -> int:
    """Show incidents, newest first: those that are open, or what a search finds in the history."""
    state = "all" if arguments.all else "open"
    found = OnCall(from_arguments(arguments)).incidents(state, arguments.text or "", arguments.limit)
    print("\n".join(found) if found else f"no incident {'was found' if arguments.all else 'is open'}")
    return 0


def ack(arguments: argparse.Namespace) -> int:
    """Acknowledge an incident, so that nobody else is woken for it; or snooze it."""
    desk = OnCall(from_arguments(arguments))
    done = desk.acknowledge(arguments.incident, arguments.comment, arguments.snooze, arguments.silence)
    return _say(f"incident {arguments.incident}: {done.replace('_', ' ')}")


def run(arguments: argparse.Namespace) -> int:
    """Run an action now, on an incident's bot or any other; `nightdesk incidents` shows how it goes."""
    *incident, action = arguments.words
    if len(incident) != (0 if arguments.bot else 1) or not all(map(str.isdecimal, incident)):
        raise NotDone("say `nightdesk run INCIDENT ACTION`, or `nightdesk run ACTION --bot BOT`")
    desk = OnCall(from_arguments(arguments))
    if arguments.bot:
        return _say(f"{action}: {desk.run_on(arguments.bot, action, arguments.confirm)}")
    return _say(f"{action}: {desk.run(int(incident[0]), action, arguments.confirm)}")


def pause(arguments: argparse.Namespace) -> int:
    """Stop all actions (the kill switch), or let them run again; or release a halted bot."""
    desk = OnCall(from_arguments(arguments))
    if arguments.release:
        return _say(f"{arguments.release}: {desk.release(arguments.release)}")
    return _say(f"all actions: {desk.resume() if arguments.resume else desk.pause(arguments.reason)}")


def add_commands(
    add: Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser],
    duration: Callable[[str], Duration],
) -> None:
    """Add the commands to `nightdesk`."""
    listing = add("incidents", incidents)
    listing.add_argument("text", nargs="?", help="only those with this in their names, words or timelines")
    listing.add_argument("--all", action="store_true", help="closed ones too")
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="at most so many; default: 20")
    acknowledging = add("ack", ack)
    acknowledging.add_argument("incident", type=int, help="its number, as `nightdesk incidents` shows it")
    acknowledging.add_argument("--comment", default="", metavar="TEXT", help="for the timeline")
    acknowledging.add_argument("--snooze", type=duration, metavar="TIME", help="wake others again after it")
    acknowledging.add_argument(
        "--silence", type=duration, metavar="TIME", help="silence Alertmanager too; a snooze's length counts"
    )
    running = add("run", run)
    running.add_argument(
        "words",
        nargs="+",
        metavar="[INCIDENT] ACTION",
        help="an incident's number, as `nightdesk incidents` shows it; restart_bot, check_network, …",
    )
    running.add_argument("--bot", metavar="BOT", help="instead of an incident: there need be none")
    running.add_argument(
        "--confirm",
        default="",
        metavar="BOT",
        help="the bot's name, which an action that touches money wants",
    )
    pausing = add("pause", pause)
    pausing.add_argument("--reason", default="", metavar="TEXT", help="for whoever comes next")
    pausing.add_argument("--resume", action="store_true", help="let actions run again")
    pausing.add_argument("--release", metavar="BOT", help="no longer keep this halted bot paused")
    for command in (listing, acknowledging, running, pausing):
        add_arguments(command)


def _say(text: str) -> int:
    print(text)
    return 0


def reason(answer: Answer) -> str:
    """Return why something was refused, from an answer of the API."""
    try:
        said = answer.json()
    except ValueError:
        return f"HTTP {answer.status}: {answer.text.strip()[:300]}"
    detail = said.get("detail") if isinstance(said, dict) else None
    if isinstance(detail, list):  # of a request that is none: FastAPI's list of what is wrong
        return "; ".join(str(each.get("msg", each)) for each in detail)
    return str(detail or said)
