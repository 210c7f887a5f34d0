"""promtool reads back the samples in files as they were served, also after a crash of the machine."""

import gzip
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import yaml

from exporter.catalogue import sample
from exporter.exposition import Board, Lines, Owner
from exporter.formats import OPENMETRICS
from exporter.record import Record
from tests.conftest import binary, eventually, free_port

ROOT = Path(__file__).parents[2]
DAY = 86_400.0
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


def page(equity: float, trades: int) -> bytes:
    board, lines = Board(), Lines(100, 'a "quoted" bot')
    samples = [
        sample("equity", equity),
        sample("trades_total", trades, symbol="BTC/USDT", side="long", outcome="won"),
    ]
    board.publish(Owner("bot", "source"), lines.render(samples)[0])
    return board.page(["trading"], OPENMETRICS)


def read_back(file: Path, scratch: Path) -> dict[tuple[str, int], float]:
    """Return the samples that Prometheus's own tool reads from a file, by metric and milliseconds."""
    text = scratch / "day.om"
    text.write_bytes(gzip.decompress(file.read_bytes()))
    promtool, blocks = [str(binary("promtool")), "tsdb"], str(scratch / "blocks")
    create = [*promtool, "create-blocks-from", "openmetrics", str(text), blocks]
    subprocess.run(create, check=True, capture_output=True)
    Path(blocks, "wal").mkdir()  # without this it dumps nothing
    dump = [*promtool, "dump", f"--sandbox-dir-root={scratch}", blocks]
    told = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    found = re.findall(r'^\{__name__="(\w+)".*\} (\S+) (\d+)$', told, re.M)
    return {(name, int(at)): float(value) for name, value, at in found}


def test_promtool_reads_back_a_day_that_is_over(tmp_path: Path) -> None:
    record = Record(tmp_path / "metrics", keep_days=30)
    written = {NOON + 60 * place: 10_000 + place / 3 for place in range(200)}
    for place, (at, equity) in enumerate(written.items()):
        record.write(page(equity, place), at)
    record.write(page(1, 1), NOON + DAY)
    day = tmp_path / "metrics/2026-11-20.om.gz"
    text = gzip.decompress(day.read_bytes())
    assert text.endswith(b"# EOF\n")
    assert text.count(b"# TYPE trading_bot_equity gauge") == 1
    read = read_back(day, tmp_path)
    equities = {at: value for (name, at), value in read.items() if name == "trading_bot_equity"}
    assert equities == {round(at * 1000): equity for at, equity in written.items()}
    assert read["trading_bot_trades_total", round((NOON + 60 * 199) * 1000)] == 199
    assert {file.name for file in day.parent.iterdir()} == {"2026-11-20.om.gz", "2026-11-21.om.gz.part"}


@pytest.mark.parametrize("lost", [1, 7, 30])
def test_what_a_crash_left_half_is_cut_off_and_the_rest_goes_on(tmp_path: Path, lost: int) -> None:
    record = Record(tmp_path, keep_days=30)
    for place in range(3):
        record.write(page(100 + place, place), NOON + place)
    part = tmp_path / "2026-11-20.om.gz.part"
    part.write_bytes(part.read_bytes()[:-lost])
    again = Record(tmp_path, keep_days=30)
    again.write(page(103, 3), NOON + 3)
    told = gzip.decompress(part.read_bytes())
    equities = [line.split()[-2] for line in told.splitlines() if line.startswith(b"trading_bot_equity")]
    assert [float(value) for value in equities] == [100, 101, 103]


def test_a_part_of_a_day_that_ended_while_nothing_ran_is_sealed_at_the_next_start(tmp_path: Path) -> None:
    Record(tmp_path, keep_days=30).write(page(1, 1), NOON)
    Record(tmp_path, keep_days=30).write(page(2, 2), NOON + 3 * DAY)
    assert gzip.decompress((tmp_path / "2026-11-20.om.gz").read_bytes()).endswith(b"# EOF\n")


def test_days_are_kept_as_long_as_is_set_and_no_other_file_is_touched(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    record = Record(tmp_path, keep_days=2)
    for day in range(6):
        record.write(page(day, day), NOON + day * DAY)
    assert {file.name for file in tmp_path.iterdir()} == {
        "notes.txt", "2026-11-23.om.gz", "2026-11-24.om.gz", "2026-11-25.om.gz.part",
    }  # fmt: skip


def test_the_exporter_writes_what_it_serves_and_counts_it(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "monitoring.yaml"
    settings = {
        "bots": {"alpha": {"source": {"type": "http", "url": "http://127.0.0.1:1", "token_file": "token"}}},
        "services": {"exporter": {"port": port}},
        "storage": {"file": {"enabled": True, "directory": "kept"}},
    }
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "exporter", "--config", str(config), "--speed", "60"]
    process = subprocess.Popen([*command, "--data", str(tmp_path / "data")], cwd=ROOT)

    def counted() -> bool:
        try:
            text = requests.get(f"http://127.0.0.1:{port}/metrics?collect[]=exporter", timeout=5).text
        except requests.ConnectionError:
            return False
        return 'nightdesk_exporter_file_writes_total{outcome="ok"} 3.0' in text

    try:
        eventually(counted, within=60, what="three writes")
    finally:
        process.terminate()
        process.wait(20)
    (file,) = (tmp_path / "kept").iterdir()
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    assert len([line for line in lines if line.startswith('trading_bot_up{bot="alpha"} 0.0 ')]) >= 3
