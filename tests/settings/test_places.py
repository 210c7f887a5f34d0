"""An error in a setting names its file and line."""

from pathlib import Path

import pytest

from stack.settings import SettingsError, load

SOURCE = 'source: {type: http, url: "http://127.0.0.1:9000", token_file: token}'


def said(*files: Path) -> str:
    with pytest.raises(SettingsError) as error:
        load(files)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (
            "demo:\n  enabled: true\nthresholds:\n  critical:\n    max_drawdown: 7\n",
            5,
            "thresholds.critical.",
        ),
        ("# why\nalerts:\n\n  Donw: {cooldown: 1m}\n", 4, "alerts.Donw: is not one of Nightdesk's"),
        (
            "escalation:\n  levels:\n    - contact: managr\n      channels: [phone]\n",
            3,
            "escalation.levels[0]",
        ),
        ("bots:\n  one:\n    team: manager\n", 2, "bots.one.source: is missing"),
    ],
)
def test_a_problem_names_file_and_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    file = tmp_path / "monitoring.yaml"
    file.write_text(text)
    assert said(file).startswith(f"{file}:{line}: {problem}")


def test_of_two_files_the_one_that_counts_is_named(tmp_path: Path) -> None:
    below, above = tmp_path / "below.yaml", tmp_path / "above.yaml"
    below.write_text("currency: 7\ntimezone: Berlin\n")
    above.write_text("\n\ncurrency: 8\n")
    lines = said(below, above).splitlines()
    assert sorted(line.partition(": ")[0] for line in lines) == [f"{above}:3", f"{below}:2"]


def test_a_bot_in_a_file_of_its_own_is_named_by_that_file(tmp_path: Path) -> None:
    file = tmp_path / "monitoring.yaml"
    file.write_text("bots_directory: bots\n")
    (tmp_path / "bots").mkdir()
    bot = tmp_path / "bots/one.yaml"
    bot.write_text(f"one:\n  {SOURCE}\n  boot: soon\n")
    assert said(file).startswith(f"{bot}:3: bots.one.boot: 'soon' is not a duration")


def test_a_key_bots_in_a_file_of_bots_is_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "monitoring.yaml"
    file.write_text("bots_directory: bots\n")
    (tmp_path / "bots").mkdir()
    bot = tmp_path / "bots/one.yaml"
    bot.write_text(f"bots:\n  one: {{{SOURCE}}}\n")
    assert said(file) == (f"{bot}: bots: is not allowed in a file of bots_directory; remove it")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("bots:\n", "bots: has nothing below it; write `key: value` below it, or remove it"),
        ("channels:\n", "channels: has nothing below it; write `key: value` below it, or remove it"),
        ("bots: 3\n", "bots: must hold keys and values, not a single value or a list"),
    ],
)
def test_a_wrong_kind_of_block_is_explained(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "monitoring.yaml"
    file.write_text(text)
    assert said(file).splitlines()[0] == f"{file}:1: {problem}"
