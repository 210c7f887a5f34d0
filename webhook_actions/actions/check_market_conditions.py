"""Reports on the markets that a bot trades, as the bot sees them."""

from collections.abc import Iterable, Iterator, Mapping

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import findings, percent, span
from webhook_actions.store.incidents import Incident

_SYMBOLS = 8  # symbols in the report: the most volatile
_MOST = "trading_bot_market_volatility_ratio"
_FIGURES = (
    (_MOST, "volatility {} an hour", percent),
    ('trading_bot_market_price_change_ratio{window="1h"}', "price {} in 1 h", "{:+.1%}".format),
    ('trading_bot_market_price_change_ratio{window="24h"}', "{} in 24 h", "{:+.1%}".format),
    ("trading_bot_market_volume_change_24h_ratio", "volume {} in 24 h", "{:+.0%}".format),
    ("trading_bot_market_liquidity_score", "liquidity {}", "{:.2f}".format),
    ("trading_bot_market_rsi", "RSI {}", "{:.0f}".format),
)
_DATA = (
    ("data_quality_score", "quality {:.2f}"),
    ("missing_data_ratio", "{:.1%} missing"),
    ("outlier_ratio", "{:.1%} outliers"),
)
_USUAL = 'max by (symbol) (avg_over_time(trading_bot_market_volatility_ratio{bot="$bot"}[1d]))'


@action("check_market_conditions", effect=Effect.OBSERVE)
@findings
def check_market_conditions(bot: BotControl, incident: Incident) -> Iterable[str]:
    """Report how each symbol moves, the most volatile first, and how old and how good the bot's data are."""
    usual = _by_symbol(bot, _USUAL)
    columns = [(_by_symbol(bot, _selector(metric)), text, write) for metric, text, write in _FIGURES]
    named = {label: _named(bot, label) for label in ("trend", "regime")}
    known = {symbol for values, _, _ in columns for symbol in values}
    volatility = columns[0][0]
    for symbol in sorted(known, key=lambda name: (-volatility.get(name, 0), name))[:_SYMBOLS]:
        parts = [text.format(write(values[symbol])) for values, text, write in columns if symbol in values]
        if symbol in usual:
            parts.insert(1, f"({percent(usual[symbol])} over the day)")
        parts += [f"{label} {names[symbol]}" for label, names in named.items() if symbol in names]
        yield f"{symbol}: {', '.join(parts)}".replace(", (", " (")
    if len(known) > _SYMBOLS:
        yield f"{len(known) - _SYMBOLS} calmer symbols are not shown"
    yield from _inputs(bot)


def _inputs(bot: BotControl) -> Iterator[str]:
    """Yield the quality and age of the data on which the bot decides."""
    for sample in bot.ask('topk(1, max by (feed) (trading_bot_data_freshness_seconds{bot="$bot"}))'):
        yield f"oldest feed: {sample.labels.get('feed', '')}, {span(sample.value)} old"
    told: dict[str, list[str]] = {}
    for metric, text in _DATA:
        for sample in bot.ask(f'max by (model) (trading_bot_{metric}{{bot="$bot"}})'):
            told.setdefault(sample.labels.get("model", ""), []).append(text.format(sample.value))
    yield from (f"data of {model}: {', '.join(parts)}" for model, parts in sorted(told.items()))


def _selector(metric: str) -> str:
    name, _, labels = metric.partition("{")
    inside = 'bot="$bot"' + (f",{labels.rstrip('}')}" if labels else "")
    return f"max by (symbol) ({name}{{{inside}}})"


def _by_symbol(bot: BotControl, expression: str) -> Mapping[str, float]:
    return {sample.labels.get("symbol", ""): sample.value for sample in bot.ask(expression)}


def _named(bot: BotControl, label: str) -> Mapping[str, str]:
    """Return the trend, or regime, that the bot sees, by symbol."""
    found = bot.ask(f'max by (symbol, {label}) (trading_bot_market_{label}{{bot="$bot"}}) == 1')
    return {sample.labels.get("symbol", ""): sample.labels.get(label, "") for sample in found}
