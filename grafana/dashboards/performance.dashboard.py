"""Performance: what the bots made, when, in what, and how that compares with what was hoped for."""

from grafanalib.core import Panel

from grafana.frame import frame, span
from grafana.lacking import Dashboard, Kind, Stat, Step
from grafana.look import Look
from grafana.parts import COUNT, NUMBER, RATIO, Pace, Query, named_values, override
from grafana.promql import each, traded
from grafana.tables import Column, table

UID = "trading-bot-performance"
WINDOWS = {"day": "today", "week": "this week", "month": "this month"}


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [*_made(look), *_ratios(look), *_over_time(look), _by_symbol(look), _won_and_lost(look)]
    performance = look.settings.performance
    panels += _score(look) if performance.tracking.enabled else []
    panels += [_benchmarks(look)] if performance.benchmark_comparison else []
    purpose = "What the bots made, when, in what, and how that compares with what was hoped for."
    pace = look.settings.dashboards.widgets.performance.refresh
    return frame(look, UID, "Performance", purpose, pace, panels)


def _made(look: Look) -> list[Stat]:
    colours = look.settings.dashboards.colours
    steps = [Step(colours.lost), Step(colours.won, 0)]
    every = "Of all chosen bots."
    return [
        look.money("P&L", every, "trading_bot_profit_loss{%s}", empty="no P&L known", steps=steps),
        *(
            look.money(
                f"P&L {name}",
                every,
                f'trading_bot_pnl{{window="{window}",%s}}',
                empty="no trade closed",
                steps=steps,
            )
            for window, name in WINDOWS.items()
        ),
    ]


def _ratios(look: Look) -> list[Stat]:
    benchmarks = look.settings.performance.benchmarks
    first = look.stat(
        "Win rate",
        "Of several bots the lowest; green from the benchmark.",
        [Query(f"bottomk(1, {each('win_rate')})")],
        **look.ratio,
        empty="no trade closed",
        steps=look.at_least(benchmarks.min_win_rate),
        text="value_and_name",
    )
    figures = {
        "Sharpe ratio": ("sharpe_ratio", "too few days", look.at_least(benchmarks.min_sharpe_ratio)),
        "Sortino ratio": ("sortino_ratio", "no losing day", ()),
        "Calmar ratio": ("calmar_ratio", "no losing day", ()),
        "Profit factor": ("profit_factor", "no loss yet", look.at_least(1)),
        "Recovery factor": ("recovery_factor", "no fall yet", ()),
    }
    others = [
        look.stat(
            title,
            "Of several bots the lowest.",
            [Query(f"bottomk(1, {each(metric)})")],
            unit=NUMBER,
            decimals=2,
            empty=empty,
            steps=steps,
            text="value_and_name",
        )
        for title, (metric, empty, steps) in figures.items()
    ]
    expectancy = look.stat(
        "Expectancy",
        "",
        [Query(each("expectancy"))],
        **look.money_of_bots(),
        empty="no trade closed",
        steps=[Step(look.settings.dashboards.colours.lost), Step(look.settings.dashboards.colours.won, 0)],
        text="value" if look.alone else "value_and_name",
        size="medium",
    )
    return [first, *others, expectancy]


def _over_time(look: Look) -> list[Panel]:
    shown = look.settings.dashboards
    return [
        look.lines(
            "P&L over time",
            "",
            [Query(each("profit_loss"))],
            empty="no P&L known",
            filled=True,
            **look.money_of_bots(),
        ),
        look.lines(
            "Trades per day",
            "Closed trades of each day of UTC, today so far.",
            [Query(f"round(sum by (bot) ({traded(24)}))")],
            unit=COUNT,
            decimals=0,
            empty="no trade closed",
            columns=True,
            pace=Pace("1d", span(max(shown.ranges))),
        ),
        look.lines(
            "Win rate over time",
            "The line is the alert's limit.",
            [Query(each("win_rate"))],
            empty="no trade closed",
            limits=[Step(look.warn, look.settings.thresholds.warning.win_rate)],
            **look.ratio,
        ),
    ]


def _by_symbol(look: Look) -> Kind:
    colours = look.settings.dashboards.colours
    queries = [
        Query(
            f"sort_desc(sum by (symbol) (max by (bot, symbol) (trading_bot_symbol_pnl{{{matchers}}})))",
            "{{symbol}}",
        )
        for matchers in look.currencies().values()
    ]
    units = zip("ABCDEFGH", look.currencies(), strict=False)
    return look.bars(
        "P&L by symbol",
        "Of all chosen bots.",
        queries,
        unit=look.money_unit(),
        decimals=look.settings.dashboards.decimals.money,
        empty="no trade closed",
        steps=[Step(colours.lost), Step(colours.won, 0)],
        overrides=[override(ref, "byFrameRefID", unit=f"suffix:{currency}") for ref, currency in units],
    )


def _won_and_lost(look: Look) -> Kind:
    colours = look.settings.dashboards.colours
    trades = f"sum by (outcome) ({each('trades_total', 'symbol', 'side', 'outcome')})"
    return look.pie(
        "Won and lost",
        "Of all chosen bots.",
        [Query(trades, "{{outcome}}")],
        unit=COUNT,
        empty="no trade closed",
        colours={"won": colours.won, "lost": colours.lost, "even": look.calm},
    )


def _score(look: Look) -> list[Panel]:
    part = each("bot_part:trading_bot_performance:score", "part")
    return [
        look.bars(
            "Parts of the score",
            "Each part of the score as 0 to 100%; what is unknown is left out, and so is its weight.",
            [Query(part, look.who("{{part}}"))],
            **look.ratio,
            empty="not known",
            steps=look.at_least(2 / 3, 1 / 3),
            top=1,
        ),
        look.lines(
            "Performance score",
            "Weighted mean of its parts.",
            [Query(each("bot:trading_bot_performance:score"))],
            **look.ratio,
            empty="not known",
        ),
    ]


def _benchmarks(look: Look) -> Panel:
    met = named_values({"0": ("missed", look.warn), "1": ("met", look.good)})
    key = ("bot", "benchmark")
    columns = [
        Column("Verdict", each("bot_benchmark:trading_bot_performance:met", "benchmark"), mapping=met),
        Column(
            "Of the benchmark",
            each("bot_benchmark:trading_bot_performance:ratio", "benchmark"),
            RATIO,
            0,
        ),
    ]
    return table(
        look,
        "Benchmarks",
        "How each figure compares with `performance.benchmarks`: a `min_` is met from 100% on, a `max_` up "
        "to 100%. What is not known is not compared.",
        dict(zip(key, ("Bot", "Benchmark"), strict=True)),
        columns,
        empty="nothing to compare",
        first="Verdict",
        falling=False,
    )
