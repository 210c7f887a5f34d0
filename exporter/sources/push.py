"""Takes a bot's pushes: checks them, stores them before acknowledging, and reads them after a restart."""

import asyncio
import hmac
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from clients.bot_api import ClosedTrade, Measured, State
from clients.input import Input, problems
from clients.trading import Trade
from exporter.reading import Reading
from exporter.sources.client import read_secret
from exporter.sources.journal import Journal, Kept
from exporter.sources.protocol import SourceContext, SourceError, source
from exporter.sources.state import AHEAD, closed_trade, later, reading
from stack.files import SETUP
from stack.settings import PushBot

Kind = Literal["state", "trades", "metrics"]
_MODELS: Final[dict[Kept, type[Measured]]] = {"state": State, "metrics": Measured}
_SHOWN: Final = 100  # refusals and unknown fields that an answer names
# Fields of the bot API that are accepted but not used.
_PASSED_BY: Final = frozenset({"currency", "size", "entry_price", "exit_price", "fees"})
_CORRECT: Final = (
    "to correct it give it a corrected_at (unix seconds) later than the last, or a new trade an id of its own"
)
_log = logging.getLogger(__name__)
# A thread pool of its own: a hanging disk must not delay the polls of other bots.
_DISK = ThreadPoolExecutor(max_workers=8, thread_name_prefix="push")
_Result = TypeVar("_Result")


class Unreadable(Exception):
    """A push of the wrong shape. The message says how to fix it."""


class NotJson(Unreadable):
    """A push that is not JSON."""


@dataclass(frozen=True)
class Taken:
    """The result of a push; `ignored` are fields that Nightdesk does not know."""

    accepted: int = 0
    duplicates: int = 0
    refused: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


