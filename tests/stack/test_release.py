"""`make release` cuts the changelog, commits the version once, and refuses what cannot be released."""

import runpy
import subprocess
from pathlib import Path

import pytest

from stack import VERSION

ROOT = Path(__file__).parents[2]
release = runpy.run_path(str(ROOT / "deploy/release.py"))
CHANGELOG = "# Changelog\n\n## Unreleased\n\n### Changed\n\n- New.\n\n## 0.1.0 (2026-01-01)\n\n- First.\n"


def test_what_was_unreleased_becomes_the_versions_section():
    text, said = release["cut"](CHANGELOG, "0.2.0", "2026-12-01")
    assert said == "### Changed\n\n- New."
    assert "## Unreleased\n\n## 0.2.0 (2026-12-01)\n\n### Changed\n\n- New.\n\n## 0.1.0 (2026" in text
    assert release["section"](text, "0.2.0") == said
    assert release["section"](text, "0.1.0") == "- First."
    assert release["section"](text, "0.3.0") is None
    with pytest.raises(release["Refused"], match="nothing below"):
        release["cut"](text, "0.3.0", "2026-12-02")


@pytest.mark.parametrize(
    ("version", "changed", "reason"),
    [
        ("", "", "is not of the form 1.2.3"),
        ("v1.0.0", "", "is not of the form 1.2.3"),
        ("0.9.0", "", "is not above 0.10.0"),
        ("0.11.0", " M README.md", "README.md"),
        ("0.11.0", "", None),
    ],
)
def test_what_cannot_be_released_is_refused(version: str, changed: str, reason: str | None):
    told = release["refusal"](version, ["v0.1.0", "v0.10.0", "vnext"], changed)
    assert told is None if reason is None else reason in told


def test_the_version_is_committed_once_though_the_run_is_repeated(tmp_path: Path):
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack/__init__.py").write_text((ROOT / "stack/__init__.py").read_text())
    git("init", "--quiet")
    git("config", "user.name", "x")
    git("config", "user.email", "x@example.org")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    assert release["commit"](tmp_path, "9.8.7") == release["commit"](tmp_path, "9.8.7") != ""
    assert git("log", "--format=%s").split("\n")[:2] == ["Release 9.8.7", "first"]
    assert git("status", "--porcelain") == ""
    package = (tmp_path / "stack/__init__.py").read_text()
    assert 'VERSION = "9.8.7"' in package
    assert f'VERSION = "{VERSION}"' not in package
