"""Settings name a bot's own process in exactly one way."""

import json

import pytest

from tests.settings.conftest import Load, Refuse


def bot(**process: str) -> str:
    """Return the settings, as JSON, which YAML reads."""
    source = {"type": "http", "url": "http://127.0.0.1:1", "token_file": "token"}
    return json.dumps({"bots": {"b": {"source": source, "process": process}}})


def test_a_pid_file_is_relative_to_the_settings_file(settings: Load) -> None:
    process = settings(bot(pid_file="bot.pid")).bots["b"].process
    assert process is not None
    assert process.pid_file is not None
    assert process.pid_file.is_absolute()


@pytest.mark.parametrize(
    ("process", "problem"),
    [
        ({}, "exactly one of pid_file, match, container"),
        ({"pid_file": "a", "container": "b"}, "exactly one of pid_file, match, container"),
        ({"match": "bot("}, "is not a regular expression"),
        ({"container": ""}, "at least 1 character"),
    ],
)
def test_what_names_no_process_or_two_is_refused(
    refused: Refuse, process: dict[str, str], problem: str
) -> None:
    [told] = refused(bot(**process))
    assert told.startswith("bots.b.process")
    assert problem in told
