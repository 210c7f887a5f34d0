"""The demo's history is made once, before anything runs; its errors are reported and stop nothing."""

from pathlib import Path

import yaml

from stack.demo import make_history
from stack.settings import Settings, load
from tests.conftest import binary


def _settings(directory: Path) -> tuple[Settings, list[str]]:
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump({"demo": {"enabled": True, "bots": 2, "history": "2d"}}))
    return load([config]), ["--config", str(config)]


def _blocks(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


def test_every_prometheus_begins_with_the_history_of_every_demo_bot(tmp_path: Path) -> None:
    binary("promtool")
    settings, options = _settings(tmp_path)
    told = list(make_history(settings, tmp_path, ["prometheus", "prometheus-2"], options))
    assert len(told) == 1, told
    assert "2d" in told[0]
    for name in settings.demo_bots:
        assert len((settings.demo_data(tmp_path, name) / "trades.jsonl").read_text().splitlines()) > 10
    blocks = _blocks(tmp_path / "prometheus")
    assert len(blocks) >= 2
    assert blocks == _blocks(tmp_path / "prometheus-2")
    assert list(make_history(settings, tmp_path, ["prometheus"], options)) == [], "once"


def test_a_prometheus_with_data_is_left_alone_and_reported(tmp_path: Path) -> None:
    settings, options = _settings(tmp_path)
    (tmp_path / "prometheus/wal").mkdir(parents=True)
    _, told = make_history(settings, tmp_path, ["prometheus"], options)
    assert told.startswith("warning: the demo has no history in Prometheus, which ran here before")
    assert _blocks(tmp_path / "prometheus") == ["wal"]


def test_what_keeps_the_history_from_being_made_is_a_warning(tmp_path: Path) -> None:
    settings, options = _settings(tmp_path)
    (tmp_path / "demo_2").write_text("in the way")
    _, told = make_history(settings, tmp_path, ["prometheus"], options)
    assert told.startswith("warning: the demo has no history: ")
    assert "demo_2" in told
    assert not (tmp_path / "prometheus").exists()
