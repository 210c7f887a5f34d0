"""Finds the exchange endpoint that answers fastest, and switches to it."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.findings import as_text, span
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action(
    "optimize_connections",
    effect=Effect.DISRUPTIVE,
    verbs=(Verb.SWITCH_ENDPOINT, Verb.OPTIMIZE_CONNECTIONS),
)
def optimize_connections(bot: BotControl, incident: Incident) -> Outcome:
    """Measure the endpoints of `collection.probes` and switch to the fastest healthy one.

    If none is known or healthy, or the bot refuses the fastest, the bot chooses.
    """
    reached = bot.observer.reach_all()
    lines = [
        f"{each.endpoint.name}: {span(each.total)}" if each.healthy
        else f"{each.endpoint.name}: {each.error or f'answered {each.status}'}"
        for each in reached
    ]  # fmt: skip
    orders = 0
    if reached and reached[0].healthy:
        fastest = reached[0].endpoint
        switched = bot.switch_endpoint(fastest.origin)
        orders = switched.orders
        if switched.done:
            return Outcome.ok(as_text([f"switched to {fastest.name}: {switched.detail}", *lines]), orders)
        lines.append(f"not switched to {fastest.name}: {switched.detail}")
    chosen = bot.optimize_connections()
    return Outcome(chosen.result, as_text([chosen.detail, *lines]), orders=orders + chosen.orders)
