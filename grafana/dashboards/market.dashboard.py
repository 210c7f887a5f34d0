"""Market: what the bots see of the symbols that they trade."""

from collections.abc import Sequence
from typing import Any

from grafanalib.core import Panel

from grafana.frame import frame
from grafana.grid import Row
from grafana.lacking import Dashboard, Json, StateTimeline, Step
from grafana.look import Look
from grafana.parts import COUNT, NUMBER, RATIO, Query, named_values
from grafana.promql import SYMBOL, coded, each

UID = "trading-bot-market"
NONE = "no market told"
_GREY = "#7f8c8d"  # of what moves nowhere: seen on dark and on light
_NAME = "{{bot}}"  # the row names the symbol
TRENDS = ("up", "sideways", "down")
REGIMES = ("calm", "trending", "volatile")


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    symbol = [*_moods(look), *_movement(look), *_indicators(look), *_liquidity(look)]
    panels = [*_now(look), Row("$symbol", symbol, each="symbol")]
    purpose = "What the bots see of the symbols that they trade."
    pace = look.settings.dashboards.widgets.market.refresh
    return frame(look, UID, "Market", purpose, pace, panels)


def _of(metric: str, *matchers: str) -> str:
    return each(f"market_{metric}", "symbol", where=(SYMBOL, *matchers))


def _now(look: Look) -> list[Panel]:
    calm = look.at_most(look.settings.thresholds.warning.volatility)
    change = _of("price_change_ratio", 'window="24h"')
    return [
        look.bars(
            "Volatility",
            "The eight most volatile; orange from the alert's limit.",
            [Query(f"topk(8, {_of('volatility_ratio')})", look.who("{{symbol}}"))],
            **look.ratio,
            empty=NONE,
            steps=calm,
            top=2 * look.settings.thresholds.warning.volatility,
        ),
        look.bars(
            "Change over 24 hours",
            "Of the price: the four that rose most and the four that fell most.",
            [Query(f"sort_desc(topk(4, {change}) or bottomk(4, {change}))", look.who("{{symbol}}"))],
            **look.ratio,
            empty=NONE,
            steps=[Step(look.colours.lines.accuracy), Step(look.calm, 0)],
            floor=None,
        ),
        *_volumes(look),
        look.bars(
            "Liquidity",
            "The eight least liquid.",
            [Query(f"bottomk(8, {_of('liquidity_score')})", look.who("{{symbol}}"))],
            **look.ratio,
            empty=NONE,
            top=1,
        ),
    ]


def _volumes(look: Look) -> list[Panel]:
    currencies = look.currencies()
    return [
        look.bars(
            "Volume of 24 hours" if len(currencies) < 2 else f"Volume of 24 hours, {currency}",
            "The eight largest.",
            [
                Query(
                    f"topk(8, max by (bot, symbol) (trading_bot_market_volume_24h{{{matchers},{SYMBOL}}}))",
                    look.who("{{symbol}}"),
                )
            ],
            unit=COUNT,
            decimals=0,
            empty=NONE,
        )
        for currency, matchers in currencies.items()
    ]


def _moods(look: Look) -> list[StateTimeline]:
    def names(values: Sequence[str], colours: Sequence[str]) -> Json:
        named = {str(code): pair for code, pair in enumerate(zip(values, colours, strict=True))}
        return named_values(named | {"-1": ("other", look.calm)})

    kinds = {
        "Trend": (
            "trend",
            TRENDS,
            ("rising", "sideways", "falling"),
            (look.calm, _GREY, look.colours.lines.accuracy),
        ),
        "Regime": ("regime", REGIMES, REGIMES, (_GREY, look.calm, look.warn)),
    }
    return [
        look.states(
            title,
            "",
            [Query(coded(f"market_{label}", label, values, "symbol", where=(SYMBOL,)), _NAME)],
            names(words, colours),
            empty=NONE,
        )
        for title, (label, values, words, colours) in kinds.items()
    ]


def _lines(
    look: Look,
    title: str,
    metric: str,
    *matchers: str,
    words: str = "",
    limits: Sequence[Step] = (),
    **unit: Any,  # noqa: ANN401 - handed on
) -> Panel:
    return look.lines(
        title,
        words,
        [Query(_of(metric, *matchers), _NAME)],
        empty=NONE,
        many=True,
        limits=limits,
        **unit,
    )


def _movement(look: Look) -> list[Panel]:
    limit = Step(look.warn, look.settings.thresholds.warning.volatility)
    words = "The line is the alert's limit."
    return [
        _lines(look, "Volatility over time", "volatility_ratio", words=words, limits=[limit], unit=RATIO),
        _lines(look, "Change over 1 hour", "price_change_ratio", 'window="1h"', unit=RATIO),
    ]


def _indicators(look: Look) -> list[Panel]:
    words = "0% is the lower band, 100% the upper."
    return [
        _lines(look, "RSI", "rsi", unit=NUMBER),
        _lines(look, "MACD", "macd", words="In the price of the symbol.", unit=NUMBER),
        _lines(look, "Bollinger position", "bollinger_position", words=words, unit=RATIO),
        _lines(look, "Support and resistance", "support_resistance_strength", unit=RATIO),
    ]


def _liquidity(look: Look) -> list[Panel]:
    return [
        _lines(look, "Volume over time", "volume_24h", words="In the currency of its bot.", unit="short"),
        _lines(look, "Change of the volume", "volume_change_24h_ratio", unit=RATIO),
    ]
