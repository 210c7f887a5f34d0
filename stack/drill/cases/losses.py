"""Cases of losses: a used-up limit, and losses that remain when the bot dies."""

from collections.abc import Iterator, Mapping, Sequence

from stack.drill.cases.case import BOT, OF_BOT, Case, Series, Value, bridge, rising, scrapes
from stack.settings import Settings

OF_LIMIT: Mapping[str, str] = {"bot": BOT, "limit": "daily"}
OF_ACCOUNT: Mapping[str, str] = {"bot": BOT, "limit": "maximum", "account": "main"}
_DRAWDOWN = {"scope": "drawdown"}
_ACTS = "trading_bot_loss_limit_acts_at_ratio"
_USED = "trading_bot_loss_limit_used_ratio"
_COMPLETE = "trading_bot_loss_limit_complete"
_KNOWN_AT = "trading_bot_loss_limit_known_timestamp_seconds"


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all of them."""
    for subject in (OF_LIMIT, OF_ACCOUNT):
        yield from _loss_limit(settings, subject)
    yield from _kept_while_unknown(settings)
    for subject in (OF_LIMIT, OF_ACCOUNT):
        yield from _limit_unknown(settings, subject)
    yield from _drawdown_unknown(settings)


def _loss_limit(settings: Settings, subject: Mapping[str, str]) -> Iterator[Case]:
    alert, tick = "LossLimit", settings.collection.evaluation_interval
    share, scrape = settings.thresholds.critical.loss_limit_used, settings.collection.trading.interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    long, better = scrapes(settings, wait) + 1, scrapes(settings, kept + scrape)

    def case(says: str, used: Sequence[Value], at: float, fires: bool, acts_at: float = share) -> Case:
        beside = Series(_ACTS, [acts_at] * len(used), {}, subject)
        known = Series(_KNOWN_AT, rising(scrape, len(used)), {}, subject)
        series = [Series(_USED, used, {}, subject), beside, known, _up(1.0, len(used))]
        return Case(alert, says, series, at, fires, subject)

    yield case("at the limit's own share", [share] * long, wait, True)
    yield case("beyond the limit", [1.25] * long, wait, True)
    yield case("at it, but not long enough", [share] * long, wait - tick, False)
    yield case("just below", [share * 0.999] * long, wait + tick, False)
    yield case("one that acts at the limit itself", [share] * long, wait + tick, False, acts_at=1.0)
    yield case("reached, and it acts at the limit itself", [1.0] * long, wait, True, acts_at=1.0)
    old = -float(settings.thresholds.critical.loss_known_for)
    series = [
        Series(_USED, [1.0] * long, {}, subject),
        Series(_ACTS, [share] * long, {}, subject),
        Series(_KNOWN_AT, [old] * long, {}, subject),
        _up(0.0, long),
    ]
    yield Case(alert, "its figures are too old", series, wait + tick, False, subject)
    yield case("not a number", [float("nan")] * long, wait + tick, False)
    other = Series("trading_bot_pnl", [-1e9] * long, {"window": "day"})
    yield Case(alert, "absent", [other], wait + tick, False, subject)
    end = long * scrape + kept + tick
    yield case("resolves", [1.0] * long + [0.0] * better, end, False)


def _up(value: float, count: int) -> Series:
    return Series("trading_bot_up", [value] * count)


def _kept_while_unknown(settings: Settings) -> Iterator[Case]:
    """Yield the cases of losses that remain when a bot dies or stops reporting them."""
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
        silent: list[Value] = [lost] * long + ["stale"]

        def bot(
            figures: Sequence[Value],
            up: Sequence[Value],
            there: Sequence[Value],
            long: int = long,
            metric: str = metric,
            subject: Mapping[str, str] = subject,
        ) -> list[Series]:
            """`there` is 1 while the exporter shows the limit."""
            of_limit = [
                Series(
                    _ACTS,
                    [each if each is None or each == "stale" else is_.loss_limit_used for each in there],
                    {},
                    subject,
                ),
                Series(_KNOWN_AT, [0.0] * long + ["stale"], {}, subject),
            ]
            more = of_limit if subject is OF_ACCOUNT else []
            return [
                Series(f"trading_bot_{metric}", figures, {}, subject),
                Series("trading_bot_up", up),
                *more,
            ]

        on, off, always = [1.0] * long, [0.0] * gone, [1.0] * (long + gone)
        yield Case(alert, "its bot died since", bot(silent, [*on, *off], always), end - scrape, True, subject)
        untold = bot(silent, always, always)
        yield Case(alert, "the bot no longer reports it", untold, end - scrape, True, subject)
        exporter = Series("up", [*on, *off], {"job": "exporter"}, {})
        unseen = [*bot(silent, [*on, "stale"], [*on, "stale"]), exporter]
        yield Case(alert, "its exporter died since", unseen, end - scrape, True, subject, together=False)
        better = [*silent, *([None] * (gone - 1)), *off]
        back = bot(better, [*on, *off, *([1.0] * gone)], [1.0] * (long + 2 * gone))
        yield Case(alert, "resolves", back, end + kept + 2 * scrape, False, subject)
        removed = bot(silent, [*on, "stale"], [*on, "stale"])
        yield Case(alert, "removed from the settings", removed, end - scrape, False, subject)


def _limit_unknown(settings: Settings, subject: Mapping[str, str]) -> Iterator[Case]:
    alert, tick = "LimitUnknown", settings.collection.evaluation_interval
    wait, kept, scrape = (
        settings.alerts[alert].for_, bridge(settings, alert), settings.collection.trading.interval,
    )  # fmt: skip
    long, better = scrapes(settings, wait) + 1, scrapes(settings, kept + scrape)

    def case(says: str, complete: Sequence[Value], at: float, fires: bool, up: float = 1.0) -> Case:
        series = [Series(_COMPLETE, complete, {}, subject), _up(up, len(complete))]
        return Case(alert, says, series, at, fires, subject)

    yield case("not known for certain", [0.0] * long, wait, True)
    yield case("not long enough", [0.0] * long, wait - tick, False)
    yield case("known", [1.0] * long, wait + tick, False)
    yield case("down: Down fires instead", [0.0] * long, wait + tick, False, up=0.0)
    yield Case(alert, "absent", [_up(1.0, long)], wait + tick, False, subject)
    yield case("resolves", [0.0] * long + [1.0] * better, long * scrape + kept + tick, False)


def _drawdown_unknown(settings: Settings) -> Iterator[Case]:
    alert, tick, subject = "LimitUnknown", settings.collection.evaluation_interval, {**OF_BOT, **_DRAWDOWN}
    wait, kept, scrape = (
        settings.alerts[alert].for_, bridge(settings, alert), settings.collection.trading.interval,
    )  # fmt: skip
    long, better = scrapes(settings, wait) + 1, scrapes(settings, kept + scrape)
    silent: list[Value] = [0.01, "stale", *([None] * (long - 2))]

    def case(says: str, drawdown: Sequence[Value], at: float, fires: bool, up: float = 1.0) -> Case:
        series = [Series("trading_bot_drawdown_ratio", drawdown), _up(up, len(drawdown))]
        return Case(alert, says, series, at, fires, subject)

    yield case("no longer reported", silent, scrape + wait, True)
    yield case("not long enough", silent, scrape + wait - tick, False)
    yield case("told", [0.01] * long, scrape + wait + tick, False)
    yield case("down: Down fires instead", silent, scrape + wait + tick, False, up=0.0)
    yield Case(alert, "absent", [_up(1.0, long)], wait + tick, False, subject)
    yield case("resolves", silent + [0.01] * better, long * scrape + kept + tick, False)
