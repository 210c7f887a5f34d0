"""Types what supervisor and trading process say to each other: a JSON object a line, over two pipes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

LINE_LIMIT = 64 * 1024 * 1024  # bytes; a thousand trades take half a megabyte


class Ask(BaseModel):
    """A request without more to say."""

    id: int = 0
    do: Literal["state", "faults"]


class AskTrades(BaseModel):
    """For a page of closed trades."""

    id: int = 0
    do: Literal["trades"] = "trades"
    since_id: int
    limit: int


class AskControl(BaseModel):
    """To carry out a verb; a key that is known gets the same answer, and nothing else happens."""

    id: int = 0
    do: Literal["control"] = "control"
    verb: str
    arguments: dict[str, Any]
    key: str | None = None


class AskFault(BaseModel):
    """To switch a fault on with arguments, or off with None."""

    id: int = 0
    do: Literal["fault"] = "fault"
    name: str
    arguments: dict[str, Any] | None


Question = Ask | AskTrades | AskControl | AskFault


class Line(BaseModel):
    """A line to the trading process."""

    question: Annotated[Question, Field(discriminator="do")]


class Answer(BaseModel):
    """A line from the trading process: an HTTP status and a body of the bot API."""

    id: int = 0
    status: int
    body: dict[str, Any]
