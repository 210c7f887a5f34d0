"""The wheel is complete: it makes, checks and renders a first monitoring.yaml without a checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stack import VERSION

ROOT = Path(__file__).parents[2]
CODE = ("stack", "clients", "exporter", "grafana", "webhook_actions", "demo_bot")
BESIDE = ("prometheus", "alertmanager", "blackbox", "docs")
NOT_IN_IT = (".png", ".svg")  # pictures of the docs; a test below checks the page's own icon


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a space in its name into which the wheel was unpacked."""
    source = tmp_path_factory.mktemp("source")
    for name in (*CODE, *BESIDE):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    site = tmp_path_factory.mktemp("the site")
    build = f"from setuptools import build_meta; print(build_meta.build_wheel({str(site)!r}))"
    built = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = site.glob("*.whl")
    assert wheel.name == f"nightdesk-{VERSION}-py3-none-any.whl"
    zipfile.ZipFile(wheel).extractall(site / "lib")
    return site / "lib"


def test_each_file_of_the_packages_and_beside_them_is_in_it(site: Path):
    for names, inside in ((CODE, site), (BESIDE, site / "nightdesk_data")):
        for name in names:
            files = [file.relative_to(ROOT) for file in (ROOT / name).rglob("*") if file.is_file()]
            wanted = {
                file for file in files if "__pycache__" not in file.parts and file.suffix not in NOT_IN_IT
            }
            assert wanted
            assert [str(file) for file in sorted(wanted) if not (inside / file).is_file()] == []
    assert (site / "webhook_actions/page/static/icon.svg").is_file()


def test_it_makes_checks_and_renders_settings_in_an_empty_directory(site: Path, tmp_path: Path):
    def run(*words: str, code: int = 0) -> str:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "stack.cli", *words], cwd=tmp_path, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": str(site)},
        )  # fmt: skip
        assert ended.returncode == code, ended.stderr
        return ended.stdout + ended.stderr

    mail = ("--email", "me@example.org", "--smtp", "smtp.example.org")
    run("init", "--source", "push", "--capital", "1000", *mail)
    assert "my_bot: push" in run("check")
    (tmp_path / "secrets/act_token").unlink()
    told = run("check", code=2)
    assert "does not exist; `nightdesk up` writes it" in told
    assert "`make" not in told, "a wheel has no Makefile"
    (tmp_path / "secrets/act_token").write_text("token")
    assert run("render") == "rendered build\n"
    rules = (tmp_path / "build/prometheus/rules").glob("*.yml")
    assert any("TradingBotDown" in file.read_text() for file in rules)
    assert list((tmp_path / "build/grafana").rglob("*.json"))
