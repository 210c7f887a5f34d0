"""The rendered files of Loki and Alloy, as far as a test can check them without either program."""

import re
from pathlib import Path
from typing import Any

import re2
import yaml

from stack.loki import alloy, loki, write_loki
from stack.settings import Settings, load

EXCERPT = Path(__file__).parents[1] / "fixtures/logs/excerpt.log"


def settings(directory: Path, **logs: Any) -> Settings:
    source = {"type": "http", "url": "http://127.0.0.1:9", "token_file": "t"}
    bots = {
        'a "b"': {"source": source, "logs": ["/var/log/a.log", "/var/log/b.log"]},
        "c": {"source": source},
    }
    demo = {"enabled": True, "log_file": "/demo_bot/demo_bot.log"}
    (directory / "monitoring.yaml").write_text(yaml.safe_dump({"bots": bots, "demo": demo, "logs": logs}))
    return load([directory / "monitoring.yaml"])


def test_nothing_is_written_unless_it_is_enabled(tmp_path: Path):
    write_loki(settings(tmp_path), tmp_path / "build")
    assert not (tmp_path / "build").exists()
    write_loki(settings(tmp_path, loki={"enabled": True}), tmp_path / "build")
    written = {str(file.relative_to(tmp_path / "build")) for file in (tmp_path / "build").rglob("*.*")}
    assert written == {"loki/loki.yml", "alloy/config.alloy"}


def test_lines_are_kept_as_long_as_log_files(tmp_path: Path):
    read = yaml.safe_load(loki(settings(tmp_path, keep_for="14d")))
    assert read["limits_config"]["retention_period"] == "336h"
    assert read["compactor"]["retention_enabled"] is True


def test_alloy_follows_every_log_that_settings_name_with_its_bot(tmp_path: Path):
    text = alloy(settings(tmp_path, loki={"url": "http://loki:3100/"}))
    assert re.findall(r'\{__path__ = "(.*?)", bot = "(.*)"\}', text) == [
        ("/var/log/a.log", r"a \"b\""), ("/var/log/b.log", r"a \"b\""), ("/demo_bot/demo_bot.log", "demo"),
    ]  # fmt: skip
    assert 'url = "http://loki:3100/loki/api/v1/push"' in text
    assert text.count("{") - text.count(r"\\{") == text.count("}")


def test_a_traceback_is_of_the_line_above_it(tmp_path: Path):
    (quoted,) = re.findall(r'firstline = "(.*)"', alloy(settings(tmp_path)))
    begins = re2.compile(quoted.replace(r"\\", "\\"))
    lines = EXCERPT.read_text(encoding="utf-8").splitlines()
    inside = {line for line in lines if not begins.search(line)}
    first = lines.index(
        "2026-11-23 02:00:04,000 - demo_bot.exchange - ERROR - Failed to read the order book: gone"
    )
    below = lines[first + 1 : lines.index(next(line for line in lines if "High memory usage" in line))]
    assert len(below) == 11
    assert set(below) < inside
    assert not [line for line in inside if re.match(r".*02:0|[A-Z]+:|\{", line)]
