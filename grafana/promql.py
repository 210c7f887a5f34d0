"""Pieces of PromQL that the dashboards share: what is chosen above a dashboard, and each series once."""

from collections.abc import Sequence

BOT = 'bot=~"$bot"'  # what every query of a bot's metrics selects by
SYMBOL = 'symbol=~"$symbol"'
SIDE = 'side=~"$side"'
OUTCOME = 'outcome=~"$outcome"'
ENDPOINT = 'endpoint=~"$exchange"'
# Watchdogs always fire, and info needs nobody. Alerts about the stack itself carry no bot.
ALERTS = 'alertname!~".*Watchdog",severity!="info",bot=~"$bot|"'
RATE = "$__rate_interval"


def of(metric: str, *matchers: str) -> str:
    """Return the selector of a metric by its name without prefix, or of a recorded one by its whole name."""
    name = metric if ":" in metric else f"trading_bot_{metric}"
    return f"{name}{{{','.join((BOT, *matchers))}}}"


def each(metric: str, *labels: str, where: Sequence[str] = ()) -> str:
    """Return a metric by bot and labels: two exporters that watch one bot say everything twice."""
    return f"max by ({', '.join(('bot', *labels))}) ({of(metric, *where)})"


def rate(metric: str, *labels: str, where: Sequence[str] = (), over: str = RATE) -> str:
    """Return how fast a counter grows a second, by bot and labels."""
    return f"max by ({', '.join(('bot', *labels))}) (rate({of(metric, *where)}[{over}]))"


def increase(selector: str, span: str, *, begin: str, end: str = "", known: str = "") -> str:
    """Return by how much a counter grew between two offsets; `increase` misses a new series' first value.

    `known` says of which series it is certain that they were not there at `begin`.
    """
    born = f"last_over_time({selector}[{span}]{end}) unless {selector}{begin}"
    return f"(({born}){known} or increase({selector}[{span}]{end}))"


def grown(metric: str, *labels: str, where: Sequence[str] = (), over: str) -> str:
    """Return by how much a counter of this run of the exporter grew, by bot and labels."""
    found = increase(of(metric, *where), over, begin=f" offset {over}")
    return f"max by ({', '.join(('bot', *labels))}) {found}"


def traded(hours: int, *labels: str, where: Sequence[str] = (), after: int = 0) -> str:
    """Return the trades closed in the hours that begin at a point, or `after` it; of those that last, so far.

    Grafana puts points on whole steps, so columns of days begin at midnight UTC, and today is among them.
    """
    begin = f" offset -{after}h" if after else ""
    # All trades of a bot that was merely out of sight are no news.
    known = f" and on (bot) {of('up')}{begin} == 1"
    found = increase(
        of("trades_total", *where), f"{hours}h", begin=begin, end=f" offset -{after + hours}h", known=known
    )
    return f"max by (bot, symbol, side, outcome) {found}"


def quantile(share: float, metric: str, *labels: str, over: str = RATE) -> str:
    """Return a quantile of a histogram, by bot and labels; where nothing was counted, none."""
    return f"histogram_quantile({share:g}, {rate(f'{metric}_bucket', *labels, 'le', over=over)}) >= 0"


def coded(metric: str, label: str, values: Sequence[str], *labels: str, where: Sequence[str] = ()) -> str:
    """Return which value of `label` holds as its place in `values`, from 0; -1 where it is none of them."""

    def held(*matchers: str) -> str:
        return f"({each(metric, *labels, where=(*where, *matchers))} == 1)"

    known = [f"{code} * {held(f'{label}={value!r}')}" for code, value in enumerate(values)]
    return "\nor ".join([*known, f"-1 * {held()}"])
