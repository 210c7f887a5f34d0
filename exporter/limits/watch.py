"""Watches the loss limits of all bots and accounts after each poll; serves them as metrics and as JSON."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from exporter.catalogue import Sample, known, sample
from exporter.exposition import Board, Lines, Owner
from exporter.limits.figures import Clock, Figures
from exporter.limits.state_file import LimitStateStore
from exporter.limits.tracker import Holder, LimitStatus, rule
from exporter.sources.journal import folder
from stack.settings import Settings
from stack.settings.limits import Day, LossLimit

_FILE = "limits.json"
SIMPLEST = "closed trades"


class LimitWatch:
    """Keeps each bot's last figures, and its limits."""

    def __init__(self, settings: Settings, data: Path, board: Board, clock: Callable[[], float]) -> None:
        self._data, self._board, self._now = data, board, clock
        self._figures: dict[str, Figures | None] = {}
        self._newest: dict[str, Figures | None] = {}  # also after a glance
        self._files: dict[Path, LimitStateStore] = {}
        self._lines: dict[str, Lines] = {}
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Continue with new settings; an unchanged limit keeps its state."""
        self._figures = {bot: found for bot, found in self._figures.items() if bot in settings.bots}
        self._newest = dict(self._figures)
        self._lines = {bot: Lines(settings.collection.max_symbols, bot) for bot in settings.bots}
        share = settings.thresholds.critical.loss_limit_used
        self._holders = [*_of_bots(settings, self, share), *_of_accounts(settings, self, share)]
        self._of = {bot: [each for each in self._holders if bot in each.bots] for bot in settings.bots}
        self._currency = {name: bot.currency or settings.currency for name, bot in settings.bots.items()}
        for bot in settings.bots:
            self._publish(bot)

    def kept(self, kind: str, name: str) -> LimitStateStore:
        """Return the file of a bot (`bots`) or an account (`accounts`)."""
        file = self._data / kind / folder(name) / _FILE
        return self._files.setdefault(file, LimitStateStore(file))

    def clocks(self, bot: str) -> set[Clock]:
        """Return the clocks whose days need the profit of a bot's trades."""
        return {each.clock for each in self._of.get(bot, ())}

    async def told(self, bot: str, figures: Figures | None) -> None:
        """Take a bot's reading of a poll, None if the bot did not answer."""
        self._figures[bot] = self._newest[bot] = figures
        concerned = self._of.get(bot, [])
        for holder in concerned:
            holder.take(self._figures, self._now())
        if figures is not None and figures.restarted:
            self._figures[bot] = replace(figures, restarted=False)
        for each in dict.fromkeys(name for holder in concerned for name in holder.bots):
            self._publish(each)
        for holder in concerned:
            await holder.kept.write()

    def glance(self, bot: str, figures: Figures) -> Iterator[Sample]:
        """Yield the rest of a bot's limits at a reading between two polls."""
        self._newest[bot] = figures
        for holder in self._of.get(bot, ()):
            for name, found in holder.glance(self._newest, self._now()):
                about = {"limit": name, "account": holder.account}
                yield sample("guard_loss_limit_used_ratio", float(found.used), **about)
                yield sample("guard_loss_limit_left", float(found.left), **about)

    def _publish(self, bot: str) -> None:
        samples = [
            one for holder in self._of[bot] for each in holder.standings() for one in _samples(holder, each)
        ]
        self._board.publish(Owner(bot, "limits"), self._lines[bot].render(samples)[0])

    def as_json(self) -> list[dict[str, Any]]:
        """Return every limit for `GET /limits`; money as decimal text, exact."""
        return [
            _as_json(holder, each, self._currency[holder.bots[0]])
            for holder in self._holders
            for each in holder.standings()
        ]


def simplest(settings: Settings) -> LossLimit:
    """Return the limit of a bot that has none of its own: `daily_loss`, by closed trades."""
    loss = settings.thresholds.critical.daily_loss
    return LossLimit(
        name=SIMPLEST, kind="daily", money=max(loss, 0.01), mark="balance", open_positions=False, acts_at=1.0
    )


def _of_bots(settings: Settings, watch: LimitWatch, share: float) -> Iterator[Holder]:
    for name, bot in settings.bots.items():
        rules = [rule(each, share) for each in bot.limits or (simplest(settings),)]
        clock, kept = _clock(bot.day, settings), watch.kept("bots", name)
        yield Holder(name, "", [name], rules, clock, kept, bot.source.place)


def _of_accounts(settings: Settings, watch: LimitWatch, share: float) -> Iterator[Holder]:
    """Yield this exporter's accounts: it has either all bots of an account or none."""
    for name, account in settings.accounts.items():
        if not account.limits or not set(account.bots) <= settings.bots.keys():
            continue
        rules = [rule(each, share) for each in account.limits]
        place = " ".join(f"{bot}={settings.bots[bot].source.place}" for bot in sorted(account.bots))
        clock, kept = _clock(account.day, settings), watch.kept("accounts", name)
        yield Holder(name, name, account.bots, rules, clock, kept, place, account.capital)


def _clock(day: Day, settings: Settings) -> Clock:
    return Clock(day.start, day.timezone or settings.timezone)


def _samples(holder: Holder, each: LimitStatus) -> Iterator[Sample]:
    about = {"limit": each.rule.limit.name, "account": holder.account}
    yield sample("loss_limit_acts_at_ratio", each.rule.acts_at, **about)
    yield sample("loss_limit_complete", float(not each.gap), **about)
    yield from known("loss_limit_known_timestamp_seconds", each.known_at, **about)
    if each.left is not None:
        yield sample("loss_limit_used_ratio", float(each.left.used), **about)
        yield sample("loss_limit_left", float(each.left.left), **about)
        yield sample("loss_limit_allowed", float(each.left.allowed), **about)
        if each.has_capital:
            yield sample("loss_limit_threshold", float(each.left.threshold), **about)


def _as_json(holder: Holder, each: LimitStatus, currency: str) -> dict[str, Any]:
    limit, found = each.rule.limit, each.left
    return {
        "bot": None if holder.account else holder.name,
        "account": holder.account or None,
        "bots": list(holder.bots),
        "limit": limit.name,
        "kind": limit.kind,
        "trails": limit.trails,
        "currency": currency,
        "day_start": holder.clock.start,
        "timezone": holder.clock.zone,
        "acts_at": each.rule.acts_at,
        "known_at": each.known_at,
        "gap": each.gap,
        "used": None if found is None else float(found.used),
        "left": None if found is None else str(found.left),
        "allowed": None if found is None else str(found.allowed),
        "threshold": str(found.threshold) if found is not None and each.has_capital else None,
        "locked": None if found is None else found.locked,
    }
