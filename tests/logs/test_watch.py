"""The metrics of bots' logs, and the reports of unreadable ones."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.exposition import Board
from exporter.logs.watch import LogWatch
from stack.logrotate import logrotate
from stack.settings import Settings, SettingsError, load


def settings(directory: Path, logs: list[str], **of_logs: Any) -> Settings:
    source = {"type": "http", "url": "http://127.0.0.1:9", "token_file": "t"}
    file = directory / "monitoring.yaml"
    file.write_text(yaml.safe_dump({"bots": {"mine": {"source": source, "logs": logs}}, "logs": of_logs}))
    return load([file])


def page(directory: Path, given: Settings) -> str:
    """Return the published metrics after one reading of the logs."""
    watch = LogWatch(given, directory / "data/exporter", board := Board())
    watch.poll()
    return board.page(["logs", "exporter"]).decode()


def test_a_bot_has_its_lines_events_and_slow_operations(tmp_path: Path):
    (tmp_path / "a.log").write_text("WARNING: Slow operation: x took 300 ms\nfine\n")
    found = page(tmp_path, settings(tmp_path, ["a.log"]))
    assert 'trading_bot_log_lines_total{bot="mine"} 2.0' in found
    assert (
        'log_events_total{bot="mine",category="performance",event="slow_operation",severity="warning"} 1.0'
        in found
    )
    assert 'log_slow_operation_seconds_sum{bot="mine"} 0.3' in found


def test_logs_that_cannot_be_read_are_counted_and_the_others_go_on(tmp_path: Path):
    (tmp_path / "a.log").write_text("ERROR: odd\n")
    (tmp_path / "directory").mkdir()
    found = page(tmp_path, settings(tmp_path, ["missing.log", "directory", "a.log"]))
    assert 'trading_bot_log_lines_total{bot="mine"} 1.0' in found
    assert 'log_errors_total{bot="mine",reason="FileNotFoundError"} 1.0' in found
    assert 'log_errors_total{bot="mine",reason="OSError"} 1.0' in found


def test_groups_of_a_users_pattern_are_labels_and_bounded(tmp_path: Path):
    pattern = {"name": "rejected", "expression": r"rejected: (?P<why>\w+) after (?P<value>\d+) ms$"}
    (tmp_path / "a.log").write_text("".join(f"rejected: why{number} after 10 ms\n" for number in range(9)))
    found = page(tmp_path, settings(tmp_path, ["a.log"], patterns=[pattern], max_label_values=3))
    assert 'log_matches_total{bot="mine",event="rejected",why="why0"} 1.0' in found
    assert 'log_matches_total{bot="mine",event="rejected",why="other"} 6.0' in found
    assert found.count("log_matches_total{") == 4
    assert 'log_value_sum{bot="mine",event="rejected",why="other"} 60.0' in found


def test_messages_are_bounded(tmp_path: Path):
    words = ["alpha", "beta", "gamma", "delta", "beta"]
    (tmp_path / "a.log").write_text("".join(f"ERROR: {word} 7\n" for word in words))
    found = page(tmp_path, settings(tmp_path, ["a.log"], top_messages=2))
    assert 'log_messages_total{bot="mine",message="beta #"} 2.0' in found
    assert 'log_messages_total{bot="mine",message="other"} 2.0' in found


def test_a_state_that_cannot_be_understood_is_set_aside(tmp_path: Path):
    (tmp_path / "a.log").write_text("ERROR: odd\n")
    given = settings(tmp_path, ["a.log"])
    page(tmp_path, given)
    (state,) = tmp_path.rglob("logs.json")
    state.write_text('{"version": 1, "tally"')
    assert 'trading_bot_log_lines_total{bot="mine"} 1.0' in page(tmp_path, given)
    assert state.with_name("logs.json.damaged").exists()


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("(?=look)ahead", "RE2, which has no backtracking"),
        (r"(a)\1", "RE2, which has no backtracking"),
        ("(open", "missing )"),
        (".*", "every line"),
        ("(?P<bot>x)", "cannot be called bot"),
    ],
)
def test_an_expression_that_cannot_be_run_is_refused_with_the_reason(
    tmp_path: Path, expression: str, says: str
):
    with pytest.raises(SettingsError, match=r"logs\.patterns\[0\]\.expression") as caught:
        settings(tmp_path, [], patterns=[{"name": "mine", "expression": expression}])
    assert says in str(caught.value)


def test_a_log_whose_path_logrotate_would_misread_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="quotes, wildcards or braces"):
        settings(tmp_path, ['a" { postrotate'])


def test_logrotate_gets_the_figures_of_the_settings(tmp_path: Path):
    text = logrotate(settings(tmp_path, ["a.log"]))
    for line in (
        "daily",
        "maxsize 100000000",
        "rotate 10",
        "maxage 30",
        "dateformat .%Y%m%d_%H%M%S",
        "compress",
    ):
        assert f"  {line}\n" in text
    assert text.startswith(f'"{tmp_path}/a.log"')


def test_without_bots_logs_nothing_is_rotated(tmp_path: Path):
    text = logrotate(settings(tmp_path, []))
    assert "{" not in text
    assert text == "# Without logs: mine; name them with bots.NAME.logs.\n"


def test_the_demo_bots_log_is_watched_and_rotated_by_itself(tmp_path: Path):
    (tmp_path / "monitoring.yaml").write_text("demo: {enabled: true}")
    text = logrotate(load([tmp_path / "monitoring.yaml"]))
    assert text == "# demo rotates its log by itself.\n"
