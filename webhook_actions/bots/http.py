"""The adapter for bots that answer Nightdesk's bot API (docs/bot-api.md)."""

from typing import Annotated, TypeVar

import requests
from pydantic import BaseModel, Field, ValidationError

from stack.settings import HttpBot
from webhook_actions.bots.protocol import Order, Position, Standing, Trade, Verb
from webhook_actions.outcome import Outcome

# Being there already is a success for these, so that a key could only keep them from being done again.
_KEYLESS = frozenset({Verb.PAUSE, Verb.RESUME})
_PAGE = 1000  # trades that one answer holds at most

_Answer = TypeVar("_Answer", bound=BaseModel)
Amount = Annotated[float, Field(allow_inf_nan=False)]


class _Position(BaseModel):
    symbol: str
    side: str = ""
    size: Amount | None = None
    price: Amount | None = None
    profit: Amount | None = None

    def plain(self) -> Position:
        value = None if self.size is None or self.price is None else self.size * self.price
        return Position(self.symbol, self.side, value, self.profit)


class _State(BaseModel):
    state: str
    open_positions: list[_Position] | None = None
    pending_orders: int | None = None
    last_trade_id: int | None = None


class _Trade(BaseModel):
    symbol: str
    side: str
    opened_at: Amount
    closed_at: Amount
    profit: Amount


class _Trades(BaseModel):
    trades: list[_Trade]


class HttpAdapter:
    """Speaks the bot API: bearer token, control verbs with idempotency keys."""

    verbs = frozenset(Verb) - {Verb.RELOAD}

    def __init__(self, bot: HttpBot, timeout: float) -> None:
        self._url = str(bot.url).rstrip("/")
        self._token_file = bot.token_file
        self._timeout = timeout

    def restart(self, wait: float, key: str) -> Outcome:
        """Ask whoever supervises the bot to stop it, wait, and start it."""
        return self._control("restart", {"wait": wait}, key, self._timeout + wait)

    def answers(self) -> Outcome:
        """Return done when the bot says its state."""
        answer = self._call("GET", "state")
        return answer if isinstance(answer, Outcome) else Outcome.ok(_said("GET", "state", answer))

    def carry_out(self, order: Order, key: str) -> Outcome:
        """Send the verb; the same order under the same key is done once, however often it is sent."""
        if order.verb not in self.verbs:
            return Outcome.cannot(f"the bot API has no {order.verb}")
        once = None if order.verb in _KEYLESS else f"{key}-{order.verb}"
        return self._control(order.verb, order.arguments(), once, self._timeout)

    def standing(self) -> Standing | Outcome:
        """Return what the bot says of itself now."""
        state = self._get(_State, "state")
        if isinstance(state, Outcome):
            return state
        held = state.open_positions
        positions = None if held is None else tuple(position.plain() for position in held)
        return Standing(state.state, positions, state.pending_orders)

    def trades(self, limit: int) -> tuple[Trade, ...] | Outcome:
        """Return the last closed trades; the bot's ids tell which those are."""
        state = self._get(_State, "state")
        if isinstance(state, Outcome):
            return state
        limit = min(limit, _PAGE)
        since = max(0, (state.last_trade_id or 0) - limit)
        page = self._get(_Trades, f"trades?since_id={since}&limit={limit}")
        if isinstance(page, Outcome):
            return page
        return tuple(Trade(t.symbol, t.side, t.opened_at, t.closed_at, t.profit) for t in page.trades)

    def _control(self, verb: str, arguments: dict[str, object], key: str | None, timeout: float) -> Outcome:
        # An exchange that refused to close something may take it later; what was reduced must not be again.
        passing = verb == Verb.CLOSE_POSITIONS
        answer = self._call("POST", f"control/{verb}", arguments, key, timeout, passing)
        return answer if isinstance(answer, Outcome) else Outcome.ok(_detail(verb, answer))

    def _get(self, kind: type[_Answer], path: str) -> _Answer | Outcome:
        answer = self._call("GET", path)
        if isinstance(answer, Outcome):
            return answer
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "the body"
            return Outcome.failed(f"GET {path}: {where} cannot be read; see docs/bot-api.md")

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, object] | None = None,
        key: str | None = None,
        timeout: float | None = None,
        passing: bool = False,
    ) -> requests.Response | Outcome:
        """Return a good answer, or what a bad one means: whether trying again makes sense.

        A 409 is a refusal as things are; `passing` says that things may be otherwise soon.
        """
        try:
            token = self._token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            return Outcome.failed(f"{self._token_file} cannot be read: {type(error).__name__}")
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        try:
            answer = requests.request(
                method,
                f"{self._url}/api/v1/{path}",
                json=body,
                headers=headers,
                timeout=timeout or self._timeout,
            )
        except requests.RequestException as error:
            return Outcome.retry(f"{method} {path}: {type(error).__name__}")
        if answer.ok:
            return answer
        said = _said(method, path, answer)
        if answer.status_code in (404, 405, 501):
            return Outcome.cannot(said)
        again = answer.status_code >= 500 or (passing and answer.status_code == 409)
        return Outcome.retry(said) if again else Outcome.failed(said)


def _said(method: str, path: str, answer: requests.Response) -> str:
    return f"{method} {path}: {answer.status_code} {answer.text[:300]}"


def _detail(verb: str, answer: requests.Response) -> str:
    """Return the bot's own sentence where its answer has one."""
    try:
        return f"{verb}: {str(answer.json()['detail'])[:300]}"
    except (ValueError, KeyError, TypeError):
        return _said("POST", f"control/{verb}", answer)
