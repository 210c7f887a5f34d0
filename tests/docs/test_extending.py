"""The page about extending leads to a complete metric, alert, action and panel."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import binary
from tests.docs.trial import ROOT

PAGE = "docs/extending.md"
BLOCK = re.compile(r"^```(?:python|text|jsonnet|yaml|markdown)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NEW = re.compile(r"new file,? `([^`]+)`")
PLACE = re.compile(r"in `([^`]+\.\w+)`,[^`]*?\b(after|before the panel) `([^`]+)`", re.IGNORECASE | re.DOTALL)
PARTS = (
    "alertmanager", "clients", "demo_bot", "docs", "exporter", "grafana", "prometheus", "stack", "tests",
    "webhook_actions", "pyproject.toml", "monitoring.yaml", "Makefile",
)  # fmt: skip
# In the real promtool the alert fires and is silent as its cases require.
ALERT = """
import json, sys, tempfile
from pathlib import Path
import yaml
from stack.drill.cases import cases
from stack.render import ROOT, as_data, evaluate
from stack.settings import load
from tests.rules.promtool import files, run
folder = Path(tempfile.mkdtemp())
(folder / "monitoring.yaml").write_text("profile: production\\n")
settings = load([folder / "monitoring.yaml"])
rules = folder / "rules"
rules.mkdir()
for name, made in evaluate(ROOT / "prometheus/prometheus.jsonnet", json.dumps(as_data(settings))).items():
    if name.startswith("rules/"):
        (folder / name).write_text(yaml.safe_dump(made))
own = [case for case in cases(settings) if case.alert == "TooManySymbols"]
assert len(own) >= 4, own
sys.exit(run(files(own, settings, rules, folder)) or 0)
"""


def test_what_is_added_by_the_page_is_complete(tmp_path: Path):
    binary("promtool")
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "img"))
        else:
            shutil.copy2(source, tmp_path / name)
    if (ROOT / ".tools").is_dir():
        (tmp_path / ".tools").symlink_to(ROOT / ".tools")
    (tmp_path / "production.yaml").write_text("profile: production\n")
    followed(tmp_path)
    tests = ("tests/stack/test_extending.py", "tests/exporter/test_catalogue.py")
    succeeds(tmp_path, "-m", "pytest", "-q", "-n0", *tests, "-k", "lacks or column")
    succeeds(tmp_path, "-c", ALERT)
    assert "`count_symbols`" in succeeds(tmp_path, "-m", "webhook_actions.table")
    assert "`trading_bot_symbols_traded`" in succeeds(tmp_path, "-m", "exporter.catalogue")
    built = "from pathlib import Path; from grafana.build import build; from stack.settings import load\n"
    built += "build(load(['production.yaml']), {}, Path('boards')); print('built')"
    assert "built" in succeeds(tmp_path, "-c", built)
    boards = "".join(file.read_text() for file in (tmp_path / "boards").rglob("*.json"))
    assert '"Symbols traded"' in boards


def followed(checkout: Path) -> None:
    """Carry out the paragraph of each block."""
    page, last, done = (ROOT / PAGE).read_text(), 0, 0
    for found in BLOCK.finditer(page):
        said, last, body = page[last : found.start()], found.end(), found[1]
        if new := NEW.findall(said):
            (checkout / new[-1]).write_text(body)
        else:
            name, side, anchor = PLACE.findall(said)[-1]
            lines = (checkout / name).read_text().splitlines(keepends=True)
            at = next((number for number, line in enumerate(lines) if line.startswith(anchor)), None)
            assert at is not None, f"{PAGE}: {name} has no line that begins with {anchor!r}"
            lines.insert(at + 1 if side == "after" else at - 1, body)
            (checkout / name).write_text("".join(lines))
        done += 1
    assert done == 10


def succeeds(checkout: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    ended = subprocess.run(
        [sys.executable, *words], cwd=checkout, env=environment, capture_output=True, text=True, timeout=300
    )
    if ended.returncode:
        pytest.fail(f"{words[:3]}:\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}")
    return ended.stdout
