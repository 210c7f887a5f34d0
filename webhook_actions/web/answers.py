"""Handles a person's answers from a phone: checks their role, acts, and counts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from stack.settings import Settings
from stack.settings.roles import Right, rights_of, role_of
from webhook_actions.metrics import Metrics
from webhook_actions.notify.buttons import SNOOZE, WANTS, Act
from webhook_actions.store.audit import Caller
from webhook_actions.web.commands import Commands, Refused

_DONE = {
    Act.ACKNOWLEDGE: "Acknowledged",
    Act.SNOOZE: "Snoozed for an hour",
    Act.PAUSE: "All actions paused",
    Act.RESUME: "Actions resumed",
}


def allow(settings: Settings, name: str, right: Right) -> None:
    """Raise Refused if a contact, or the desk, may not do something."""
    if right not in rights_of(settings, name):
        role = role_of(settings, name)
        why = f"{name} is {role}" if role else f"{name} is no longer in contacts"
        raise Refused(403, f"Not allowed: {why}, who may not {right.replace('observe', 'run actions')}.")


class Answers:
    """Carries out the buttons and keys that people press."""

    def __init__(self, settings: Settings, commands: Commands, metrics: Metrics, way: str) -> None:
        """`way` is telegram or phone."""
        self._settings = settings
        self._commands = commands
        self._metrics = metrics
        self._way = way

    def count(self, outcome: str) -> None:
        """Count an answer by its outcome."""
        self._metrics.answers.labels(self._way, outcome).inc()

    async def do(self, act: Act, name: str, caller: Caller, incidents: Sequence[int]) -> str:
        """Act as a contact or the desk, and return a sentence about it. Raises Refused. Skip incidents that
        have closed meanwhile, unless all have.
        """
        try:
            allow(self._settings, name, WANTS[act])
            closed = await self._on_each(act, caller, incidents)
        except Refused:
            self.count("refused")
            raise
        self.count("done")
        at = datetime.now(UTC).astimezone(ZoneInfo(self._settings.timezone))
        rest = f"; {closed} were closed already" if closed else ""
        return f"{_DONE[act]} by {caller.who}, {at:%H:%M:%S %Z}{rest}"

    async def _on_each(self, act: Act, caller: Caller, incidents: Sequence[int]) -> int:
        if act is Act.PAUSE:
            await self._commands.pause(caller, "")
            return 0
        if act is Act.RESUME:
            await self._commands.resume(caller)
            return 0
        if not incidents:
            raise Refused(404, "Nightdesk no longer knows the incidents of this message.")
        refusals = []
        for incident in incidents:
            try:
                if act is Act.SNOOZE:
                    await self._commands.snooze(caller, incident, SNOOZE, "", silence=False)
                else:
                    await self._commands.acknowledge(caller, incident, "")
            except Refused as refused:
                refusals.append(refused)
        if len(refusals) == len(incidents):
            raise refusals[0]
        return len(refusals)
