"""Types that read a bot's answer leniently: a bad value is refused and counted, the rest stays."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

_LARGEST = 1e18  # the largest figure: its sums, ratios and squares are still finite
_LATEST_TIME = 1e11  # seconds; a larger time was written in milliseconds
_REASONS = {
    "finite_number": "not_finite",
    "float_type": "wrong_type",
    "int_type": "wrong_type",
    "bool_type": "wrong_type",
    "string_type": "wrong_type",
    "list_type": "wrong_type",
    "dict_type": "wrong_type",
    "model_type": "wrong_type",
    "model_attributes_type": "wrong_type",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "string_too_long": "out_of_range",
    "string_too_short": "out_of_range",
    "order": "out_of_range",
    "literal_error": "unknown_value",
    "missing": "missing",
}
_WAYS_OUT = {
    "not_finite": "leave out an unknown field",
    "wrong_type": "send that type, without quotes around a number",
    "out_of_range": "times are unix seconds, ratios 0 to 1",
    "missing": "send a whole trade, after it has closed",
}
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """Why a value was refused: a label, and a sentence with the field, the value and the way out."""

    reason: str
    text: str


def problems(error: ValidationError, where: str = "") -> list[Problem]:
    """Return every problem; `where` names the object of the fields."""
    found = []
    for each in error.errors(include_url=False, include_context=False):
        reason = _REASONS.get(each["type"], "malformed")
        field = ".".join(str(step) for step in (where, *each["loc"]) if step != "") or "the whole"
        value = "" if each["type"] == "missing" else f" {str(each['input'])[:80]!r}:"
        way_out = _WAYS_OUT.get(reason, "see docs/bot-api.md")
        found.append(Problem(reason, f"{field}:{value} {each['msg']}; {way_out}"))
    return found


def first_problem(error: ValidationError) -> str:
    """Return the first problem, for a message that has room for one."""
    return problems(error)[0].text


class Input:
    """Counts the refused values of one bot's answers, by reason since the start, and the values over the cap
    at this poll. `strict` raises ValidationError with all problems instead of leaving values out.
    """

    def __init__(self, cap: int, *, strict: bool = False) -> None:
        self.cap = cap
        self.strict = strict
        self.pushes: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.over_cap: dict[str, int] = {}

    def start_poll(self) -> None:
        """Forget the values of the previous poll."""
        self.examples.clear()
        self.over_cap.clear()

    def reject(self, reason: str, example: str) -> None:
        """Count one refused value; `example` names the field and the value."""
        self.rejected[reason] += 1
        self.examples.setdefault(reason, example[:200])

    def absorb(self, other: "Input") -> None:
        """Take over the counts of another Input, which restarts from 0; its numbers over the cap stay."""
        self.rejected.update(other.rejected)
        self.pushes.update(other.pushes)
        for reason, example in other.examples.items():
            self.examples.setdefault(reason, example)
        self.over_cap |= other.over_cap
        other.rejected.clear()
        other.pushes.clear()
        other.examples.clear()

    def capped(self, what: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return at most `cap` of the values, always the same ones, and count the rest."""
        if len(values) <= self.cap:
            return values
        self.over_cap[what] = len(values) - self.cap
        return {name: values[name] for name in sorted(values)[: self.cap]}

    def read(self, model: type[_Model], data: object) -> _Model:
        """Return the data as the model. Raises ValidationError if its shape is wrong as a whole."""
        return model.model_validate(data, context=self)


def _or_absent(value: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    """Return the value, or None after counting its refusal."""
    if value is None:
        return None
    found: Input | None = info.context  # None if nobody counts refusals
    if found is not None and found.strict:
        return validate(value)
    try:
        return validate(value)
    except ValidationError as error:
        if found is None:
            return None
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(step) for step in (info.field_name, *first["loc"]))
        reason = _REASONS.get(first["type"], "malformed")
        found.reject(reason, f"{where}: {str(first['input'])[:80]!r}: {first['msg']}")
        return None


def _capped(value: object, info: ValidationInfo) -> object:
    found: Input | None = info.context
    return found.capped(str(info.field_name), value) if found and isinstance(value, dict) else value


def _flag(value: object) -> object:
    return float(value) if isinstance(value, bool) else value


Lenient = WrapValidator(_or_absent)
Capped = BeforeValidator(_capped)
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _tame(value: float) -> float:
    """Return 0 for a number next to 0: a division by that number could overflow."""
    return 0.0 if abs(value) < 1 / _LARGEST else value


_Finite = Annotated[
    float, Field(strict=True, allow_inf_nan=False, ge=-_LARGEST, le=_LARGEST), AfterValidator(_tame)
]
Real = Annotated[_Finite | None, Lenient]
Positive = Annotated[Annotated[_Finite, Field(ge=0)] | None, Lenient]
Price = Annotated[Annotated[_Finite, Field(gt=0)] | None, Lenient]
Ratio = Annotated[Annotated[_Finite, Field(ge=0, le=1)] | None, Lenient]
Time = Annotated[Annotated[_Finite, Field(ge=0, le=_LATEST_TIME)] | None, Lenient]
Flag = Annotated[Annotated[_Finite, Field(ge=0, le=1)] | None, BeforeValidator(_flag), Lenient]
Count = Annotated[Annotated[int, Field(strict=True, ge=0, le=2**63)] | None, Lenient]
# Required fields: without one its whole row is refused.
Needed = _Finite
NeededTime = Annotated[_Finite, Field(ge=0, le=_LATEST_TIME)]
NeededId = Annotated[int, Field(strict=True, ge=0, le=2**63)]


class Answer(BaseModel):
    """A part of a bot's answer. It ignores unknown keys, since newer bots send more."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())
