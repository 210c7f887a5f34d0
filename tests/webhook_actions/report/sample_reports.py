"""Reports made by hand: a full one of a bot with a past, and one of an unknown bot."""

import math
from datetime import datetime
from zoneinfo import ZoneInfo

from clients.trading import Trade
from webhook_actions.report import Period, Report
from webhook_actions.report import trades as told
from webhook_actions.report.model import (
    Benchmark,
    Compared,
    Done,
    Edge,
    Figure,
    Happened,
    Hold,
    Objective,
    Open,
    Part,
    Proposal,
    Responses,
    WakeUps,
)

ZONE = ZoneInfo("Europe/Berlin")
END = datetime(2026, 11, 25, 20, 0, tzinfo=ZONE)
PERIOD = Period.parse("week", END)
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "ADA/USDT", "XRP/USDT")


def trades(period: Period = PERIOD, every: float = 5400.0) -> list[Trade]:
    """Return trades, one every `every` seconds, from the earlier period on."""
    start, end = period.before.start.timestamp(), period.end.timestamp()
    count = int((end - start) / every)
    return [
        Trade(
            key=(number, start),
            symbol=SYMBOLS[number % len(SYMBOLS)],
            side="long",
            opened_at=start + number * every,
            closed_at=start + (number + 0.5) * every,
            profit=round(8 * math.sin(number * 1.7) + (number % 5) - 1.2, 2),
            stake=None,
        )
        for number in range(count)
    ]


def full() -> Report:
    """Return a report with everything in it."""
    these, those = told.within(trades(), PERIOD), told.within(trades(), PERIOD.before)
    start, end = PERIOD.start.timestamp(), PERIOD.end.timestamp()
    steps = [start + (end - start) * place / 250 for place in range(251)]
    walk = [9_800 + 3 * place + 60 * math.sin(place / 9) for place in range(251)]
    money = [
        Figure(name="P&L", unit="money", value=742.16, before=-103.4, best="high"),
        Figure(name="P&L since the start", unit="money", value=1204.7, before=462.54, best="high"),
        Figure(name="Equity", unit="money", value=11_204.7, before=10_462.54, best="high"),
        Figure(name="Sharpe ratio", unit="number", value=1.84, before=1.2, best="high"),
        Figure(name="Deepest drawdown", unit="ratio", value=0.043, before=0.071, best="low"),
        Figure(name="Available", unit="ratio", value=0.9987, before=1.0, best="high"),
        Figure(name="Failed calls", unit="ratio", value=0.0042, before=None, best="low"),
    ]
    return Report(
        bot="momentum",
        period="week",
        start=start,
        end=end,
        zone="Europe/Berlin",
        currency="USDT",
        known_from=start,
        notes=(),
        figures=(*money, *told.figures(these, those)),
        score=Figure(name="Performance score", unit="ratio", value=0.774, before=0.702, best="high"),
        parts=(
            Part(name="win_rate", score=0.58, weight=0.25),
            Part(name="sharpe_ratio", score=0.61, weight=0.2),
            Part(name="max_drawdown", score=0.79, weight=0.15),
            Part(name="uptime", score=0.999, weight=0.05),
        ),
        benchmarks=(
            Benchmark(name="min_win_rate", unit="ratio", value=0.58, limit=0.5, at_least=True, met=True),
            Benchmark(
                name="max_response_time", unit="seconds", value=1.3, limit=1.0, at_least=False, met=False
            ),
        ),
        objectives=(
            Objective(name="availability", share=0.97, met=True),
            Objective(name="response_time", share=0.61, met=False),
        ),
        proposals=(
            Proposal(
                says="the share of failed calls was above", priority="medium", category="system_stability",
                action="review_error_logs", unit="ratio", value=0.031, limit=0.02,
            ),
        ),
        symbols=told.by_symbol(these),
        hours=told.by_hour(these, ZONE),
        bars=told.bars(these, PERIOD),
        equity=tuple(zip(steps, walk, strict=True)),
        drawdown=tuple((at, 0.02 + 0.02 * math.sin(place / 20)) for place, at in enumerate(steps)),
        incidents=(
            Happened(
                id=7, alert="TradingBotDown", severity="critical",
                summary="momentum is down: <no sign of life>",
                opened_at=start + 90_000, closed_at=start + 90_180,
                done=("restart_bot: proven to have helped",), answered_after=95.0,
            ),
        ),
        responses=(Responses(severity="critical", wanted=300.0, within=3, late=1, median=95.0),),
        desk_responses=(Responses(severity="critical", wanted=300.0, within=5, late=2, median=110.0),),
        done=(Done(action="restart_bot", times=4, helped=2, not_helped=1),),
        wake_ups=WakeUps(calls=1, sms=3, at_night=2),
        state="paused",
        positions=(
            Open(symbol="BTC/USDT", side="long", value=1_200.0, profit=-12.5, unprotected=True),
            Open(symbol="ETH/USDT", side="short", value=800.0, profit=4.0, unprotected=False),
        ),
        edge=Edge(
            verdict="fading",
            trades=1240,
            figures=(
                Compared(name="Expectancy", unit="ratio", live=-0.00042, reference=0.00231),
                Compared(name="Win rate", unit="ratio", live=0.52, reference=0.58),
                Compared(name="Slippage", unit="ratio", live=0.0011, reference=None),
                Compared(name="Holding time", unit="seconds", live=5400.0, reference=7200.0),
            ),
        ),
        holds=(Hold(kind="halted", since=start + 3600, reason="critical loss"),),
    )  # fmt: skip


def empty() -> Report:
    """Return a report of a bot without any known figure."""
    none = ("P&L", "Equity", "Sharpe ratio", "Deepest drawdown", "Available")
    return Report(
        bot="ghost",
        period="day",
        start=END.timestamp() - 86_400,
        end=END.timestamp(),
        zone="Europe/Berlin",
        currency="EUR",
        known_from=None,
        notes=("Nightdesk did not see this bot in this period: all but its trades is unknown.",),
        figures=tuple(Figure(name=name, unit="money", value=None) for name in none),
        score=Figure(name="Performance score", unit="ratio", value=None),
        parts=(),
        benchmarks=(),
        objectives=(),
        proposals=(),
        symbols=(),
        hours=(),
        bars=(),
        equity=(),
        drawdown=(),
    )
