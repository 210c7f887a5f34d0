"""A report's charts as PNG, because few mail clients show SVG."""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from stack.settings import Settings
from webhook_actions.report.model import Group, Points, Report

_WIDTH, _HEIGHT, _DPI = 6.0, 2.1, 200  # pixels for a mail that is 600 wide, sharp on a phone
_ROW, _MOST = 0.3, 10  # inches of a symbol's bar, and the number of symbols
_MISSING = 1.5  # a gap of so many steps breaks the line
_INK, _QUIET, _GRID = "#1f2430", "#697080", "#e4e7ec"


def charts(settings: Settings, report: Report) -> Mapping[str, bytes]:
    """Return the charts that have data, as PNG by name."""
    colours, zone = settings.dashboards.colours, ZoneInfo(report.zone)
    won, lost, line = colours.won, colours.lost, colours.lines
    drawn: dict[str, bytes] = {}
    if len(report.equity) > 1:
        drawn["equity"] = _png(lambda axes: _line(axes, report.equity, zone, line.default, money=True))
    if len(report.drawdown) > 1:
        limit = settings.thresholds.critical.max_drawdown
        drawn["drawdown"] = _png(lambda axes: _drawdown(axes, report.drawdown, zone, line.drawdown, limit))
    if any(bar.trades for bar in report.bars):
        drawn["trades"] = _png(lambda axes: _bars(axes, report.bars, won, lost))
    if report.symbols:
        shown = _ends(report.symbols)
        height = max(_ROW * len(shown) + 0.5, 1.0)
        drawn["symbols"] = _png(lambda axes: _symbols(axes, shown, won, lost), height)
    return drawn


def _ends(symbols: Sequence[Group]) -> Sequence[Group]:
    """Return the best and the worst of more symbols than a chart can show."""
    half = _MOST // 2
    return symbols if len(symbols) <= _MOST else (*symbols[:half], *symbols[-half:])


def _png(draw: Callable[[Axes], None], height: float = _HEIGHT) -> bytes:
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    axes.tick_params(colors=_QUIET, labelsize=10, length=0)
    axes.set_axisbelow(True)
    draw(axes)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def unbroken(points: Points) -> tuple[Points, ...]:
    """Return the pieces of a line with equal steps: a missing point ends a piece."""
    if not points:
        return ()
    step = min((after[0] - before[0] for before, after in pairwise(points)), default=0.0)
    starts = [
        place for place in range(1, len(points)) if points[place][0] - points[place - 1][0] > _MISSING * step
    ]
    return tuple(points[start:end] for start, end in pairwise([0, *starts, len(points)]))


def _plot(axes: Axes, points: Points, zone: ZoneInfo, colour: str, base: float) -> None:
    """Draw a line, and fill the area down to a base; an outage is a gap in both."""
    locator = AutoDateLocator(tz=zone, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone, show_offset=False))
    axes.grid(axis="y", color=_GRID)
    axes.margins(x=0)
    axes.xaxis_date(zone)
    for piece in unbroken(points):
        times: list[float] = [date2num(datetime.fromtimestamp(at, zone)) for at, _ in piece]
        values = [value for _, value in piece]
        axes.plot(times, values, color=colour, linewidth=1.6)
        axes.fill_between(times, values, base, color=colour, alpha=0.12, linewidth=0)


def _line(axes: Axes, points: Points, zone: ZoneInfo, colour: str, *, money: bool) -> None:
    low, high = min(value for _, value in points), max(value for _, value in points)
    room = (high - low) * 0.08 or abs(high) * 0.01 or 1.0
    _plot(axes, points, zone, colour, low - room)
    axes.set_ylim(low - room, high + room)
    if money:
        digits = 2 if high - low < 10 else 0
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.{digits}f}"))


def _drawdown(axes: Axes, points: Points, zone: ZoneInfo, colour: str, limit: float) -> None:
    _plot(axes, points, zone, colour, 0.0)
    deepest = max(value for _, value in points)
    if deepest > limit / 2:  # otherwise the limit would flatten the chart
        axes.axhline(limit, color=colour, linestyle=(0, (4, 3)), linewidth=1)
    axes.set_ylim(max(deepest, limit if deepest > limit / 2 else 0.0) * 1.1 or 0.01, 0)
    axes.yaxis.set_major_formatter(
        PercentFormatter(1.0, decimals=2 if deepest < 0.02 else 1 if deepest < 0.1 else 0)
    )


def _bars(axes: Axes, bars: Sequence[Group], won: str, lost: str) -> None:
    places = range(len(bars))
    wins, losses = [bar.won for bar in bars], [bar.trades - bar.won for bar in bars]
    axes.bar(places, wins, color=won, width=0.8, label="won")
    axes.bar(places, losses, bottom=wins, color=lost, width=0.8, label="not won")
    every = max(1, -(-len(bars) // 8))
    axes.set_xticks(list(places)[::every], [bar.name for bar in bars][::every])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    axes.grid(axis="y", color=_GRID)
    axes.legend(loc="upper left", ncols=2, frameon=False, fontsize=10, labelcolor=_QUIET)
    axes.margins(x=0.01, y=0.25)


def _symbols(axes: Axes, symbols: Sequence[Group], won: str, lost: str) -> None:
    profits = [group.profit for group in symbols]
    places = range(len(symbols))
    axes.barh(places, profits, color=[won if profit >= 0 else lost for profit in profits], height=0.62)
    axes.set_yticks(list(places), [group.name for group in symbols], color=_INK)
    axes.invert_yaxis()
    axes.axvline(0, color=_QUIET, linewidth=0.8)
    for place, profit in zip(places, profits, strict=True):
        axes.annotate(
            f"{profit:+,.2f}",
            (profit, place),
            xytext=(4 if profit >= 0 else -4, 0),
            textcoords="offset points",
            ha="left" if profit >= 0 else "right",
            va="center",
            fontsize=10,
            color=_INK,
        )
    axes.margins(x=0.18)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
