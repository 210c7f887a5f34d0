"""Reads the state of the stack for a person: each bot, the firing alerts, the open incidents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clients.http import NoAnswer, ask
from clients.observer import Observer, Sample, Unanswered
from clients.stack_requests import stack_request
from stack.failure import Failure
from stack.settings import Settings
from stack.settings.names import UNREAD

_FEW = 4  # bots, or alerts of one kind, that the line names one by one
_TIMEOUT = 3.0  # seconds; our services on this machine answer within milliseconds
_SERIES = (
    '{__name__=~"trading_bot_up|trading_bot_state|trading_bot_profit_loss|trading_bot_source_error|ALERTS",'
    'drill=""}'
)


class Unreachable(Failure):
    """A service without a usable answer. The message names it and its address."""


@dataclass(frozen=True)
class BotState:
    """One bot: whether it is up, its state, its profit or loss; None is unknown.

    `unread` says why it cannot be read.
    """

    name: str
    up: bool | None
    state: str | None
    profit_loss: float | None
    currency: str
    unread: str | None = None

    def money(self) -> str:
        """Return its profit or loss behind a space, nothing if that is unknown."""
        return "" if self.profit_loss is None else f" {self.profit_loss:+,.2f} {self.currency}"

    def __str__(self) -> str:
        if self.up is None:
            return f"{self.name} not seen yet"
        if not self.up:
            return f"{self.name} DOWN{f' ({self.unread})' if self.unread else ''}"
        return f"{self.name} up{f' {self.state}' if self.state else ''}"


@dataclass(frozen=True)
class Status:
    """The content of the live line; incidents are None while webhook_actions does not answer.

    `paused` says who stopped all actions, and why.
    """

    bots: tuple[BotState, ...]
    firing: tuple[str, ...]
    incidents: int | None
    paused: str | None = None

    def summary(self) -> str:
        """Return the line without the figures that change all the time."""
        return " | ".join([self._named(money=False), self._alerts()])

    def __str__(self) -> str:
        return " | ".join([self._named(money=True), self._alerts()])

    def _named(self, *, money: bool) -> str:
        """Return each bot; of many, only the ones that are not up and running, and how many are."""
        calm = [bot for bot in self.bots if bot.up and bot.state in ("running", None)]
        many = len(calm) > _FEW
        shown = [bot for bot in self.bots if not many or bot not in calm]
        words = [f"{len(calm)} bots up"] if many else []
        words += [f"{bot}{bot.money() if money else ''}" for bot in shown]
        return ", ".join(words) or "no bots"

    def _alerts(self) -> str:
        firing = f"firing: {', '.join(_grouped(self.firing))}" if self.firing else "nothing firing"
        count = "unknown" if self.incidents is None else self.incidents
        paused = f" | all actions are PAUSED by {self.paused}" if self.paused else ""
        return f"{firing} | open incidents: {count}{paused}"


def read_status(settings: Settings) -> Status:
    """Return the state of the stack. Raises Unreachable."""
    samples = ask_prometheus(settings, _SERIES)
    up, profit = (by_bot(samples, name) for name in ("trading_bot_up", "trading_bot_profit_loss"))
    states = {
        each.labels["bot"]: each.labels.get("state", "")
        for each in samples
        if each.labels["__name__"] == "trading_bot_state" and each.value == 1
    }
    reasons = {
        each.labels["bot"]: each.labels.get("reason", "")
        for each in samples
        if each.labels["__name__"] == "trading_bot_source_error" and each.value == 1
    }
    bots = tuple(
        BotState(
            name,
            up=None if name not in up else up[name] == 1,
            state=states.get(name),
            profit_loss=profit.get(name),
            currency=bot.currency or settings.currency,
            unread=UNREAD.get(reasons.get(name, "")),
        )
        for name, bot in settings.bots.items()
    )
    return Status(bots, _firing(samples), _open_incidents(settings), _paused(settings))


def ask_prometheus(settings: Settings, query: str) -> tuple[Sample, ...]:
    """Return Prometheus's answer to a query. Raises Unreachable."""
    try:
        return Observer(settings.services.prometheus.urls, [], _TIMEOUT, settings.web).ask(query)
    except Unanswered as error:
        url = f"{settings.services.prometheus.url}/api/v1/query"
        raise Unreachable(
            f"prometheus at {url} does not answer ({error}); `nightdesk up` starts it"
        ) from None


def by_bot(samples: Sequence[Sample], name: str) -> dict[str, float]:
    """Return the values of a metric by bot."""
    return {each.labels["bot"]: each.value for each in samples if each.labels["__name__"] == name}


def _firing(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Return `Alert (bot)` for each firing alert, without the watchdog's, which always fires."""
    found = {
        labels["alertname"] + (f" ({labels['bot']})" if "bot" in labels else "")
        for labels in (each.labels for each in samples)
        if labels["__name__"] == "ALERTS"
        and labels["alertstate"] == "firing"
        and not labels["alertname"].endswith("Watchdog")
    }
    return tuple(sorted(found))


def _grouped(firing: Sequence[str]) -> list[str]:
    """Return the firing alerts, those of many bots as one with the number of bots."""
    by_alert: dict[str, list[str]] = {}
    for one in firing:
        by_alert.setdefault(one.partition(" ")[0], []).append(one)
    groups = [[f"{name} ({len(ones)} bots)"] if len(ones) > _FEW else ones for name, ones in by_alert.items()]
    return [one for group in groups for one in group]


def _open_incidents(settings: Settings) -> int | None:
    told = _told(settings, "incidents", {"state": "open", "limit": 1000})
    try:
        return None if told is None else sum("drill" not in one["labels"] for one in told["incidents"])
    except (KeyError, TypeError):
        return None


def _paused(settings: Settings) -> str | None:
    told = _told(settings, "pause", {})
    if not isinstance(told, dict) or not told.get("paused"):
        return None
    return f"{told.get('by')}: {told.get('reason')}"


def _told(settings: Settings, path: str, query: dict[str, str | int]) -> Any:  # noqa: ANN401 - JSON
    """Return the answer of webhook_actions, None without a usable one: the line says "unknown"."""
    try:
        asked = stack_request(
            settings.web,
            "GET",
            f"{settings.services.webhook_actions.url}/api/v1/{path}",
            _TIMEOUT,
            token_file=settings.webhook_actions.tokens.read_file,
            query=query,
        )
        answer = ask(asked)
        return answer.json() if answer.ok else None
    except (OSError, NoAnswer, ValueError):
        return None
