"""The acts of a signed link, each checked by the role of the link's recipient."""

from collections.abc import Awaitable, Callable, Mapping

from stack.settings import Settings
from stack.settings.roles import Right
from webhook_actions.notify.links import Invitation
from webhook_actions.page.forms import Form, line, snooze
from webhook_actions.store.audit import Caller
from webhook_actions.web.answers import allow
from webhook_actions.web.commands import Commands, Done, Refused

Act = Callable[[Caller, Invitation, Form, str | None], Awaitable[Done]]
"""Carries out a form's act, under an Idempotency-Key if there is one. Raises Refused."""


def acts(settings: Settings, commands: Commands) -> Mapping[str, Act]:
    """Return the acts by their names in forms."""
    effects = {offer.name: Right(offer.effect) for offer in commands.offers}

    async def acknowledge(caller: Caller, to: Invitation, form: Form, _: str | None) -> Done:
        allow(settings, to.contact, Right.ACKNOWLEDGE)
        return await commands.acknowledge(caller, to.incident, line(form, "comment"))

    async def snooze_it(caller: Caller, to: Invitation, form: Form, _: str | None) -> Done:
        allow(settings, to.contact, Right.SNOOZE)
        return await commands.snooze(caller, to.incident, snooze(form, "for"), "", silence=False)

    async def pause(caller: Caller, to: Invitation, form: Form, _: str | None) -> Done:
        allow(settings, to.contact, Right.PAUSE)
        return await commands.pause(caller, line(form, "reason"))

    async def resume(caller: Caller, to: Invitation, _: Form, __: str | None) -> Done:
        allow(settings, to.contact, Right.RESUME)
        return await commands.resume(caller)

    async def run(caller: Caller, to: Invitation, form: Form, key: str | None) -> Done:
        name = line(form, "action")
        if name not in effects:
            raise Refused(404, f"{name} is no action.")
        allow(settings, to.contact, effects[name])
        once = key or line(form, "key") or None
        await commands.run(caller, to.incident, name, line(form, "confirm"), once)
        return Done.ASKED

    return {"acknowledge": acknowledge, "snooze": snooze_it, "pause": pause, "resume": resume, "run": run}
