"""Knows what each bot can do, by its adapter and version, and its positions."""

import asyncio
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from clients.http import Answer, Request, Unsent
from clients.observer import Unanswered, for_bot
from stack.settings import Settings
from webhook_actions.actions import Action
from webhook_actions.bots import BotControl, Environment, control
from webhook_actions.bots.nothing import NO_WAY, NoAdapter
from webhook_actions.bots.protocol import BotStatus, orders_nothing
from webhook_actions.outcome import Outcome, Result

log = logging.getLogger(__name__)

KEPT = 300.0  # seconds that a version counts
ASK_AGAIN = 30.0  # seconds until a bot without a known version is asked again
_UNSEEN = 'max(trading_bot_up{bot="$bot"}) == 1 unless on () trading_bot_drawdown_ratio{bot="$bot"}'
_BLIND = "no drawdown alert can fire: its capital is unknown; set starting_capital or report equity"
_AT_ONCE = 8  # bots that are asked at a time
_HELD = 5.0  # seconds for which a bot's positions are cached: reloading a page asks no bot
_IMPATIENT = 3.0  # the longest seconds that a page waits for positions


@dataclass(frozen=True)
class Missing:
    """An action that a bot cannot do, and why."""

    action: str
    why: str


@dataclass(frozen=True)
class Capability:
    """A bot's adapter (None without one) and its version, or why that is `unknown`.

    `blind` says why no drawdown alert of the bot can fire; None if one can, or if that is unknown.
    """

    adapter: str | None
    version: str | None
    unknown: str | None
    cannot: tuple[Missing, ...]
    blind: str | None = None


class Capabilities:
    """The capabilities of all bots. A thread asks each bot from time to time; any thread may call this."""

    def __init__(
        self, settings: Settings, actions: dict[str, Action], world: Environment | None = None
    ) -> None:
        self._settings = settings
        self._actions = [actions[name] for name in sorted(actions)]
        self._world = world or Environment()
        self._timeout = float(settings.collection.timeout)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="capabilities")
        self._lock = threading.Lock()
        self._found: dict[str, tuple[Capability, float]] = {}  # with the time until which it counts
        self._asked: dict[str, Future[None]] = {}
        self._standing: dict[str, tuple[Future[BotStatus | Outcome], float]] = {}  # with when it was asked

    def known(self, bot: str) -> Capability:
        """Return the known capabilities at once, and start to ask bots whose answers are old."""
        self._ask([bot])
        return self._last(bot)

    async def told(self, bots: Iterable[str]) -> dict[str, Capability]:
        """Return the capabilities after the bots' answers or a call's time-out."""
        names = list(bots)
        if asked := self._ask(names):
            await asyncio.wait(map(asyncio.wrap_future, asked), timeout=self._timeout)
        return {bot: self._last(bot) for bot in names}

    async def standing(self, bot: str) -> BotStatus | Outcome:
        """Return a bot's state and positions, or an Outcome with the reason if it does not answer at once."""
        with self._lock:
            asked, at = self._standing.get(bot, (None, 0.0))
            now = self._world.clock()
            if asked is None or (asked.done() and now - at > _HELD):
                asked = self._threads.submit(self._stands, bot)
                self._standing[bot] = asked, now
        patience = min(self._timeout, _IMPATIENT)
        done, _ = await asyncio.wait({asyncio.wrap_future(asked)}, timeout=patience)
        return asked.result() if done else Outcome.retry(f"it has not answered within {patience:g}s")

    def _stands(self, bot: str) -> BotStatus | Outcome:
        try:
            return control(
                self._settings, bot, "capabilities", orders_nothing, self._world
            ).adapter.standing()
        except Exception as error:
            log.exception("a bot's positions are unknown", extra={"bot": bot})
            return Outcome.failed(f"a defect of Nightdesk: {type(error).__name__}")

    async def lacks(self, bot: str, action: str) -> str | None:
        """Return why a bot cannot do an action; None if it can, or if that is unknown."""
        told = await self.told([bot])
        return next((each.why for each in told[bot].cannot if each.action == action), None)

    def close(self) -> None:
        """Ask no more bots, and do not wait for answers."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _last(self, bot: str) -> Capability:
        found = self._found.get(bot)
        return found[0] if found else self._look(bot, Environment(_unasked))

    def _ask(self, bots: list[str]) -> list[Future[None]]:
        """Return a future that ends when every configured bot has a valid answer."""
        with self._lock:
            for bot in bots:
                asked, found = self._asked.get(bot), self._found.get(bot)
                old = found is None or self._world.clock() >= found[1]
                if bot in self._settings.bots and old and (asked is None or asked.done()):
                    self._asked[bot] = self._threads.submit(self._keep, bot)
            return [asked for bot in bots if (asked := self._asked.get(bot)) and not asked.done()]

    def _keep(self, bot: str) -> None:
        try:
            found = replace(self._look(bot, self._world), blind=self._blind(bot))
        except Exception:
            log.exception("a bot's capabilities are unknown", extra={"bot": bot})
            raise
        kept = KEPT if found.version else ASK_AGAIN
        self._found[bot] = found, self._world.clock() + kept

    def _blind(self, bot: str) -> str | None:
        observer = control(self._settings, bot, "capabilities", orders_nothing, self._world).observer
        try:
            return _BLIND if observer.ask(for_bot(_UNSEEN, bot)) else None
        except Unanswered:
            return None

    def _look(self, bot: str, world: Environment) -> Capability:
        access = self._settings.bots[bot].control if bot in self._settings.bots else None
        seen = control(self._settings, bot, "capabilities", orders_nothing, world)
        version = seen.adapter.version()
        lacking = ((each.name, _lacks(seen, each)) for each in self._actions)
        # A capability that is unknown, since the bot does not answer, is not reported as missing.
        cannot = (Missing(name, why.detail) for name, why in lacking if why and why.result is Result.CANNOT)
        told, unknown = (None, version.detail) if isinstance(version, Outcome) else (version, None)
        return Capability(access.type if access else None, told, unknown, tuple(cannot))


def _lacks(bot: BotControl, action: Action) -> Outcome | None:
    if action.restarts and isinstance(bot.restarter, NoAdapter):
        return Outcome.cannot(NO_WAY)
    return bot.adapter.lacks(action.verbs)


def _unasked(_: Request) -> Answer:
    raise Unsent("it has not answered yet")
