"""Reads the layers of the settings (defaults, profile, monitoring.yaml, overlays) into one Settings."""

import argparse
import math
import re
import types
from collections.abc import Hashable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stack.failure import Failure
from stack.settings.consistency import contradictions, strangers
from stack.settings.locations import located
from stack.settings.model import Settings
from stack.settings.services import Address, Replicated
from stack.settings.types import Duration

_HERE = Path(__file__).parent.parent
DEFAULTS = _HERE / "defaults.yaml"
PROFILES = _HERE / "profiles"
# Former settings, and what to write instead.
GONE = {"performance.tracking.retention": "remove it; storage.retention says how long figures are kept"}
# Settings that people expect but that do not exist: why, and what to use instead.
REFUSED = {
    "dashboards.layout": "panels fill their rows by themselves; dashboards.sizes says how large they are",
    "dashboards.retention": "dashboards show what Prometheus has; storage.retention says how long that is",
}
_PASSWORD = re.compile(r":\S*@")  # the pydantic error of a malformed URL
DEFAULT_CONFIG = Path("monitoring.yaml")


class _OnceLoader(yaml.SafeLoader):
    """Refuses a key that is written twice; YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping. Raises yaml.constructor.ConstructorError, which names the line."""
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} is written twice in one block", key.start_mark
                )
        return super().construct_mapping(node, deep)


class SettingsError(Failure):
    """Unusable settings. `problems` has a line for each, with path, value and way out.

    The text also names file and line of settings that stand in one of `files`.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[str], files: Sequence[Path] = ()) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(located(self.problems, files) if files else self.problems))


def load(
    paths: Sequence[Path | str] = (DEFAULT_CONFIG,), *, port_offset: int = 0, speed: float = 1.0
) -> Settings:
    """Return the settings of the files; later files override earlier ones.

    Relative paths are relative to the first file. `port_offset` is added to every port; `speed` divides every
    wait, but no time-out, latency limit or retention. Raises SettingsError.
    """
    if not 0 < speed < math.inf:
        raise SettingsError([f"--speed: {speed:g} is not a number above 0"])
    files = [Path(path) for path in paths]
    try:
        settings = _load(files, port_offset)
    except SettingsError as error:
        raise SettingsError(error.problems, files) from None
    return settings if speed == 1.0 else faster(settings, speed)


def _load(files: Sequence[Path], port_offset: int) -> Settings:
    given: dict[str, Any] = {}
    for file in files:
        given = lay_over(given, _read(file))
    defaults = _read(DEFAULTS)
    if problems := strangers(given, defaults):
        raise SettingsError(problems)
    data = lay_over(lay_over(defaults, _profile(given.get("profile", defaults["profile"]))), given)
    root = files[0].absolute().parent
    _add_bots(data, root)
    _shift_ports(data, port_offset)
    try:
        settings = Settings.model_validate(data, context={"root": root})
    except ValidationError as error:
        details = error.errors(include_url=False)
        # This default is made from a wrong field, which has its own error.
        told = [_line(detail) for detail in details if detail["type"] != "default_factory_not_called"]
        raise SettingsError(told) from None
    if problems := contradictions(settings):
        raise SettingsError(problems)
    return settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that give every service its settings."""
    parser.add_argument(
        "--config",
        action="append",
        metavar="FILE",
        type=Path,
        help="settings file; with several, later ones override earlier ones",
    )
    parser.add_argument("--port-offset", type=int, default=0, metavar="N", help="added to every port")
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="divides every wait, for drills and tests"
    )


def from_arguments(arguments: argparse.Namespace) -> Settings:
    """Return the settings that the options of `add_arguments` name. Raises SettingsError."""
    return load(
        arguments.config or [DEFAULT_CONFIG], port_offset=arguments.port_offset, speed=arguments.speed
    )


def add_replica(parser: argparse.ArgumentParser) -> None:
    """Add the option that tells a process of a replicated part its number."""
    parser.add_argument(
        "--replica", type=int, default=1, metavar="N", help="which of the part's `replicas` this is, from 1"
    )


def replica_of(part: Replicated, number: int) -> Address:
    """Return the address of a process of a part. Raises SettingsError."""
    if not 1 <= number <= len(part.all):
        raise SettingsError(
            [f"--replica: {number} is not in 1–{len(part.all)}, the replicas in the settings"]
        )
    return part.all[number - 1]


def _read(file: Path) -> dict[str, Any]:
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), _OnceLoader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise SettingsError([f"{file}: no such file; name another with --config"]) from None
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: invalid bytes, or an invalid date
        raise SettingsError([f"{file}: cannot be read: {error}"]) from None
    if data is not None and not isinstance(data, dict):
        raise SettingsError(
            [f"{file}: holds a {type(data).__name__}; it must hold keys and values, as monitoring.yaml does"]
        )
    return data or {}


def _profile(name: object) -> dict[str, Any]:
    file = PROFILES / f"{name}.yaml"
    return _read(file) if isinstance(name, str) and file.is_file() else {}  # the model reports an invalid one


