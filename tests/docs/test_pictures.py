"""Pictures of README and docs are there, small, and made from packages that name no registry."""

import json
import re
from pathlib import Path

import pytest

from tests.webhook_actions.harness import ROOT

LARGEST = 300_000  # bytes
_NAMED = re.compile(r"(?:\]\(|src=\")([\w/.-]+\.png)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", [page for page in PAGES if _NAMED.search(page.read_text())], ids=str)
def test_pictures_of_a_page_are_there_and_small(page: Path) -> None:
    for name in _NAMED.findall(page.read_text()):
        picture = page.parent / name
        assert picture.exists(), name
        assert picture.stat().st_size < LARGEST, name


def test_the_readme_opens_with_the_overview_the_on_call_page_and_a_report() -> None:
    before_the_second_section = (ROOT / "README.md").read_text().split("\n## ")[0]
    shown = [name.rpartition("/")[2] for name in _NAMED.findall(before_the_second_section)]
    assert shown == ["overview.png", "incident.png", "desk.png", "report.png"]


def test_no_picture_is_left_that_no_page_shows() -> None:
    shown = {name.rpartition("/")[2] for page in PAGES for name in _NAMED.findall(page.read_text())}
    assert {one.name for one in (ROOT / "docs/img").glob("*.png")} == shown


def test_the_lock_of_what_draws_boards_names_no_registry() -> None:
    folder = ROOT / "tests/pictures/grafana"
    lock = json.loads((folder / "package-lock.json").read_text())
    packages = lock["packages"]
    assert not any("resolved" in one for one in packages.values())
    assert all("integrity" in one for path, one in packages.items() if path and not one.get("inBundle"))
    assert packages[""]["dependencies"] == json.loads((folder / "package.json").read_text())["dependencies"]