@source(PushBot)
class PushSource:
    """One bot that pushes. A push is checked and written in a thread, one at a time for each bot."""

    def __init__(self, settings: PushBot, surroundings: SourceContext) -> None:
        self._token_file = settings.token_file
        self._around = surroundings
        self._journal = Journal(surroundings.data)
        self._replay: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._told: dict[tuple[int, float], int] = {}  # a hash of each trade's last version
        self._corrected: dict[tuple[int, float], float] = {}  # the time of each trade's last correction
        self._fresh: list[Trade] = []  # trades that no reading contains yet
        self._said: dict[Kept, tuple[float, Measured]] = {}  # with the time of receipt, unix seconds
        self._heard_at = self._glanced_at = float("-inf")
        self._found = Input(surroundings.input.cap)  # since the last poll

    def allows(self, authorization: str) -> bool:
        """Return whether the header carries this bot's token. Raises SourceError without a token file."""
        token = read_secret(self._token_file)
        if not token:
            raise SourceError("auth", f"{self._token_file}: is empty; remove it, and {SETUP} writes one")
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
            return True
        self._found.reject("auth", "a push came with a missing or wrong token")
        return False

    def refuse(self, reason: str, problem: str) -> None:
        """Count a push that was refused whole."""
        self._found.reject(reason, problem)

    async def poll(self) -> Reading:
        """Return the last pushed state. Raises SourceError if it is too old."""
        now, limit = self._around.clock(), self._around.silent_after
        try:
            async with asyncio.timeout(self._around.timeout):
                await self._ready()
        except TimeoutError:
            raise SourceError("timeout", f"{self._around.data}: is still being read") from None
        finally:
            self._around.input.absorb(self._found)
        self._heard_at = min(self._heard_at, now)  # a clock that went back must not hide a silence
        silence = now - self._heard_at
        if silence > limit:
            heard = "nothing was ever pushed" if silence == float("inf") else f"last push {silence:.0f} s ago"
            detail = f"{heard}; a bot is silent after {limit:g} s (silent_after)"
            raise SourceError("timeout", detail, known=self._known(now))
        return reading(self._whole(now), self._new(), now)

    async def glance(self) -> Reading | None:
        """Return the money pushed since the last glance, None without a push."""
        if self._heard_at == self._glanced_at:
            return None
        self._glanced_at, now = self._heard_at, self._around.clock()
        return reading(self._whole(now), (), now)

    def _new(self) -> tuple[Trade, ...]:
        trades, self._fresh = tuple(self._fresh), []
        return trades

    def _known(self, now: float) -> Reading:
        """Return the trades that no reading contains yet, and the last state, however old."""
        state = self._said["state"][1] if "state" in self._said else State()
        capital = state.starting_capital if isinstance(state, State) else None
        return Reading(time=now, starting_capital=capital, trades=self._new())

    def _whole(self, now: float) -> State:
        """Return the last state with the pushed figures over it, each only if it is not too old."""
        fresh = {
            kind: each for kind, each in self._said.items() if now - each[0] <= self._around.silent_after
        }
        told_at, state = fresh.get("state", (now, State()))
        over = fresh["metrics"][1] if "metrics" in fresh else Measured()
        update: dict[str, object] = {name: getattr(state, name) for name in Measured.model_fields}
        whole = _laid_over(update, over)
        return later(State.model_construct(state.model_fields_set, **{**dict(state), **whole}), now - told_at)

    async def close(self) -> None:
        """Close the journal; later pushes are refused."""
        async with self._turn:
            if self._replay is not None:
                await asyncio.wait({self._replay})
            self._journal.close()

    async def push(self, kind: Kind, body: bytes) -> Taken:
        """Take a push; it is on the disk when this returns.

        Raises Unreadable, SourceError, and OSError if the disk fails (then nothing was taken).
        """
        async with self._turn:
            await self._ready()
            seen = Input(self._found.cap)
            now = self._around.clock()
            if kind == "trades":
                taken, rows = await _on_disk(lambda: self._trades(body, seen, now))
                self._know(rows)
            else:
                taken, said = await _on_disk(lambda: self._figures(kind, body, seen, now))
                self._said[kind] = (now, said)
            seen.pushes[kind] += 1
            self._found.absorb(seen)
            self._heard_at = now
            return taken

    def _figures(self, kind: Kept, body: bytes, seen: Input, now: float) -> tuple[Taken, Measured]:
        data = _json(body)
        said, refused = _checked(_MODELS[kind], data, seen)
        if isinstance(said, State) and said.time is not None and said.time > now + AHEAD:
            text = (
                f"time: {said.time!r} is {said.time - now:.0f} s ahead of the exporter's clock; set the bot's"
            )
            seen.reject("ahead", text)
            refused.append(text)
            said = said.model_copy(update={"time": None})
        if kind == "metrics" and "metrics" in self._said:
            before = dict(self._said["metrics"][1])
            merged = _laid_over(before, said)
            said = said.model_copy(
                update={
                    name: seen.capped(name, figures) if isinstance(figures, dict) else figures
                    for name, figures in merged.items()
                }
            )
        self._journal.keep(kind, now, said.model_dump(by_alias=True, exclude_none=True))
        return Taken(1, 0, refused[:_SHOWN], _unknown(data, _MODELS[kind])), said

    def _know(self, rows: Iterable[ClosedTrade]) -> None:
        """Restore the stored trades in order: a later row of a trade corrects the earlier."""
        for row in rows:
            trade = row.closed()
            self._told[trade.key] = hash(trade)
            if row.corrected_at is not None:
                self._corrected[trade.key] = row.corrected_at
            self._fresh.append(trade)

    def _trades(self, body: bytes, seen: Input, now: float) -> tuple[Taken, list[ClosedTrade]]:
        data = _json(body)
        rows = data.get("trades") if isinstance(data, dict) else data
        if not isinstance(rows, list):
            raise Unreadable('trades: is not a list; push {"trades": [{"id": 1, "symbol": …}, …]}')
        refusals = _Refusals(seen)
        kept: dict[tuple[int, float], list[ClosedTrade]] = {}
        duplicates = 0
        for place, row in enumerate(rows):
            said = closed_trade(row, _name(place, row), refusals, now)
            if said is None:
                continue
            trade = said.closed()
            before = kept.get(trade.key)
            known = hash(before[-1].closed()) if before else self._told.get(trade.key)
            corrected = before[-1].corrected_at if before else self._corrected.get(trade.key)
            if known is None or (said.corrected_at or 0.0) > (corrected or 0.0):
                kept.setdefault(trade.key, []).append(said)
            elif known == hash(trade):
                duplicates += 1
            else:
                refusals.reject(
                    "conflict", f"{_name(place, row)}: an earlier push had other figures; {_CORRECT}"
                )
        accepted = [said for each in kept.values() for said in each]
        if accepted:
            self._journal.append(said.model_dump(exclude_none=True) for said in accepted)
        ignored = sorted({name for row in rows[:_SHOWN] for name in _unknown(row, ClosedTrade)})
        return Taken(len(accepted), duplicates, refusals.texts[:_SHOWN], ignored), accepted

    async def _ready(self) -> None:
        """Read the pushes of earlier runs, once. Raises SourceError if the disk fails."""
        if self._replay is None or (self._replay.done() and self._replay.exception() is not None):
            self._replay = asyncio.ensure_future(_on_disk(self._open))
        try:
            await asyncio.shield(self._replay)
        except BlockingIOError:
            advice = "another exporter has it; stop that, or give this one its own --data"
            raise SourceError("unavailable", f"{self._around.data}: {advice}") from None
        except OSError as error:
            raise SourceError("unavailable", f"{self._around.data}: {error.strerror or error}") from None

    def _open(self) -> None:
        self._journal.open()
        lenient = Input(self._found.cap)
        self._fresh.clear()
        self._know(self._journalled(lenient))
        for kind, model in _MODELS.items():
            if (kept := self._journal.kept(kind)) is not None:
                self._said[kind] = (kept[0], lenient.read(model, kept[1]))
                self._heard_at = max(self._heard_at, kept[0])

    def _journalled(self, lenient: Input) -> Iterator[ClosedTrade]:
        for number, line in enumerate(self._journal.trades(), start=1):
            try:
                yield lenient.read(ClosedTrade, from_json(line))
            except ValueError as error:
                _log.error("%s: line %d of trades.jsonl is damaged: %s", self._around.data, number, error)


