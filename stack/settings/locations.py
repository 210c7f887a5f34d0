"""Finds where a setting is written, so that what is said about it names the file and the line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml


def located(problems: Sequence[str], files: Sequence[Path]) -> list[str]:
    """Return each problem, `path: what is wrong`, with `file:line: ` before it where a file has the path.

    Of a path that no file has, the nearest block around it counts.
    """
    places: dict[str, str] = {}
    for file in files:  # each is laid over the one before
        places |= dict(_places_of_all(file, files[0].absolute().parent))
    return [f"{place}: {line}" if (place := _place(line, places)) else line for line in problems]


def _place(problem: str, places: dict[str, str]) -> str | None:
    path = problem.partition(": ")[0]
    while path and path not in places:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return places.get(path)


def _places_of_all(file: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Yield the places of a settings file, and of the files in its directory of bots."""
    node = _composed(file)
    yield from _places(node, "", file)
    directory = next((each.value for key, each in _pairs(node) if key.value == "bots_directory"), None)
    if isinstance(directory, str):
        for each in sorted((root / directory).glob("[!.]*.yaml")):
            yield from _places(_composed(each), "bots", each)


def _composed(file: Path) -> yaml.Node | None:
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):  # whoever read it before has said so
        return None


def _places(node: yaml.Node | None, path: str, file: Path) -> Iterator[tuple[str, str]]:
    for key, value in _pairs(node):
        where = f"{path}.{key.value}".lstrip(".")
        yield where, f"{file}:{key.start_mark.line + 1}"
        yield from _places(value, where, file)
    if isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield f"{path}[{index}]", f"{file}:{value.start_mark.line + 1}"
            yield from _places(value, f"{path}[{index}]", file)


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return [(key, value) for key, value in pairs if isinstance(key, yaml.ScalarNode)]
