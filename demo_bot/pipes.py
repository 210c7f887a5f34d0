"""Types the messages between supervisor and trading process: a JSON object a line, over two pipes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

LINE_LIMIT = 64 * 1024 * 1024  # bytes; a thousand trades take half a megabyte


class Ask(BaseModel):
    """A request without arguments."""

    id: int = 0
    do: Literal["state", "faults"]


class AskTrades(BaseModel):
    """Requests a page of closed trades."""

    id: int = 0
    do: Literal["trades"] = "trades"
    since_id: int
    limit: int


class AskControl(BaseModel):
    """Requests a verb; a known key gets the stored answer, and nothing else happens."""

    id: int = 0
    do: Literal["control"] = "control"
    verb: str
    arguments: dict[str, Any]
    key: str | None = None


class AskFault(BaseModel):
    """Switches a fault on with arguments, or off with None."""

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
