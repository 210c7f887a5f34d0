"""Finds the slow or broken part of the way to the exchange."""

from collections.abc import Iterable, Iterator

from clients.observer import Reach, Unanswered
from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import findings, percent, span
from webhook_actions.store.incidents import Incident

# What the bot itself measures; its way may differ from the probes'.
_OWN = (
    (
        "p95 of its calls",
        "histogram_quantile(0.95, "
        'max by (le) (rate(trading_bot_response_time_seconds_bucket{bot="$bot"}[5m])))',
        span,
    ),
    ("share of its calls that fail", 'max(trading_bot_error_rate{bot="$bot"})', percent),
)


@action("check_network", effect=Effect.OBSERVE)
@findings
def check_network(bot: BotControl, incident: Incident) -> Iterable[str]:
    """Report how long DNS, TCP, TLS and HTTP take for each probed endpoint, and the bot's own calls."""
    reached = bot.observer.reach_all()
    if not reached:
        yield "no endpoint was measured: collection.probes names none"
    yield from (_line(each) for each in reached)
    yield from _own(bot)


def _line(reach: Reach) -> str:
    steps = ", ".join(f"{step} {span(seconds)}" for step, seconds in reach.seconds.items())
    answer = f"{reach.status} after {span(reach.total)}" if reach.error is None else f"fails at {reach.error}"
    return f"{reach.endpoint.name}: {answer}" + (f" ({steps})" if steps else "")


def _own(bot: BotControl) -> Iterator[str]:
    """Yield the bot's own figures; if Prometheus does not answer, that is a finding, too."""
    if not bot.name:
        return
    answer = bot.adapter.answers()
    yield f"{bot.name}: {'answers' if answer.done else answer.detail}"
    for what, expression, write in _OWN:
        try:
            value = bot.number(expression)
        except Unanswered as error:
            yield f"unknown: {what}, {error}"
            return
        if value is not None:
            yield f"{bot.name}: {what}: {write(value)}"
