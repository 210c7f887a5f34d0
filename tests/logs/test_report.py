"""`nightdesk logs` for people and for programs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXCERPT = ROOT / "tests/fixtures/logs/excerpt.log"


def logs(
    *words: str | Path, given: bytes | None = None, through: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[bytes]:
    command = [*through, sys.executable, "-m", "stack.cli", "logs", *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, cwd=ROOT, timeout=60)


def test_the_report_names_lines_times_severities_and_counts():
    done = logs("--show", "50", EXCERPT)
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "Errors: " in text
    assert "2 × api_error (error)" in text
    assert "17  2026-11-23 02:00:03  error     api_error         API error: order_book(BTC/USDT)" in text
    assert "Top messages" in text
    assert "Over time, from 2026-11-23" in text


@pytest.mark.parametrize("packer", ["gzip", "zstd", "cat"])
def test_compressed_and_piped_logs_give_the_same_events(packer: str, tmp_path: Path):
    wanted = [line for line in logs("--json", EXCERPT).stdout.splitlines() if b'"event"' in line]
    if packer == "cat":
        found = logs("--json", "-", given=EXCERPT.read_bytes()).stdout
    else:
        packed = tmp_path / ("a.log.gz" if packer == "gzip" else "a.log.zst")
        try:
            with packed.open("wb") as file:
                subprocess.run([packer, "-c", str(EXCERPT)], stdout=file, check=True)
        except FileNotFoundError:
            pytest.skip(f"{packer} is not installed")
        found = logs("--json", packed).stdout
    bare = [{**json.loads(line), "file": ""} for line in found.splitlines()[:-1]]
    assert bare == [{**json.loads(line), "file": ""} for line in wanted[:-1]]


def test_json_is_a_line_for_each_event_and_one_for_the_sum():
    *events, summary = map(json.loads, logs("--json", EXCERPT).stdout.splitlines())
    assert summary["type"] == "summary"
    assert summary["events"] == len(events) == sum(each["count"] for each in summary["counts"])
    assert summary["lines"] == len(EXCERPT.read_text().splitlines())
    slow = next(each for each in events if each["event"] == "slow_operation")
    assert (slow["line"], slow["time"], slow["value"]) == (16, "2026-11-23T02:00:02+00:00", "3200 ms")


def test_since_leaves_out_what_is_older():
    found = logs("--json", "--since", "2026-11-23T02:01:00", EXCERPT).stdout.splitlines()
    assert found
    assert {json.loads(line)["time"] >= "2026-11-23T02:01:00" for line in found[:-1]} == {True}


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_reported(tmp_path: Path):
    done = logs(tmp_path / "missing.log", tmp_path, EXCERPT)
    assert done.returncode == 1
    assert b"missing.log: cannot be read: " in done.stderr
    assert b"is a directory; name a log file" in done.stderr
    assert b"Errors: " in done.stdout


def test_a_file_that_may_not_be_read_is_named_and_the_others_are_reported(tmp_path: Path):
    through: tuple[str, ...] = ()
    if os.geteuid() == 0:  # root may read everything, unless it loses that right
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is not installed")
        through = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    (tmp_path / "closed.log").write_text("ERROR: hidden\n")
    (tmp_path / "closed.log").chmod(0)
    done = logs(tmp_path / "closed.log", EXCERPT, through=through)
    assert done.returncode == 1
    assert b"closed.log: cannot be read: [Errno 13] Permission denied" in done.stderr
    assert b"Errors: " in done.stdout


def test_following_prints_new_events_and_ends_quietly(tmp_path: Path):
    log = tmp_path / "bot.log"
    log.write_text("ERROR: first\n")
    command = [sys.executable, "-m", "exporter.logs", "--follow", "--json", str(log)]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        command, cwd=ROOT, env=buffered, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert json.loads(run.stdout.readline())["message"] == "first"
        assert json.loads(run.stdout.readline())["type"] == "summary"
        log.rename(tmp_path / "bot.log.1")
        time.sleep(0.1)
        log.write_text("ERROR: second\n")
        second = json.loads(run.stdout.readline())
        run.send_signal(2)
        assert run.wait(60) == 0
    assert second["message"] == "second"
