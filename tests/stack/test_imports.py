"""Imports run one way, as the design draws them."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("exporter", "webhook_actions", "grafana", "demo_bot")
SHARED = ("stack", "clients")
# Inside webhook_actions, from top to bottom: each level imports itself and those below.
LEVELS = (
    ("__main__", "reload", "service", "app", "table"),
    ("web", "page"),
    ("engine", "escalation"),
    ("actions", "bots", "notify", "outgoing", "store", "report", "findings"),
    ("outcome", "payload", "metrics"),
)
# The exceptions, and why.
ALLOWED = {
    ("report", "web"),  # the reports' own HTTP routes
    ("report", "page"),
    ("metrics", "store"),  # two gauges are counted in the database
    ("outcome", "report"),  # an outcome may carry reports
    ("store", "outcome"),
}


def imported(source: str) -> Iterator[str]:
    """Yield the modules that a source imports anywhere."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def level(part: str) -> int | None:
    return next((number for number, names in enumerate(LEVELS) if part in names), None)


def wrong(package: str, part: str, source: str) -> list[str]:
    """Return the imports of a file of `package`, in its part `part`, that the design does not allow."""
    found = []
    for name in imported(source):
        top, *rest = name.split(".")
        other_service = top in SERVICES and top != package
        if other_service or (package in SHARED and top in SERVICES):
            found.append(name)
        elif package == "webhook_actions" and top == package and rest:
            above, below = level(part), level(rest[0])
            if below is None or above is None:
                continue
            if below < above and (part, rest[0]) not in ALLOWED:
                found.append(name)
    return found


def files() -> Iterator[tuple[str, str, Path]]:
    for package in (*SERVICES, *SHARED):
        for file in sorted((ROOT / package).rglob("*.py")):
            yield package, file.relative_to(ROOT / package).parts[0].removesuffix(".py"), file


def test_imports_run_one_way() -> None:
    found = {
        str(file.relative_to(ROOT)): bad
        for package, part, file in files()
        if (bad := wrong(package, part, file.read_text(encoding="utf-8")))
    }
    # `nightdesk` starts the services and the exporter's programs by name only.
    found = {file: bad for file, bad in found.items() if not file.startswith("stack/")}
    assert found == {}


def test_one_module_alone_imports_grafanalib() -> None:
    found = [
        str(file.relative_to(ROOT))
        for folder in ("grafana", "stack", "tests")
        for file in (ROOT / folder).rglob("*.py")
        if any(name.split(".")[0] == "grafanalib" for name in imported(file.read_text(encoding="utf-8")))
    ]
    assert found == ["grafana/grafanalib_extensions.py"]


def test_every_part_of_webhook_actions_has_its_level() -> None:
    parts = {part for package, part, _ in files() if package == "webhook_actions"} - {"__init__"}
    assert parts == {name for names in LEVELS for name in names}


@pytest.mark.parametrize(
    ("package", "part", "source"),
    [
        ("exporter", "bot", "from webhook_actions.store import runs"),
        ("clients", "prometheus", "def late():\n    import exporter.bot"),
        ("webhook_actions", "store", "from webhook_actions.engine.decide import decide"),
        ("webhook_actions", "notify", "from webhook_actions.escalation import policy"),
        ("webhook_actions", "engine", "from webhook_actions.web.auth import Tokens"),
    ],
)
def test_a_wrong_import_is_found(package: str, part: str, source: str) -> None:
    assert wrong(package, part, source)


def test_packages_of_webhook_actions_import_each_other_in_no_circle() -> None:
    edges = defaultdict[str, set[str]](set)
    for package, part, file in files():
        if package == "webhook_actions" and level(part) in (1, 2):
            names = (name.split(".") for name in imported(file.read_text(encoding="utf-8")))
            edges[part] |= {n[1] for n in names if n[0] == package and len(n) > 1 and n[1] != part}
    circles = {(one, other) for one in edges for other in edges[one] if one in edges.get(other, set())}
    assert circles == set()
