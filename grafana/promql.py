"""Pieces of PromQL that the dashboards share: the variables' matchers, and each series once."""

import re
from collections.abc import Sequence
from typing import Literal

BOT = 'bot=~"$bot"'  # the matcher in every query of a bot's metrics
SYMBOL = 'symbol=~"$symbol"'
SIDE = 'side=~"$side"'
OUTCOME = 'outcome=~"$outcome"'
ENDPOINT = 'endpoint=~"$exchange"'
HOST = 'host=~"$host"'
PART = 'job=~"$part"'  # the scrape targets of Prometheus
# The Watchdog always fires, and info needs nobody. Alerts about the stack itself have no bot.
ALERTS = 'alertname!~".*Watchdog",severity!="info",bot=~"$bot|",drill=""'
RATE = "$__rate_interval"

_QUOTED = r"""[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_SELECTOR = re.compile(rf"([a-zA-Z_:][\w:]*\{{(?:{_QUOTED})*\}})(\[[^\]]+\])?( offset -?[\w$]+)?")
Worst = Literal["highest", "lowest"]


def of(metric: str, *matchers: str) -> str:
    """Return the selector of a metric (name without prefix) or of a recorded series (full name)."""
    name = metric if ":" in metric else f"trading_bot_{metric}"
    return f"{name}{{{','.join((BOT, *matchers))}}}"


def each(metric: str, *labels: str, where: Sequence[str] = ()) -> str:
    """Return a metric by bot and labels; if two exporters watch one bot, each series counts once."""
    return f"max by ({', '.join(('bot', *labels))}) ({of(metric, *where)})"


def rate(metric: str, *labels: str, where: Sequence[str] = (), over: str = RATE) -> str:
    """Return the growth of a counter per second, by bot and labels."""
    return f"max by ({', '.join(('bot', *labels))}) (rate({of(metric, *where)}[{over}]))"


def increase(selector: str, span: str, *, begin: str, end: str = "", known: str = "") -> str:
    """Return a counter's growth between two offsets; `increase` misses a new series' first value.

    `known` selects the series that certainly did not exist at `begin`.
    """
    born = f"last_over_time({selector}[{span}]{end}) unless {selector}{begin}"
    return f"(({born}){known} or increase({selector}[{span}]{end}))"


def grown(metric: str, *labels: str, where: Sequence[str] = (), over: str) -> str:
    """Return a counter's growth in this run of the exporter, by bot and labels."""
    found = increase(of(metric, *where), over, begin=f" offset {over}")
    return f"max by ({', '.join(('bot', *labels))}) {found}"


def traded(hours: int, *, where: Sequence[str] = (), behind: bool = False) -> str:
    """Return the trades closed in the `hours` after a point, also if they are not over, or `behind` it.

    Grafana puts points on whole steps, so columns of days begin at midnight UTC, and include today.
    """
    trades, span = of("trades_total", *where), f"{hours}h"
    begin, end = (f" offset {span}", "") if behind else ("", f" offset -{span}")
    # The first trade comes after Prometheus first saw its bot. Trades of a bot that just appeared do not
    # count.
    known = (
        f" and count_over_time({trades}[{span}]{end})"
        f" < ignoring (symbol, side, outcome) group_left sum_over_time({of('up')}[{span}]{end})"
    )
    found = increase(trades, span, begin=begin, end=end, known=known)
    return f"max by (bot, symbol, side, outcome) {found}"


def by_hour(counted: str) -> str:
    """Return the count in each hour of the day after a point, by the UTC `hour` in which it began."""
    hour = 'label_replace(count_values("hour", hour(vector(time() - 3600))), "hour", "0$1", "hour", "(.)")'
    # A second less than a day: Prometheus 2 includes both ends of a range, 3 only the last.
    return f"max_over_time(({hour} * on () group_left () {counted})[23h59m59s:1h] offset -1d)"


def quantile(share: float, metric: str, *labels: str, over: str = RATE) -> str:
    """Return a quantile of a histogram, by bot and labels; nothing without observations."""
    return f"histogram_quantile({share:g}, {rate(f'{metric}_bucket', *labels, 'le', over=over)}) >= 0"


def in_percent(expr: str) -> str:
    """Return series of a `confidence` with a label for people: `percent` is 95% for 0.95."""
    return f'label_replace({expr}, "percent", "$1%", "confidence", "0[.](..)")'


def coded(metric: str, label: str, values: Sequence[str], *labels: str, where: Sequence[str] = ()) -> str:
    """Return the index in `values` of the value that `label` has, from 0; -1 for another value."""

    def held(*matchers: str) -> str:
        return f"({each(metric, *labels, where=(*where, *matchers))} == 1)"

    known = [f"{code} * {held(f'{label}={value!r}')}" for code, value in enumerate(values)]
    return "\nor ".join([*known, f"-1 * {held()}"])


_SUMS = {
    "trades": each("trades_total", "symbol", "side", "outcome"),
    "active_positions": each("active_positions", "symbol"),
}


def known(metric: str) -> str:
    """Return a bot's current figure, or the last known one of a bot that does not answer.

    A back-filled past and an earlier release have no recorded values: there the query reads the bot's own.
    """
    told = f"sum by (bot) ({_SUMS[metric]})" if metric in _SUMS else each(metric)
    return f"max by (bot) ({of(f'bot:trading_bot_{metric}:known')} or on (bot) {told})"


def known_money(metric: str, window: str | None = None) -> str:
    """Return an amount of a window as `known` does; `%s` stands for the matchers of a currency."""
    level, where = ("bot", "%s") if window is None else ("bot_window", f'window="{window}",%s')
    told = f"max by (bot) (trading_bot_{metric}{{{where}}})"
    return f"({level}:trading_bot_{metric}:known{{{where}}} or on (bot) {told})"


def last_known(metric: str, *labels: str, where: Sequence[str] = (), bots: str = BOT) -> str:
    """Return a metric by bot and labels; the last known one for a bot that does not answer."""
    by, level, matchers = ", ".join(("bot", *labels)), "_".join(("bot", *labels)), ",".join((bots, *where))
    told, kept = (
        f"max by ({by}) ({name}{{{matchers}}})"
        for name in (f"trading_bot_{metric}", f"{level}:trading_bot_{metric}:known")
    )
    return f"({told} or on (bot) {kept})"


def left_behind(of_bots: str) -> str:
    """Return the number of silent bots with a known figure; no series if all answer."""
    return f"count({of_bots} unless on (bot) {each('up')} == 1)"


def counted_beside(value: str, **counts: str) -> str:
    """Return a value with counts as its labels; no series if one of the counts has none."""
    return value + "".join(
        f' * on () group_left ({label}) count_values("{label}", {count})' for label, count in counts.items()
    )


def extreme(expr: str, most: int, worst: Worst) -> str:
    """Return the series of a range that are the worst at its end, the same ones over all of it.

    For a series that has ended, its last value in the range counts.
    """

    def at_end(found: re.Match[str]) -> str:
        selector, span, offset = (part or "" for part in found.groups())
        if span:
            return f"{selector}{span} @ end(){offset}"
        return f"last_over_time({selector}[$__range] @ end(){offset})"

    pick = "topk" if worst == "highest" else "bottomk"
    return f"({expr}) and {pick}({most}, {_SELECTOR.sub(at_end, expr)})"


def weeks_before(expr: str, weeks: int) -> str:
    """Return the same query some weeks before, each series as its hourly mean."""
    return _SELECTOR.sub(lambda found: f"avg_over_time({found[1]}[1h] offset {weeks}w)", expr)
