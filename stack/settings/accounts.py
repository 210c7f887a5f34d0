"""Settings of accounts: the bots of an account, their common loss limits, and the account's key."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from stack.settings.limits import Day, LossLimit
from stack.settings.types import Between, Number, Plain, RealTime, SecretFile, Section, Url

Share = Annotated[float, Between(0.0001, 0.5), Plain]


class AccountExchange(Section):
    """The account at its exchange, and a key that may only read; see docs/exchange.md.

    Nightdesk asks it every `interval`. A difference counts after `settle`, the longest time until a bot knows
    its own fill. `tolerate` names markets that the owner trades by hand. A position may differ by the share
    `size`, the account's money by the share `balance` within a day. A position worth less than `dust` does
    not count. `url` replaces the exchange's address: a testnet, or a proxy.
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
    """Bots that trade one account.

    Their losses are added up. `capital` is by default the sum of the bots' capital.
    """

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
