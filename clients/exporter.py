"""Reads a bot's closed trades from the exporter."""

import math
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from clients.http import NoAnswer, ask
from clients.stack_requests import stack_request
from clients.trading import Side, Trade
from stack.settings import Settings


class TradesUnavailable(Exception):
    """The exporter returned no trades; the message says why."""


@dataclass(frozen=True)
class ClosedTrades:
    """Trades, oldest first, and the number of older ones that did not fit into the answer.

    `capital` is the equity before the very first trade and before transfers, None if unknown.
    """

    trades: tuple[Trade, ...]
    left_out: int
    capital: float | None


class _Refusal(BaseModel):
    detail: str


class _Trade(BaseModel):
    symbol: str
    side: Side
    opened_at: float
    closed_at: float
    profit: float
    stake: float | None = None


class _Answer(BaseModel):
    trades: list[_Trade]
    total: int
    capital: float | None


def told_trades(settings: Settings, bot: str, start: float, end: float, timeout: float) -> ClosedTrades:
    """Return the trades that closed from one unix time until before another. Raises TradesUnavailable.

    Their keys are unique only within this answer.
    """
    url = f"{settings.exporter_of(bot).url}/api/v1/bots/{quote(bot, safe='')}/trades"
    token = settings.webhook_actions.tokens.read_file
    query = {"start": start} | ({"end": end} if math.isfinite(end) else {})
    try:
        answer = ask(stack_request(settings.web, "GET", url, timeout, token_file=token, query=query))
        if not answer.ok:
            raise TradesUnavailable(f"the exporter at {url} answered {answer.status}{_reason(answer.body)}")
        said = _Answer.model_validate_json(answer.body)
    except (NoAnswer, OSError) as error:
        raise TradesUnavailable(f"the exporter at {url} does not answer ({error})") from None
    except ValidationError:
        raise TradesUnavailable(f"the answer of the exporter at {url} is no list of trades") from None
    trades = tuple(
        Trade(key=(place, row.opened_at), **row.model_dump()) for place, row in enumerate(said.trades)
    )
    return ClosedTrades(trades, said.total - len(trades), said.capital)


def _reason(body: bytes) -> str:
    try:
        return f": {_Refusal.model_validate_json(body).detail}"
    except ValidationError:
        return ""  # a proxy's own page
