"""Cases of positions: without a stop, near liquidation while the bot is down, closed."""

from collections.abc import Iterator, Mapping, Sequence

from stack.drill.cases.case import OF_BOT, Case, Series, Value, bridge, scrapes
from stack.drill.cases.limits import POSITION, SYMBOL
from stack.settings import Settings

_UNPROTECTED = "trading_bot_position_unprotected"


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all of them."""
    yield from _unprotected(settings)
    yield from _kept_while_down(settings)
    yield from _closed(settings)
    yield from _books(settings)


def _held(values: Sequence[Value], up: Sequence[Value], name: str = _UNPROTECTED) -> list[Series]:
    return [Series(name, values, {}, POSITION), Series("trading_bot_up", up)]


def _unprotected(settings: Settings) -> Iterator[Case]:
    alert, tick = "PositionUnprotected", settings.collection.evaluation_interval
    scrape, wait = settings.collection.trading.interval, settings.alerts[alert].for_
    kept, long = bridge(settings, alert), scrapes(settings, wait) + 1
    better = scrapes(settings, kept + scrape)
    up = [1.0] * (long + better)

    def case(says: str, values: Sequence[Value], at: float, fires: bool) -> Case:
        return Case(alert, says, _held(values, up), at, fires, POSITION)

    yield case("no live stop is known", [1.0] * long, wait, True)
    yield case("not for long enough", [1.0] * long, wait - tick, False)
    yield case("protected", [0.0] * long, wait + tick, False)
    stops = Series("trading_bot_position_value", [50.0] * long, {}, POSITION)
    yield Case(alert, "absent, of a bot that sets none", [stops], wait + tick, False, POSITION)
    yield case("resolves", [1.0] * long + [0.0] * better, long * scrape + kept + tick, False)


def _kept_while_down(settings: Settings) -> Iterator[Case]:
    """Yield the cases of a bot that dies: its positions stay in danger."""
    is_, scrape = settings.thresholds.critical, settings.collection.trading.interval
    dangers: tuple[tuple[str, str, float, Mapping[str, str]], ...] = (
        ("PositionUnprotected", _UNPROTECTED, 1.0, POSITION),
        (
            "LiquidationNear",
            "trading_bot_position_liquidation_distance_ratio",
            is_.liquidation_distance * 0.99,
            POSITION,
        ),
        (
            "LiquidationNear",
            "trading_bot_position_margin_ratio",
            is_.margin_ratio * 1.01,
            {**POSITION, "scope": "margin"},
        ),
    )
    for alert, name, value, labels in dangers:
        long = scrapes(settings, settings.alerts[alert].for_) + 1
        gone = scrapes(settings, bridge(settings, alert)) + 3
        silent: list[Value] = [value] * long + ["stale"]
        dead = _held(silent, [1.0] * long + [0.0] * gone, name)
        end = (long + gone - 1) * scrape
        yield Case(alert, "its bot died since", dead, end, True, labels)
        alive = _held(silent, [1.0] * (long + gone), name)
        yield Case(alert, "resolves", alive, end, False, labels, lasts=False)


def _closed(settings: Settings) -> Iterator[Case]:
    """Yield the cases of closed positions, which have no series: `verify` is true all the same."""
    is_, scrape = settings.thresholds, settings.collection.trading.interval
    near = "trading_bot_position_liquidation_distance_ratio"
    close = is_.critical.liquidation_distance / 2
    flat = ("trading_bot_active_positions", SYMBOL)
    none = ("trading_bot_pending_orders", OF_BOT)
    late = 2.0 * is_.warning.order_age
    gone_by: tuple[tuple[str, str, float, Mapping[str, str], tuple[str, Mapping[str, str]]], ...] = (
        ("PositionUnprotected", _UNPROTECTED, 1.0, POSITION, flat),
        ("LiquidationNear", near, close, POSITION, flat),
        ("OrderStuck", "trading_bot_order_age_seconds", late, SYMBOL, none),
    )
    for alert, name, value, subject, (count, counted) in gone_by:
        long = scrapes(settings, settings.alerts[alert].for_) + 1
        gone = scrapes(settings, bridge(settings, alert)) + 3
        held = Series(name, [value] * long + ["stale"], {}, subject)
        left = Series(count, [1.0] * long + [0.0] * gone, {}, counted)
        up = Series("trading_bot_up", [1.0] * (long + gone))
        yield Case(alert, "resolves", [held, left, up], (long + gone - 1) * scrape, False, subject)


def _books(settings: Settings) -> Iterator[Case]:
    """Yield the cases of an account whose exchange differs from its bots, or is unknown."""
    account = {**OF_BOT, "account": "main"}
    differs = {**account, "difference": "wrong_size", "symbol": "BTC/USDT"}
    for alert, name, subject, bad in (
        ("BooksDiffer", "trading_bot_books_difference", differs, 0.5),
        ("BooksUnknown", "trading_bot_books_compared", account, 0.0),
    ):
        wait, kept, scrape = (
            settings.alerts[alert].for_, bridge(settings, alert), settings.collection.trading.interval,
        )  # fmt: skip
        tick, long = settings.collection.evaluation_interval, scrapes(settings, wait) + 1
        better = scrapes(settings, kept + scrape)
        count = Series("trading_bot_books_differences", [1.0] * long + [0.0] * better, {}, account)
        wrong = Series(name, [bad] * long, {}, subject)
        well: Value = "stale" if alert == "BooksDiffer" else 1.0
        back = Series(name, [bad] * long + [well] * better, {}, subject)
        yield Case(alert, "an exchange that differs, or does not answer", [wrong], wait, True, subject)
        if wait:
            yield Case(alert, "not long enough", [wrong], wait - tick, False, subject)
        yield Case(alert, "absent", [Series("trading_bot_up", [1.0] * long)], wait + tick, False, subject)
        yield Case(alert, "resolves", [back, count], long * scrape + kept + tick, False, subject)
