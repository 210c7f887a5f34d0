"""Finds the file and line of a setting, for messages about it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml


def located(problems: Sequence[str], files: Sequence[Path]) -> list[str]:
    """Return each problem, `path: what is wrong`, with `file:line: ` in front if a file has the path.

    If no file has the path, the nearest block around it counts.
    """
    places: dict[str, str] = {}
    for file in files:  # later files override earlier ones
        places |= dict(_places_of_all(file, files[0].absolute().parent))
    return [f"{place}: {line}" if (place := _place(line, places)) else line for line in problems]


def _place(problem: str, places: dict[str, str]) -> str | None:
    path = problem.partition(": ")[0]
    while path and path not in places:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return places.get(path)


def _places_of_all(file: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Yield the places in a settings file, and in the files of its directory of bots."""
    node = _composed(file)
    yield from _places(node, "", file)
    directory = next((each.value for key, each in _pairs(node) if key.value == "bots_directory"), None)
    if isinstance(directory, str):
        for each in sorted((root / directory).glob("[!.]*.yaml")):
            yield from _places(_composed(each), "bots", each)


def _composed(file: Path) -> yaml.Node | None:
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):  # the error was reported when the file was loaded
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
