"""Receives the buttons that people press below Telegram's messages, by polling, so that no port is open.

It confirms each press to Telegram before it acts: after a crash a person presses again, and no press acts
twice.
"""

import asyncio
import logging
from datetime import UTC, datetime
from uuid import uuid4

from pydantic import ValidationError

from clients.http import NoAnswer
from stack.settings import Settings
from stack.settings.roles import of_chat, rights_of
from webhook_actions.engine.due_loop import is_cancelled
from webhook_actions.metrics import Metrics
from webhook_actions.notify import telegram
from webhook_actions.notify.buttons import WANTS, Act, Buttons
from webhook_actions.notify.links import LinkError, Links
from webhook_actions.notify.message import IncidentNotice, compose
from webhook_actions.notify.telegram_bot import Bot, Callback, Refusal, TelegramMessage, Update
from webhook_actions.notify.truncate import cut
from webhook_actions.store import deliveries, escalation_steps, holds, search, telegram_polls
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import GONE, Pool
from webhook_actions.web.answers import Answers
from webhook_actions.web.commands import Commands, Refused
from webhook_actions.web.limit import OnceASecond, RateLimit

log = logging.getLogger(__name__)
log.addFilter(OnceASecond())  # otherwise strangers could fill the log

_MARGIN = 10.0  # seconds of the turn beyond the longest question
_NOT_OUR_TURN = 2.0  # seconds until this engine checks again whether another still has the turn
_AFTER_FAILURE = 5.0
_LONGEST_PAUSE = 60.0
_STALE = 120.0  # seconds after which a press counts no more, like any request
_LISTED = 5  # open incidents in an answer
_NAME = 64  # characters of a name that people give themselves