class _Refusals(Input):
    """Also keeps every text, for the answer, and adds to another's counts."""

    def __init__(self, counting: Input) -> None:
        super().__init__(counting.cap, strict=True)
        self.texts: list[str] = []
        self._counting = counting

    def reject(self, reason: str, example: str) -> None:
        self.texts.append(example)
        self._counting.reject(reason, example)


async def _on_disk(work: Callable[[], _Result]) -> _Result:
    return await asyncio.get_running_loop().run_in_executor(_DISK, work)


def _checked(model: type[Measured], data: object, seen: Input) -> tuple[Measured, list[str]]:
    """Return the validated data and the refusals. Raises Unreadable."""
    try:
        strict = Input(seen.cap, strict=True)
        said, wrong = strict.read(model, data), []
        seen.over_cap |= strict.over_cap
    except ValidationError as error:
        wrong = problems(error)
        try:
            said = Input(seen.cap).read(model, data)
        except ValidationError:
            raise Unreadable(wrong[0].text) from None
    for problem in wrong:
        seen.reject(problem.reason, problem.text)
    return said, [problem.text for problem in wrong]


def _laid_over(below: Mapping[str, Any], above: Measured) -> dict[str, Any]:
    """Return the pushed figures; newer ones replace older ones of the same name."""
    laid: dict[str, Any] = {}
    for name in Measured.model_fields:
        old, new = below.get(name), getattr(above, name)
        laid[name] = {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new or old
    return laid


def _json(body: bytes) -> object:
    try:
        return from_json(body)
    except ValueError as error:
        raise NotJson(f"the body is not JSON: {error}") from None


def _name(place: int, row: object) -> str:
    """Return a row's name in an answer: its place and, if it has one, its id."""
    identity = row.get("id") if isinstance(row, dict) else None
    return f"trades[{place}] (id {identity})" if isinstance(identity, int) else f"trades[{place}]"


def _unknown(data: object, model: type[Measured] | type[ClosedTrade]) -> list[str]:
    """Return the fields that the model does not have: perhaps misspelt."""
    given = data.keys() if isinstance(data, dict) else ()
    return sorted(set(given) - set(model.model_fields) - _PASSED_BY)[:_SHOWN]
