"""Writes the JSON Schema of monitoring.yaml, with which an editor completes and checks it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from stack.printing import show_json
from stack.settings import Settings
from stack.settings.load import DEFAULTS

_FILLED_IN = ("control", "restart")  # of a bot: its source, if nothing else is given


@click.command()
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors."""
    show_json(user_schema())


def write_schema(data: Path) -> Path:
    """Write the schema into a data directory; a line of the settings file points the editor there."""
    file = data / "schema.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(user_schema()), encoding="utf-8")
    return file


def user_schema() -> dict[str, Any]:
    """Return the schema of the user's file, in which keys with a default are optional."""
    schema = Settings.model_json_schema()
    defaults = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    _lift(schema, defaults, schema["$defs"])
    bot = schema["$defs"]["Bot"]
    bot["required"] = [name for name in bot["required"] if name not in _FILLED_IN]
    return schema


def _lift(schema: dict[str, Any], given: object, definitions: dict[str, Any]) -> None:
    """Remove from `required`, wherever the mapping `given` reaches, the keys that it holds."""
    if not isinstance(given, dict):
        return
    for one in _alternatives(schema, definitions):
        if "required" in one:
            one["required"] = [name for name in one["required"] if name not in given]
        for name, value in given.items():
            below = one.get("properties", {}).get(name, one.get("additionalProperties"))
            if isinstance(below, dict):
                _lift(below, value, definitions)


def _alternatives(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the object schemas behind a schema, with references and alternatives resolved."""
    if reference := schema.get("$ref"):
        yield from _alternatives(definitions[reference.rpartition("/")[2]], definitions)
    for part in schema.get("anyOf", ()):
        yield from _alternatives(part, definitions)
    if schema.get("type") == "object":
        yield schema
