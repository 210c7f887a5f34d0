"""Loads settings from YAML texts, and returns the errors of refused ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stack.settings import Settings, SettingsError, load

Load = Callable[..., Settings]
Refuse = Callable[..., list[str]]


@pytest.fixture
def settings(tmp_path: Path) -> Load:
    """Return a function that loads texts, each merged over the one before."""

    def loaded(*texts: str, port_offset: int = 0, speed: float = 1.0) -> Settings:
        files = []
        for index, text in enumerate(texts):
            files.append(tmp_path / f"{index}.yaml")
            files[-1].write_text(text, encoding="utf-8")
        return load(files, port_offset=port_offset, speed=speed)

    return loaded


@pytest.fixture
def refused(settings: Load) -> Refuse:
    """Return a function that returns the errors of a text."""

    def problems(*texts: str, port_offset: int = 0, speed: float = 1.0) -> list[str]:
        with pytest.raises(SettingsError) as error:
            settings(*texts, port_offset=port_offset, speed=speed)
        return error.value.problems

    return problems
