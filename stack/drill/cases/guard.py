"""Cases of money alerts by the guard's values, with polls before or after it."""

from collections.abc import Iterator, Mapping, Sequence

from stack.drill.cases.case import OF_BOT, Case, Series, Value, bridge, rising, scrapes
from stack.drill.cases.limits import POSITION
from stack.drill.cases.losses import OF_ACCOUNT
from stack.settings import Settings


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all of them."""
    limits = settings.thresholds.critical
    yield from _seen(settings, "CriticalLoss", "drawdown_ratio", limits.critical_loss * 1.01, OF_BOT)
    yield from _seen(settings, "LossLimit", "loss_limit_used_ratio", limits.loss_limit_used, OF_ACCOUNT)
    yield from _seen(settings, "PositionUnprotected", "position_unprotected", 1.0, POSITION)
    near = limits.liquidation_distance * 0.99
    yield from _seen(
        settings, "LiquidationNear", "position_liquidation_distance_ratio", near, POSITION, well=0.5
    )


def _seen(
    settings: Settings, alert: str, figure: str, lost: float, subject: Mapping[str, str], well: float = 0.0
) -> Iterator[Case]:
    scrape, kept = settings.collection.trading.interval, bridge(settings, alert)
    wait = settings.alerts[alert].for_
    long, later = scrapes(settings, wait) + 1, scrapes(settings, kept + scrape)
    end = long * scrape + kept + scrape

    def case(
        says: str, guard: Sequence[Value], polled: Sequence[Value], answers: Sequence[float],
        at: float, fires: bool,
    ) -> Case:  # fmt: skip
        series = [
            Series(f"trading_bot_guard_{figure}", guard, {}, subject),
            Series(f"trading_bot_{figure}", polled, {}, subject),
            Series("trading_bot_guard_up", answers),
            Series("trading_bot_up", answers),
        ]
        if "limit" in subject:
            acts_at = [settings.thresholds.critical.loss_limit_used] * len(guard)
            series.append(Series("trading_bot_loss_limit_acts_at_ratio", acts_at, {}, subject))
            seen = rising(scrape, answers.count(1.0))
            known = [*seen, *[seen[-1]] * answers.count(0.0)]
            series.append(Series("trading_bot_loss_limit_known_timestamp_seconds", known, {}, subject))
        return Case(alert, f"guard: {says}", series, at, fires, subject)

    whole, good, up = [lost] * long, [well] * long, [1.0] * long
    yield case("seen before any poll", whole, good, up, wait, True)
    yield case("good again before any poll", good, whole, up, wait + scrape, False)
    dead = up + [0.0] * later
    gone: list[Value] = [*good, "stale"]
    yield case("its bot died before any poll", whole + [lost] * later, gone, dead, end, True)
    polled: list[Value] = [*whole, "stale"]
    died = up + [0.0] * 2
    yield case(
        "the last check was good, and the bot died: no proof",
        whole + [well] * 2,
        polled,
        died,
        (long + 1) * scrape,
        True,
    )
    better = [lost] * long + [well] * later
    yield case(
        "resolves, even if the last poll was bad",
        better,
        [lost] * (long + later),
        up + [1.0] * later,
        end,
        False,
    )
