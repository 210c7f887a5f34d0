"""Reviews the errors in a bot's log."""

from collections.abc import Iterable, Mapping

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import findings
from webhook_actions.store.incidents import Incident

_KINDS = 8  # messages and events in the report, the most frequent first
_MESSAGE, _LINES = 'trading_bot_log_messages_total{{bot="$bot"}}', 'trading_bot_log_lines_total{{bot="$bot"}}'
# A message newer than the log's own figures has grown from zero, which `increase` does not count.
_SAID = (
    "sort_desc(topk({kinds}, max by (message) ("
    f"({_MESSAGE}{{at}} and (count_over_time({_MESSAGE}{{over}}{{at}})"
    f" < on (bot) group_left () max by (bot) (count_over_time({_LINES}{{over}}{{at}}))))"
    f" or increase({_MESSAGE}{{over}}{{at}})) > 0))"
)
_SEEN = (
    "sort_desc(topk({kinds}, max by (category, event, severity) (increase("
    'trading_bot_log_events_total{{bot="$bot",severity=~"(?i)warning|error|critical"}}{over})) > 0))'
)


@action("review_error_logs", effect=Effect.OBSERVE)
@findings
def review_error_logs(bot: BotControl, incident: Incident) -> Iterable[str]:
    """Report what failed, in the log's words, and how often: within 15 minutes, and in the hour before."""
    earlier = bot.ask(_SAID.format(kinds=10 * _KINDS, over="[1h]", at=" offset 15m"))
    before = {s.labels.get("message", ""): s.value for s in earlier}
    for sample in bot.ask(_SAID.format(kinds=_KINDS, over="[15m]", at="")):
        words = sample.labels.get("message", "")
        yield f"{words}: {sample.value:.0f} within 15 m, {before.get(words, 0):.0f} in the hour before"
    lately = {_kind(s.labels): s.value for s in bot.ask(_SEEN.format(kinds=_KINDS, over="[15m]"))}
    hour = _SEEN.format(kinds=10 * _KINDS, over="[1h] offset 15m")
    kinds = {_kind(s.labels): s.value for s in bot.ask(hour)}
    for kind, count in lately.items():
        yield f"{' '.join(kind)}: {count:.0f} within 15 m, {kinds.get(kind, 0):.0f} in the hour before"
    lines = bot.number('increase(trading_bot_log_lines_total{bot="$bot"}[15m])')
    if lines is not None:
        yield f"lines of the log within 15 m: {lines:.0f}"
    slow = bot.number('sum(increase(trading_bot_log_slow_operation_seconds_count{bot="$bot"}[15m]))')
    if slow:
        yield f"slow operations within 15 m: {slow:.0f}"


def _kind(labels: Mapping[str, str]) -> tuple[str, str, str]:
    return labels.get("severity", ""), labels.get("category", ""), labels.get("event", "")
