"""Dependencies are explained, and the image gets the versions that were tested."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def locked(file: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ ]+)", (ROOT / file).read_text(), re.MULTILINE))


def test_each_dependency_has_a_comment_that_says_what_it_is_for():
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    declared = {*project["dependencies"], *project["optional-dependencies"]["dev"]}
    commented = re.findall(r'^  "([^"]+)", # .{6,}$', text, re.MULTILINE)
    assert set(commented) == declared


def test_the_image_gets_what_was_tested_and_no_tool_of_development():
    image, tested = locked("deploy/requirements.lock"), locked("requirements.lock")
    assert image.items() <= tested.items()
    assert not {"pytest", "mypy", "ruff"} & set(image)


def test_every_locked_package_carries_hashes():
    for file in ("requirements.lock", "deploy/requirements.lock"):
        text = (ROOT / file).read_text()
        assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\S)", text) if "==" in block)
