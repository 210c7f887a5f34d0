"""Market: what the bots see of the symbols that they trade."""

from collections.abc import Sequence
from typing import Any

from grafanalib.core import Panel

from grafana.frame import frame
from grafana.lacking import Dashboard, Json, StateTimeline, Step
from grafana.look import Look
from grafana.parts import NUMBER, Query, named_values
from grafana.promql import SYMBOL, coded, each, of

UID = "trading-bot-market"
NONE = "no market told"
TRENDS = ("up", "sideways", "down")
REGIMES = ("calm", "trending", "volatile")


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [*_now(look), *_moods(look), *_movement(look), *_indicators(look), *_liquidity(look)]
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
            "Most volatile first; orange from the alert's limit.",
            [Query(f"sort_desc({_of('volatility_ratio')})", look.who("{{symbol}}"))],
            **look.ratio,
            empty=NONE,
            steps=calm,
            top=2 * look.settings.thresholds.warning.volatility,
        ),
        look.bars(
            "Change over 24 hours",
            "Of the price.",
            [Query(f"sort_desc({change})", look.who("{{symbol}}"))],
            **look.ratio,
            empty=NONE,
            steps=[
                Step(look.settings.dashboards.colours.lost),
                Step(look.settings.dashboards.colours.won, 0),
            ],
        ),
        look.bars(
            "Volume of 24 hours",
            "",
            [Query(f"sort_desc({_of('volume_24h')})", look.who("{{symbol}}"))],
            **look.money_of_bots(),
            empty=NONE,
        ),
        look.bars(
            "Liquidity",
            "",
            [Query(f"sort_desc({_of('liquidity_score')})", look.who("{{symbol}}"))],
            **look.ratio,
            empty=NONE,
            top=1,
        ),
    ]


def _moods(look: Look) -> list[StateTimeline]:
    def names(values: Sequence[str], colours: Sequence[str]) -> Json:
        named = {str(code): pair for code, pair in enumerate(zip(values, colours, strict=True))}
        return named_values(named | {"-1": ("other", look.calm)})

    kinds = {
        "Trend": ("trend", TRENDS, (look.good, look.calm, look.bad)),
        "Regime": ("regime", REGIMES, (look.good, look.calm, look.warn)),
    }
    return [
        look.states(
            title,
            "",
            [
                Query(
                    coded(f"market_{label}", label, values, "symbol", where=(SYMBOL,)), look.who("{{symbol}}")
                )
            ],
            names(values, colours),
            empty=NONE,
            size="xlarge",
        )
        for title, (label, values, colours) in kinds.items()
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
        [Query(_of(metric, *matchers), look.who("{{symbol}}"))],
        empty=NONE,
        many=True,
        limits=limits,
        **unit,
    )


def _movement(look: Look) -> list[Panel]:
    limit = Step(look.warn, look.settings.thresholds.warning.volatility)
    words = "The line is the alert's limit."
    return [
        _lines(look, "Volatility over time", "volatility_ratio", words=words, limits=[limit], **look.ratio),
        _lines(look, "Change over 1 hour", "price_change_ratio", 'window="1h"', **look.ratio),
    ]


def _indicators(look: Look) -> list[Panel]:
    usual = f"max by (bot, symbol) (stddev_over_time({of('market_macd', SYMBOL)}[$__range]))"
    return [
        _lines(look, "RSI", "rsi", unit=NUMBER, decimals=1),
        look.lines(
            "MACD",
            "In its own standard deviations over the time shown: in prices, one symbol hides the others.",
            [Query(f"{_of('macd')} / {usual}", look.who("{{symbol}}"))],
            unit=NUMBER,
            decimals=1,
            empty=NONE,
            many=True,
        ),
        _lines(
            look,
            "Bollinger position",
            "bollinger_position",
            words="0% is the lower band, 100% the upper.",
            **look.ratio,
        ),
        _lines(look, "Support and resistance", "support_resistance_strength", **look.ratio),
    ]


def _liquidity(look: Look) -> list[Panel]:
    return [
        _lines(look, "Volume over time", "volume_24h", **look.money_of_bots()),
        _lines(look, "Change of the volume", "volume_change_24h_ratio", **look.ratio),
    ]
