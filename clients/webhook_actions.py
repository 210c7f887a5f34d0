"""Reads from webhook_actions each bot's version and the actions that it cannot do."""

from pydantic import BaseModel, TypeAdapter, ValidationError

from clients.http import NoAnswer, ask
from clients.stack_requests import stack_request
from stack.files import SETUP
from stack.settings import Settings

_MARGIN = 5.0  # seconds more than webhook_actions itself waits for bots


class CapabilitiesUnavailable(Exception):
    """webhook_actions returned nothing; the message says why."""


class Missing(BaseModel):
    """An action that a bot cannot do, and why."""

    action: str
    why: str


class Bot(BaseModel):
    """A bot. `adapter` is None for a bot without control; `version_unknown` says why `version` is None."""

    bot: str
    adapter: str | None
    version: str | None
    version_unknown: str | None
    cannot: list[Missing]


def told_bots(settings: Settings) -> dict[str, Bot]:
    """Return the bots by name. Raises CapabilitiesUnavailable."""
    url = f"{settings.services.webhook_actions.url}/api/v1/bots"
    token = settings.webhook_actions.tokens.read_file
    patience = float(settings.collection.timeout) + _MARGIN
    try:
        answer = ask(stack_request(settings.web, "GET", url, patience, token_file=token))
        if not answer.ok:
            raise CapabilitiesUnavailable(f"webhook_actions at {url} answered {answer.status}")
        bots = TypeAdapter(list[Bot]).validate_json(answer.body)
    except NoAnswer as error:
        raise CapabilitiesUnavailable(
            f"webhook_actions at {url} does not answer ({error}); `nightdesk up` starts it"
        ) from None
    except OSError as error:
        raise CapabilitiesUnavailable(f"{token}: {error.strerror}; {SETUP} writes it") from None
    except ValidationError:
        raise CapabilitiesUnavailable(f"the answer of webhook_actions at {url} is no list of bots") from None
    return {each.bot: each for each in bots}
