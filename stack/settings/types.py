"""The value types of the settings: durations, sizes, ratios and ranges, with errors that name the value."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    HttpUrl,
    PlainSerializer,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_UNITS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$")
_SIZE = re.compile(r"^(\d+)\s?(B|kB|KB|MB|GB)$")
_SIZES = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3}


class Section(BaseModel):
    """A block of the settings file: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class Duration(float):
    """A wait or an interval in seconds, in Prometheus's syntax (`1h30m`). `--speed` divides it."""

    scaled = True

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the duration; raises PydanticCustomError for other syntax."""
        if isinstance(value, Duration):
            return cls(value)
        found = _DURATION.match(value) if isinstance(value, str) and value else None
        if found is None:
            raise PydanticCustomError(
                "duration",
                "{value} is not a duration; write it as Prometheus does: 30s, 5m, 1h30m",
                {"value": repr(value)},
            )
        counts = (int(count or 0) for count in found.groups())
        return cls(sum(count * unit for count, unit in zip(counts, _UNITS.values(), strict=True)))

    def __str__(self) -> str:
        rest = round(self * 1000)
        text = ""
        for suffix in ("d", "h", "m", "s", "ms"):
            count, rest = divmod(rest, round(_UNITS[suffix] * 1000))
            text += f"{count}{suffix}" if count else ""
        return text or "0s"

    def __repr__(self) -> str:
        return str(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": _DURATION.pattern, "examples": ["30s", "5m", "1h30m"]}


class RealTime(Duration):
    """A duration that no drill shortens: a time-out, a limit, a retention."""

    scaled = False


class Size(int):
    """Bytes, read as `100MB`."""

    @classmethod
    def parse(cls, value: object) -> "Size":
        """Return the size; raises PydanticCustomError for anything but a number and a unit."""
        found = _SIZE.match(value) if isinstance(value, str) else None
        if found is None:
            raise PydanticCustomError(
                "size",
                "{value} is not a size; write a whole number and B, kB, MB or GB: 100MB",
                {"value": repr(value)},
            )
        return cls(int(found[1]) * _SIZES[found[2]])

    def __str__(self) -> str:
        unit = next(unit for unit in ("GB", "MB", "kB", "B") if self % _SIZES[unit] == 0)
        return f"{self // _SIZES[unit]}{unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, Size) else cls.parse(value),
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": _SIZE.pattern, "examples": ["100MB"]}


@dataclass(frozen=True)
class Between:
    """Accepts `low` to `high`, inclusive. Errors show durations and sizes as the file writes them."""

    low: float | str
    high: float | str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's own signature
        parse = source.parse if isinstance(source, type) and issubclass(source, (Duration, Size)) else source
        low, high = parse(self.low), parse(self.high)

        def within(value: Any) -> Any:  # noqa: ANN401 - whatever the annotated type is
            if not low <= value <= high:
                raise PydanticCustomError(
                    "between",
                    "{value} is not in {low}–{high}",
                    {"value": str(value), "low": str(self.low), "high": str(self.high)},
                )
            return value

        return core_schema.no_info_after_validator_function(within, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        if isinstance(self.low, str):
            return schema | {"description": f"{self.low}–{self.high}"}
        return schema | {"minimum": self.low, "maximum": self.high}


def _plain_number(value: object) -> object:
    """Refuse `yes` and `true` as a number: pydantic would read them as 1."""
    if isinstance(value, (bool, str)):
        raise PydanticCustomError("number", "{value} is not a number", {"value": repr(value)})
    return value


def _below_root(value: object, info: ValidationInfo) -> object:
    """Make a relative path relative to the settings file, not to the working directory."""
    root: Path = (info.context or {}).get("root", Path())
    return root / value if isinstance(value, (str, Path)) else value


_Address = TypeVar("_Address", str, HttpUrl)


def without_credentials(url: _Address) -> _Address:
    """Refuse a URL with a user or password in it: URLs are shown to people and logged."""
    parts = urlsplit(str(url))
    if parts.password or (parts.username and parts.scheme != "ssh"):
        raise PydanticCustomError(
            "credentials",
            "has a user or password in it, and URLs are shown to people; write it into a file",
        )
    return url


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise PydanticCustomError(
            "timezone", "{name} is not a time zone; write it as Europe/Berlin", {"name": repr(name)}
        )
    return name


Url = Annotated[HttpUrl, PlainSerializer(str), AfterValidator(without_credentials)]
Plain = BeforeValidator(_plain_number)
Number = Annotated[float, Plain]
Ratio = Annotated[float, Between(0.0, 1.0), Plain]
Count = Annotated[int, Between(1, 1_000_000), Plain]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Port = Annotated[int, Between(1, 65_535), Plain]
FilePath = Annotated[Path, BeforeValidator(_below_root)]
SecretFile = Annotated[Path, BeforeValidator(_below_root)]
