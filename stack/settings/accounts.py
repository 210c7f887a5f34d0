"""Settings of accounts: bots that trade one, what they may lose together, and the key that sees it."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from stack.settings.limits import Day, LossLimit
from stack.settings.types import Between, Number, Plain, RealTime, SecretFile, Section, Url

Share = Annotated[float, Between(0.0001, 0.5), Plain]


class AccountExchange(Section):
    """The account at its exchange, and a key that may only read it; docs/exchange.md.

    It is asked every `interval`. A difference counts after `settle`, the time that a bot takes at most to
    know of its own fill. `tolerate` names markets that the owner's own hands trade. `size` is the share by
    which a position, `balance` by which the account's money within a day, may differ; a position worth less
    than `dust` is none. `url` stands before every path: a testnet, or a proxy.
    """

    venue: Literal["binance", "binanceusdm"]
    key_file: SecretFile
    secret_file: SecretFile
    interval: Annotated[RealTime, Between("10s", "10m")] = RealTime(30)
    settle: Annotated[RealTime, Between("1s", "10m")] = RealTime(10)
    tolerate: tuple[Annotated[str, StringConstraints(min_length=2, max_length=64)], ...] = ()
    size: Share = 0.01
    balance: Share = 0.02
    dust: Annotated[float, Between(0.0, 1e6), Plain] = 5.0
    url: Url | None = None


class Account(Section):
    """Bots that trade one account. Their losses are added up; `capital` is theirs together unless given."""

    bots: Annotated[list[str], Field(min_length=1)]
    capital: Number | None = None
    day: Day = Day()
    limits: Annotated[list[LossLimit], Field(min_length=1, default_factory=list)]
    exchange: AccountExchange | None = None

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        if not self.limits and self.exchange is None:
            raise PydanticCustomError("effect", "has neither limits nor an exchange; write one of them", {})
        return self
