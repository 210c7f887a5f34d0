"""Settings of the edge watch: what a bot's live trades are compared with."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from stack.settings.types import Between, FilePath, Plain, Section

LEAST_TRADES = 30


class FreqtradeReference(Section):
    """A result of Freqtrade's backtesting, `.json` or `.zip`; `strategy` names one of several in it."""

    type: Literal["freqtrade"]
    file: FilePath
    strategy: str | None = None


class CsvReference(Section):
    """A table of trades, one a line (docs/edge.md)."""

    type: Literal["csv"]
    file: FilePath


class OwnReference(Section):
    """The bot's own first trades, which are then not compared."""

    type: Literal["own"]
    trades: Annotated[int, Between(LEAST_TRADES, 100_000), Plain]


Reference = Annotated[FreqtradeReference | CsvReference | OwnReference, Field(discriminator="type")]


class Edge(Section):
    """Compares the trades that closed from `since` on, without it all, with a reference."""

    reference: Reference
    since: AwareDatetime | None = None
