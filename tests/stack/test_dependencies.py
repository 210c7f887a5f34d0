"""Dependencies are explained, and the image gets the versions that were tested."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    every = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return {re.match(r"[\w-]+", one)[0] for one in every}


def locked(file: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ ]+)", (ROOT / file).read_text(), re.MULTILINE))


def test_each_dependency_has_a_line_that_says_what_it_is_for():
    rows = re.findall(r"^\| ([\w-]+) \| (.+) \|$", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    told = {name: why for name, why in rows if name != "package"}
    assert set(told) == declared()
    assert all(len(why) > 5 for why in told.values())


def test_the_image_gets_what_was_tested_and_no_tool_of_development():
    image, tested = locked("deploy/requirements.lock"), locked("requirements.lock")
    assert image.items() <= tested.items()
    assert not {"pytest", "mypy", "ruff"} & set(image)


def test_every_locked_package_carries_hashes():
    for file in ("requirements.lock", "deploy/requirements.lock"):
        text = (ROOT / file).read_text()
        assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\S)", text) if "==" in block)
