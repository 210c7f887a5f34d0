"""What a signed link does: each act checked by the role of the person whom the link was sent to."""

from collections.abc import Awaitable, Callable, Mapping

from stack.settings import Settings
from stack.settings.roles import Right
from webhook_actions.notify.links import Invitation
from webhook_actions.page.forms import Form, line, snooze
from webhook_actions.store.audit import Caller
from webhook_actions.web.answers import allow
from webhook_actions.web.commands import Commands, Done, Refused

Act = Callable[[Caller, Invitation, Form, str | None], Awaitable[Done]]
"""Does what a form asks for, under an Idempotency-Key where one is given. Raises Refused."""


def acts(settings: Settings, commands: Commands) -> Mapping[str, Act]:
    """Return the acts by the names that forms have for them."""
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
