"""Types that read a bot's answer leniently: a bad value is refused and counted, the rest stays."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
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

_LATEST_TIME = 1e11  # seconds; what is beyond was written in milliseconds
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
    "literal_error": "unknown_value",
    "missing": "missing",
}
_Model = TypeVar("_Model", bound=BaseModel)


class Input:
    """What was refused of one bot's answers: counted by reason since the start, and over the cap just now."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.rejected: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.over_cap: dict[str, int] = {}

    def start_poll(self) -> None:
        """Forget what belongs to the poll before."""
        self.examples.clear()
        self.over_cap.clear()

    def reject(self, reason: str, example: str) -> None:
        """Count one refused value; `example` names the field and the value."""
        self.rejected[reason] += 1
        self.examples.setdefault(reason, example[:200])

    def capped(self, what: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return at most `cap` of the values, always the same ones, and note how many were left."""
        if len(values) <= self.cap:
            return values
        self.over_cap[what] = len(values) - self.cap
        return {name: values[name] for name in sorted(values)[: self.cap]}

    def read(self, model: type[_Model], data: object) -> _Model:
        """Return the data as the model. Raises ValidationError where it is of another shape altogether."""
        return model.model_validate(data, context=self)


def _or_absent(value: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    """Return the value, or None after noting why it was refused."""
    if value is None:
        return None
    try:
        return validate(value)
    except ValidationError as error:
        found: Input = info.context  # type: ignore[assignment]  # every model is read through Input.read
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(step) for step in (info.field_name, *first["loc"]))
        reason = _REASONS.get(first["type"], "malformed")
        found.reject(reason, f"{where}: {str(first['input'])[:80]!r}: {first['msg']}")
        return None


def _capped(value: object, info: ValidationInfo) -> object:
    found: Input = info.context  # type: ignore[assignment]  # every model is read through Input.read
    return found.capped(str(info.field_name), value) if isinstance(value, dict) else value


def _flag(value: object) -> object:
    return float(value) if isinstance(value, bool) else value


Lenient = WrapValidator(_or_absent)
Capped = BeforeValidator(_capped)
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]

_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Real = Annotated[_Finite | None, Lenient]
Positive = Annotated[Annotated[_Finite, Field(ge=0)] | None, Lenient]
Ratio = Annotated[Annotated[_Finite, Field(ge=0, le=1)] | None, Lenient]
Time = Annotated[Annotated[_Finite, Field(ge=0, le=_LATEST_TIME)] | None, Lenient]
Flag = Annotated[Annotated[_Finite, Field(ge=0, le=1)] | None, BeforeValidator(_flag), Lenient]
Count = Annotated[Annotated[int, Field(strict=True, ge=0, le=2**63)] | None, Lenient]
# What a row cannot do without: its whole row is refused.
Needed = _Finite
NeededTime = Annotated[_Finite, Field(ge=0, le=_LATEST_TIME)]
NeededId = Annotated[int, Field(strict=True, ge=0, le=2**63)]


class Answer(BaseModel):
    """A part of a bot's answer; unknown keys are left alone, since bots grow."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())