class Presses:
    """Polls Telegram, one engine at a time, and carries out the presses of known people."""

    def __init__(
        self, settings: Settings, pool: Pool, commands: Commands, metrics: Metrics, links: Links
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        self._links = links
        self._buttons = Buttons(settings, links)
        self._answers = Answers(settings, commands, metrics, "telegram")
        self._poller = uuid4().hex
        self._pause = _AFTER_FAILURE  # seconds; it doubles with each failure
        self._pace = RateLimit(settings.webhook_actions.page.writes)

    async def run(self) -> None:
        """Poll until cancelled, then give the turn to another engine."""
        bot = Bot(self._settings)
        try:
            while not is_cancelled():
                wait = await self.once()
                await asyncio.sleep(wait)
        finally:
            try:
                async with self._pool.connection() as connection:
                    await telegram_polls.end(connection, bot.number, self._poller)
            except GONE:
                log.warning("the turn to ask Telegram ends by itself")

    async def once(self) -> float:
        """Poll once and carry out the presses; return the seconds until the next useful poll."""
        bot = Bot(self._settings)
        async with self._pool.connection() as connection:
            turn = await telegram_polls.begin(connection, bot.number, self._poller, bot.longest + _MARGIN)
        if turn is None:
            return _NOT_OUR_TURN
        try:
            updates = await bot.updates(turn.offset)
        except (NoAnswer, Refusal) as error:
            return self._not_told(bot, error)
        self._metrics.polls.labels("answered").inc()
        self._pause = _AFTER_FAILURE
        async with self._pool.connection() as connection:
            await telegram_polls.answered(connection, bot.number, self._poller)
        stale = turn.silent_for is not None and turn.silent_for > _STALE
        for raw in updates:
            await self._take(bot, raw, stale=stale)
        return 0.0

    def _not_told(self, bot: Bot, error: NoAnswer | Refusal) -> float:
        status = error.status if isinstance(error, Refusal) else 0
        outcome = "conflict" if status == 409 else "refused" if status else "unreachable"
        self._metrics.polls.labels(outcome).inc()
        log.warning(
            "Telegram does not answer the poll for pressed buttons",
            extra={"reason": bot.redacted(str(error))},
        )
        asked = (error.retry_after if isinstance(error, Refusal) else None) or 0.0
        wait, self._pause = max(self._pause, asked), min(2 * self._pause, _LONGEST_PAUSE)
        return wait

    async def _take(self, bot: Bot, raw: dict[str, object], *, stale: bool) -> None:
        """Take one update and carry it out; a faulty update does not stop the others."""
        number = raw.get("update_id")
        if not isinstance(number, int):
            return
        async with self._pool.connection() as connection:
            taken = await telegram_polls.take(connection, bot.number, self._poller, number)
        if not taken:
            self._answers.count("repeated")
            return
        try:
            update = Update.model_validate(raw)
            if update.callback_query is not None:
                await self._pressed(bot, update.callback_query, stale=stale)
            elif update.message is not None:
                await self._said(bot, update.message)
        except ValidationError as error:
            self._answers.count("unreadable")
            log.warning("an update of Telegram cannot be read", extra={"reason": str(error)[:300]})
        except (NoAnswer, Refusal) as error:
            log.warning(
                "a press was carried out, but its answer was not sent",
                extra={"reason": bot.redacted(str(error))},
            )

    def _who(self, place: TelegramMessage, user: int) -> str | None:
        """Return the contact, or the desk, of a person in a chat; None for a stranger."""
        name = of_chat(self._settings, place.chat.id, user, closed=place.chat.is_closed)
        if name is None:
            self._answers.count("unknown")
            about = {"chat": place.chat.id, "user": user}
            log.warning("an unknown person pressed a button or wrote; Nightdesk did nothing", extra=about)
        return name

    async def _pressed(self, bot: Bot, pressed: Callback, *, stale: bool) -> None:
        place, user = pressed.message, pressed.user
        name = self._who(place, user.id) if place else None
        if place is None or name is None:
            await bot.answer(pressed.id, "Nothing was done: Nightdesk does not know you.")
            return
        caller = Caller(f"{_called(self._settings, name, place, pressed)} (Telegram)", f"telegram {user.id}")
        try:
            press = self._buttons.read(pressed.data, place.chat.id, datetime.now(UTC))
            if stale:
                self._answers.count("stale")
                raise LinkError("Nightdesk got this too late; press the button again")
            if wait := self._pace.take(str(user.id)):
                raise Refused(429, f"Too many requests; try again in {int(wait) + 1} s.")
            incidents = [press.incident] if press.incident else await self._told_of(place)
            said = await self._answers.do(press.act, name, caller, incidents)
        except (LinkError, Refused) as error:
            if isinstance(error, LinkError) and not stale:
                self._answers.count("invalid")
            if not await bot.answer(pressed.id, f"Nothing was done: {error}"):
                await bot.say(place.chat.id, {"text": f"Nothing was done: {error}"})
            return
        await bot.answer(pressed.id, said)
        await bot.edit(place, said, await self._keyboard(place, name, press.act, press.incident))

    async def _told_of(self, place: TelegramMessage) -> list[int]:
        chat, message = str(place.chat.id), str(place.message_id)
        async with self._pool.connection() as connection:
            return await deliveries.incidents_of(connection, "telegram", chat, message)

    async def _keyboard(
        self, place: TelegramMessage, name: str, done: Act, incident: int
    ) -> dict[str, object]:
        """Return the buttons that make sense after one was pressed."""
        async with self._pool.connection() as connection:
            paused = await holds.paused(connection) is not None
        left = [Act.RESUME if paused else Act.PAUSE]
        if done not in (Act.ACKNOWLEDGE, Act.SNOOZE):
            left += [Act.ACKNOWLEDGE, Act.SNOOZE]
        may = [act for act in left if WANTS[act] in rights_of(self._settings, name)]
        return {**self._buttons.keyboard(place.chat.id, incident, may, datetime.now(UTC))}

    async def _said(self, bot: Bot, said: TelegramMessage) -> None:
        """Answer /open in a configured chat with the open incidents and their buttons."""
        user = said.user.id if said.user else 0
        if self._who(said, user) is None or said.command != "/open":
            return
        if self._pace.take(str(user)):
            return
        name = of_chat(self._settings, said.chat.id, said.chat.id, closed=True) or ""
        async with self._pool.connection() as connection:
            found = await search.find(connection, search.Filter(limit=_LISTED, worst_first=True))
            count = sum((await search.count_open(connection)).values())
            cases = await escalation_steps.with_runs(connection, [one.id for one in found.incidents])
        now = datetime.now(UTC)
        for incident, tried in cases:
            told = IncidentNotice(incident, tried, "you asked", self._links.url(incident.id, name, now), name)
            text = compose(self._settings, [told], self._links.page)
            await bot.say(said.chat.id, telegram.words(self._settings, said.chat.id, text))
        rest = f"{count} open; all of them: {self._links.page}" if count else "Nothing is open."
        if not count or count > len(cases):
            await bot.say(said.chat.id, {"text": rest})


def _called(settings: Settings, name: str, place: TelegramMessage, pressed: Callback) -> str:
    """Return the timeline's name for the person: a contact, or the own name and the contact's."""
    contact = settings.contacts.get(name)
    user = pressed.user
    if user.id == place.chat.id or (contact and user.id in contact.telegram):
        return name
    own = "".join(sign for sign in f"{user.first_name} {user.last_name}" if sign.isprintable()).strip()
    return f"{cut(own, _NAME) or user.id} for {name}"
