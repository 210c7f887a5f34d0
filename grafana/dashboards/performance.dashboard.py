"""Performance: the bots' profit by time and symbol, compared with the benchmarks."""

from grafana.frame import frame, span
from grafana.grafanalib_extensions import Dashboard, Kind, Panel, Stat, Step, Table
from grafana.grid import Row
from grafana.panel_fields import COUNT, NUMBER, RATIO, Pace, Query, named_values
from grafana.panels import PanelFactory
from grafana.pnl import pnl
from grafana.promql import each, known_money, last_known, traded
from grafana.sums import ANSWERS, by_age, summed
from grafana.tables import Column, amount, table

UID = "trading-bot-performance"
WINDOWS = {"day": "today", "week": "this week", "month": "this month"}


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    performance = factory.settings.performance
    scores = _score(factory) if performance.tracking.enabled else []
    benchmarks = [_benchmarks(factory)] if performance.benchmark_comparison else []
    closed, whole_days = _ratios(factory)
    panels = [
        *_made(factory),
        Row("Over time", _over_time(factory)),
        Row("Ratios of closed trades", [*closed, _expectancy(factory)]),
        Row("Ratios of whole days, without today", whole_days),
        Row("Profit by symbol and outcome", [_by_symbol(factory), _won_and_lost(factory)]),
        Row("Score and benchmarks", [*scores, *benchmarks]),
    ]
    purpose = "The bots' profit by time and symbol, compared with the benchmarks."
    pace = factory.settings.dashboards.widgets.performance.refresh
    return frame(factory, UID, "Performance", purpose, pace, panels)


def _made(factory: PanelFactory) -> list[Stat]:
    return [
        pnl(factory),
        *(
            factory.money(
                f"Closed {name}",
                "Closed trades of all chosen bots.",
                known_money("pnl", window),
                empty="no trade closed",
                steps=factory.earned,
            )
            for window, name in WINDOWS.items()
        ),
    ]


def _ratios(factory: PanelFactory) -> tuple[list[Stat], list[Stat]]:
    """Return the ratios of closed trades, and those of whole days."""
    benchmarks = factory.settings.performance.benchmarks
    first = factory.stat(
        "Win rate",
        "The lowest of several bots; green from the benchmark.",
        by_age(factory.worst(last_known("win_rate"), "lowest")),
        **factory.ratio,
        empty="no trade closed",
        steps=factory.at_least(benchmarks.min_win_rate),
        text="value_and_name",
    )
    figures = {
        "Sharpe ratio": ("sharpe_ratio", "too few days", factory.at_least(benchmarks.min_sharpe_ratio)),
        "Sortino ratio": ("sortino_ratio", "no whole day lost", ()),
        "Calmar ratio": ("calmar_ratio", "no whole day lost", ()),
        "Profit factor": ("profit_factor", "no loss yet", factory.at_least(1)),
        "Recovery factor": ("recovery_factor", "no fall yet", ()),
    }
    others = [
        factory.stat(
            title,
            "The lowest of several bots.",
            by_age(factory.worst(last_known(metric), "lowest")),
            unit=NUMBER,
            decimals=2,
            empty=empty,
            steps=steps,
            text="value_and_name",
        )
        for title, (metric, empty, steps) in figures.items()
    ]
    return [first, *others[3:]], others[:3]


def _expectancy(factory: PanelFactory) -> Stat:
    return factory.stat(
        "Expectancy",
        "Mean profit of a closed trade. The lowest of several bots.",
        [
            query
            for matchers in factory.currencies().values()
            for query in by_age(factory.worst(last_known("expectancy", bots=matchers), "lowest"))
        ],
        **factory.money_of_bots(),
        empty="no trade closed",
        steps=factory.earned,
        text="value_and_name",
    )


def _over_time(factory: PanelFactory) -> list[Panel]:
    shown = factory.settings.dashboards
    return [
        *factory.money_lines(
            "P&L over time",
            "A down bot's is the last known.",
            [Query(f"max by (bot) {known_money('profit_loss')}")],
            empty="no P&L known",
            filled=True,
        ),
        factory.lines(
            "Trades per day",
            "Closed trades of each day of UTC, today so far.",
            [Query(f"sum by (bot) ({traded(24)})")],
            unit=COUNT,
            empty="no trade closed",
            columns=True,
            pace=Pace("1d", span(max(shown.ranges))),
        ),
        factory.lines(
            "Win rate over time",
            "The line is the alert's limit.",
            [Query(each("win_rate"))],
            empty="no trade closed",
            limits=[Step(factory.warn, factory.settings.thresholds.warning.win_rate)],
            worst="lowest",
            unit=RATIO,
        ),
    ]


def _by_symbol(factory: PanelFactory) -> Table:
    of_bots = last_known("symbol_pnl", "symbol", bots="%s")
    made = f"sum by (symbol) ({of_bots})"
    most = f"(topk(4, {made}) or bottomk(4, {made}))"
    old = factory.in_currencies(f"count by (symbol) ({of_bots} unless {ANSWERS}) and on (symbol) {most}")
    return table(
        factory,
        "Closed P&L by symbol",
        "The four best and the four worst symbols of all chosen bots; the worst first.",
        {"symbol": "Symbol"} | factory.by_currency,
        [amount(factory, "Closed P&L", most, factory.earned), Column("Bots last known", old, COUNT)],
        empty="no trade closed",
        first="Closed P&L",
        falling=False,
        size="large",
    )


def _won_and_lost(factory: PanelFactory) -> Kind:
    colours = factory.colours
    outcomes = {"won": colours.won, "lost": colours.lost, "even": factory.calm}
    trades = {
        outcome: last_known("trades_total", "symbol", "side", "outcome", where=(f'outcome="{outcome}"',))
        for outcome in outcomes
    }
    return factory.pie(
        "Won and lost",
        "Of all chosen bots.",
        [query for name, of in trades.items() for query in summed(f"sum by (bot) ({of})", name)],
        unit=COUNT,
        empty="no trade closed",
        colours=outcomes,
    )


def _score(factory: PanelFactory) -> list[Panel]:
    part = each("bot_part:trading_bot_performance:score", "part")
    return [
        factory.bars(
            "Parts of the score",
            "The eight lowest, each 0 to 100%. Unknown parts are left out, with their weights.",
            [Query(f"bottomk(8, {part})", factory.who("{{part}}"))],
            **factory.ratio,
            empty="not known",
            steps=factory.at_least(2 / 3, 1 / 3),
            top=1,
            size="xlarge",
        ),
        factory.lines(
            "Performance score",
            "Weighted mean of its parts.",
            [Query(each("bot:trading_bot_performance:score"))],
            unit=RATIO,
            worst="lowest",
            empty="not known",
        ),
    ]


def _benchmarks(factory: PanelFactory) -> Panel:
    met = named_values({"0": ("missed", factory.warn), "1": ("met", factory.good)})
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
        factory,
        "Benchmarks",
        "How each figure compares with `performance.benchmarks`: a `min_` is met from 100% on, a `max_` up "
        "to 100%. Unknown figures are left out.",
        dict(zip(key, ("Bot", "Benchmark"), strict=True)),
        columns,
        empty="nothing to compare",
        first="Verdict",
        falling=False,
    )
