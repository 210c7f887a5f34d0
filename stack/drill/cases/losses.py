"""Cases of what is lost: a limit that is used up, and losses that no bot makes good by dying."""

from collections.abc import Iterator, Mapping, Sequence

from stack.drill.cases.case import BOT, OF_BOT, Case, Series, Value, bridge, scrapes
from stack.settings import Settings

OF_LIMIT: Mapping[str, str] = {"bot": BOT, "limit": "daily"}
OF_ACCOUNT: Mapping[str, str] = {"bot": BOT, "limit": "maximum", "account": "main"}
_ACTS = "trading_bot_loss_limit_acts_at_ratio"
_USED = "trading_bot_loss_limit_used_ratio"


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all of them."""
    for subject in (OF_LIMIT, OF_ACCOUNT):
        yield from _loss_limit(settings, subject)
    yield from _kept_while_down(settings)


def _loss_limit(settings: Settings, subject: Mapping[str, str]) -> Iterator[Case]:
    alert, tick = "LossLimit", settings.collection.evaluation_interval
    share, scrape = settings.thresholds.critical.loss_limit_used, settings.collection.trading.interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    long, better = scrapes(settings, wait) + 1, scrapes(settings, kept + scrape)

    def case(says: str, used: Sequence[Value], at: float, fires: bool, acts_at: float = share) -> Case:
        beside = Series(_ACTS, [acts_at] * len(used), {}, subject)
        series = [Series(_USED, used, {}, subject), beside, Series("trading_bot_up", [1.0] * len(used))]
        return Case(alert, says, series, at, fires, subject)

    yield case("at the share at which it acts", [share] * long, wait, True)
    yield case("beyond the limit", [1.25] * long, wait, True)
    yield case("at it, but not long enough", [share] * long, wait - tick, False)
    yield case("just below", [share * 0.999] * long, wait + tick, False)
    yield case("one that acts at the limit itself", [share] * long, wait + tick, False, acts_at=1.0)
    yield case("reached where it acts at the limit itself", [1.0] * long, wait, True, acts_at=1.0)
    yield case("not a number", [float("nan")] * long, wait + tick, False)
    other = Series("trading_bot_pnl", [-1e9] * long, {"window": "day"})
    yield Case(alert, "absent", [other], wait + tick, False, subject)
    end = long * scrape + kept + tick
    yield case("resolves", [1.0] * long + [0.0] * better, end, False)


def _kept_while_down(settings: Settings) -> Iterator[Case]:
    """Yield the cases of losses: they are not made good by a bot that dies, or by its exporter."""
    is_, scrape = settings.thresholds.critical, settings.collection.trading.interval
    losses: tuple[tuple[str, str, float, Mapping[str, str]], ...] = (
        ("HighDrawdown", "drawdown_ratio", is_.max_drawdown * 1.01, OF_BOT),
        ("CriticalLoss", "drawdown_ratio", is_.critical_loss * 1.01, OF_BOT),
        ("LossLimit", "loss_limit_used_ratio", is_.loss_limit_used, OF_ACCOUNT),
    )
    for alert, metric, lost, subject in losses:
        kept = bridge(settings, alert)
        long = scrapes(settings, settings.alerts[alert].for_) + 1
        gone = scrapes(settings, kept) + 3
        end = (long + gone) * scrape

        def bot(
            figures: Sequence[Value],
            up: Sequence[Value],
            metric: str = metric,
            subject: Mapping[str, str] = subject,
        ) -> list[Series]:
            acts = (
                [Series(_ACTS, [is_.loss_limit_used] * len(up), {}, subject)] if subject is OF_ACCOUNT else []
            )
            return [
                Series(f"trading_bot_{metric}", figures, {}, subject),
                Series("trading_bot_up", up),
                *acts,
            ]

        silent: list[Value] = [lost] * long + ["stale"]
        dead = bot(silent, [1.0] * long + [0.0] * gone)
        yield Case(alert, "its bot died since", dead, end - scrape, True, subject)
        exporter = Series("up", [1.0] * long + [0.0] * gone, {"job": "exporter"}, {})
        unseen = [*bot(silent, [1.0] * long + ["stale"]), exporter]
        yield Case(alert, "its exporter died since", unseen, end - scrape, True, subject, together=False)
        back = bot(
            [*silent, *([None] * (gone - 1)), *([0.0] * gone)], [1.0] * long + [0.0] * gone + [1.0] * gone
        )
        yield Case(alert, "resolves", back, end + kept + 2 * scrape, False, subject)
        removed = bot(silent, [1.0] * long + ["stale"])
        yield Case(alert, "removed from the settings", removed, end - scrape, False, subject)