def lay_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` overridden by `above`: mappings are merged, anything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = lay_over(merged[key], value) if both else value
    return merged


def _add_bots(data: dict[str, Any], root: Path) -> None:
    """Add the bots from files of their own. Raises SettingsError for a bot in two places."""
    named, bots = data["bots_directory"], data["bots"]
    if not isinstance(named, str) or not isinstance(bots, dict):
        return  # or the model refuses it
    directory = root / named
    if not directory.is_dir():
        raise SettingsError([f"bots_directory: {directory} is not a directory; create it, or write null"])
    place = dict.fromkeys(bots, "bots")
    for file in sorted(directory.glob("[!.]*.yaml")):
        found = _read(file)
        if isinstance(inner := found.get("bots"), dict) and "source" not in inner:
            raise SettingsError([f"{file}: bots: is not allowed in a file of bots_directory; remove it"])
        if twice := [name for name in found if name in place]:
            raise SettingsError(
                [f"{file}: {name} is in {place[name]} already; name it once" for name in twice]
            )
        place |= dict.fromkeys(found, str(file))
        bots = bots | found
    data["bots"] = bots


def _shift_ports(data: dict[str, Any], offset: int) -> None:
    services = data["services"]
    for service in services.values() if isinstance(services, dict) else ():
        replicas = service.get("replicas") if isinstance(service, dict) else None
        for each in (service, *(replicas if isinstance(replicas, list) else ())):
            if isinstance(each, dict) and type(each.get("port")) is int:  # True is none, and refused later
                each["port"] += offset


def faster(value: Any, speed: float) -> Any:  # noqa: ANN401 - walks whatever the settings hold
    """Return settings, or a part of them, with every wait divided."""
    if isinstance(value, Duration):
        return type(value)(value / speed) if value.scaled else value
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: faster(part, speed) for name, part in value})
    if isinstance(value, dict):
        return {key: faster(part, speed) for key, part in value.items()}
    if isinstance(value, list):
        return [faster(part, speed) for part in value]
    return value


def _line(detail: ErrorDetails) -> str:
    """Return an error as `path: what is wrong and what is allowed`."""
    path, keys = _path(detail["loc"])
    message = detail["msg"]
    if detail["type"] == "extra_forbidden":
        if path in GONE:
            return f"{path}: is no longer a setting; {GONE[path]}"
        if path in REFUSED:
            return f"{path}: is not a setting; {REFUSED[path]}"
        near = get_close_matches(str(detail["loc"][-1]), keys, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(keys))}"
        return f"{path}: is not a setting; {hint}"
    if detail["type"] == "missing":
        return f"{path}: is missing"
    if detail["type"] in (
        "between",
        "duration",
        "size",
        "number",
        "time",
        "timezone",
        "day",
        "expression",
        "path",
        "credentials",
        "address",
    ):
        return f"{path}: {message}"
    if detail["type"] == "union_tag_invalid":
        return f"{path}.type: {detail['ctx']['tag']!r} is not one of {detail['ctx']['expected_tags']}"
    if detail["type"] == "union_tag_not_found":
        return f"{path}.type: is missing"
    if detail["type"] in ("dict_type", "model_type", "model_attributes_type"):
        if detail["input"] is None:
            return f"{path}: has nothing below it; write `key: value` below it, or remove it"
        return f"{path}: must hold keys and values, not a single value or a list"
    if isinstance(
        detail["input"], (dict, list)
    ):  # a whole block may contain a secret that someone wrote there by mistake
        return f"{path}: {message}"
    shown = _PASSWORD.sub(":…@", repr(detail["input"]))
    return f"{path}: {shown}: {message}"


def _path(location: tuple[int | str, ...]) -> tuple[str, list[str]]:
    """Return a location as the file writes it, and the keys that are known at its end."""
    model: Any = Settings
    path, keys = "", []
    for step in location:
        members = list(_members(model))
        tagged = [member for member in members if _tag(member) == step]
        if tagged:  # pydantic's location names the chosen kind, which the file writes as `type:`
            model = tagged[0]
            continue
        fields = {
            field.alias or name: field.annotation
            for member in members
            if _is_model(member)
            for name, field in member.model_fields.items()
        }
        keys = list(fields)
        model = fields[step] if step in fields else _item(members)
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path, keys


def _members(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - a type, as typing spells them
    """Yield the alternatives of an annotation, without Annotated, Optional and Union."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _members(part)
    else:
        yield annotation


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tag(annotation: Any) -> object:  # noqa: ANN401 - a type
    """Return the value of a model's `type` field if that names its kind, else None."""
    if not _is_model(annotation) or "type" not in annotation.model_fields:
        return None
    kind = annotation.model_fields["type"].annotation
    return get_args(kind)[0] if get_origin(kind) is Literal else None


def _item(members: Sequence[Any]) -> Any:  # noqa: ANN401 - a type
    """Return the type of the values of a dict, list or tuple, None for anything else."""
    for member in members:
        if get_origin(member) in (dict, list, tuple):
            return [part for part in get_args(member) if part is not ...][-1]
    return None
