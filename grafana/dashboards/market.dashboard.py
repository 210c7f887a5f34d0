"""Market: the bots' view of the symbols that they trade."""

from collections.abc import Sequence
from typing import Any

from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Json, Panel, StateTimeline, Step
from grafana.grid import Row
from grafana.panel_fields import COUNT, NUMBER, RATIO, Query, named_values
from grafana.panels import PanelFactory
from grafana.promql import BOT, SYMBOL, coded, each, last_known
from grafana.sums import AGES, age, by_age
from grafana.tables import Column, table

UID = "trading-bot-market"
NONE = "no market figure known"
_GREY = "#7f8c8d"  # the colour of an unchanged price: visible on dark and light
_NAME = "{{bot}}"  # the row names the symbol
TRENDS = ("up", "sideways", "down")
REGIMES = ("calm", "trending", "volatile")


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    symbol = [*_moods(factory), *_movement(factory), *_indicators(factory), *_liquidity(factory)]
    panels = [*_now(factory), Row("$symbol", symbol, each="symbol")]
    purpose = "The bots' view of the symbols that they trade."
    pace = factory.settings.dashboards.widgets.market.refresh
    return frame(factory, UID, "Market", purpose, pace, panels)


def _of(metric: str, *matchers: str) -> str:
    return each(f"market_{metric}", "symbol", where=(SYMBOL, *matchers))


def _last(metric: str, *, bots: str = BOT) -> str:
    return last_known(f"market_{metric}", "symbol", where=(SYMBOL,), bots=bots)


def _now(factory: PanelFactory) -> list[Panel]:
    calm = factory.at_most(factory.settings.thresholds.warning.volatility)
    moved = last_known("market_price_change_ratio", "symbol", "window", where=(SYMBOL, 'window="24h"'))
    change = f"max by (bot, symbol) {moved}"
    most = f"(topk(4, {change}) or bottomk(4, {change}))"
    return [
        factory.bars(
            "Volatility",
            "The eight most volatile; orange from the alert's limit.",
            by_age(Query(f"topk(8, {_last('volatility_ratio')})", factory.who("{{symbol}}"))),
            **factory.ratio,
            empty=NONE,
            steps=calm,
            top=2 * factory.settings.thresholds.warning.volatility,
            size="xlarge",
        ),
        table(
            factory,
            "Change over 24 hours",
            "The four largest rises and the four largest falls of a price.",
            ({} if factory.alone else {"bot": "Bot"}) | {"symbol": "Symbol"},
            [
                Column(
                    "Change",
                    most,
                    RATIO,
                    factory.settings.dashboards.decimals.ratio,
                    [Step(factory.text(factory.colours.lines.accuracy)), Step(factory.calm, 0)],
                ),
                Column("As of", age(most), mapping=AGES),
            ],
            empty=NONE,
            first="Change",
            size="xlarge",
        ),
        *_volumes(factory),
        factory.bars(
            "Liquidity",
            "The eight least liquid.",
            by_age(Query(f"bottomk(8, {_last('liquidity_score')})", factory.who("{{symbol}}"))),
            **factory.ratio,
            empty=NONE,
            top=1,
            size="xlarge",
        ),
    ]


def _volumes(factory: PanelFactory) -> list[Panel]:
    currencies = factory.currencies()
    return [
        factory.bars(
            "Volume of 24 hours" if len(currencies) < 2 else f"Volume of 24 hours, {currency}",
            "The eight largest.",
            by_age(Query(f"topk(8, {_last('volume_24h', bots=matchers)})", factory.who("{{symbol}}"))),
            unit=COUNT,
            decimals=0,
            empty=NONE if len(currencies) < 2 else f"no {currency} bot chosen, or {NONE}",
            size="xlarge",
        )
        for currency, matchers in currencies.items()
    ]


def _moods(factory: PanelFactory) -> list[StateTimeline]:
    def names(values: Sequence[str], colours: Sequence[str]) -> Json:
        named = {str(code): pair for code, pair in enumerate(zip(values, colours, strict=True))}
        return named_values(named | {"-1": ("other", factory.calm)})

    kinds = {
        "Trend": (
            "trend",
            TRENDS,
            ("rising", "sideways", "falling"),
            (factory.calm, _GREY, factory.colours.lines.accuracy),
        ),
        "Regime": ("regime", REGIMES, REGIMES, (_GREY, factory.calm, factory.warn)),
    }
    return [
        factory.states(
            title,
            "",
            [Query(coded(f"market_{label}", label, values, "symbol", where=(SYMBOL,)), _NAME)],
            names(words, colours),
            empty=NONE,
        )
        for title, (label, values, words, colours) in kinds.items()
    ]


def _lines(
    factory: PanelFactory,
    title: str,
    metric: str,
    *matchers: str,
    words: str = "",
    limits: Sequence[Step] = (),
    **unit: Any,  # noqa: ANN401 - handed on
) -> Panel:
    return factory.lines(
        title,
        words,
        [Query(_of(metric, *matchers), _NAME)],
        empty=NONE,
        many=True,
        limits=limits,
        **unit,
    )


def _movement(factory: PanelFactory) -> list[Panel]:
    limit = Step(factory.warn, factory.settings.thresholds.warning.volatility)
    words = "The line is the alert's limit."
    return [
        _lines(factory, "Volatility over time", "volatility_ratio", words=words, limits=[limit], unit=RATIO),
        _lines(factory, "Change over 1 hour", "price_change_ratio", 'window="1h"', unit=RATIO),
    ]


def _indicators(factory: PanelFactory) -> list[Panel]:
    words = "0% is the lower band, 100% the upper."
    return [
        _lines(factory, "RSI", "rsi", unit=NUMBER),
        _lines(factory, "MACD", "macd", words="In units of the symbol's price.", unit=NUMBER),
        _lines(factory, "Bollinger position", "bollinger_position", words=words, unit=RATIO),
        _lines(factory, "Support and resistance", "support_resistance_strength", unit=RATIO),
    ]


def _liquidity(factory: PanelFactory) -> list[Panel]:
    return [
        _lines(factory, "Volume over time", "volume_24h", words="In the currency of its bot.", unit=COUNT),
        _lines(factory, "Change of the volume", "volume_change_24h_ratio", unit=RATIO),
    ]
