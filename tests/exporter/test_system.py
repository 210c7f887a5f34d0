"""psutil's figures of a bot's process, and when there must be none."""

import os
import subprocess
import sys
import time

import pytest

from exporter.process import OneProcess, Served
from exporter.system import ThisHost
from tests.conftest import eventually, free_port

LISTENS = """
import socket, sys, subprocess, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
try:
    sys.stdin.read()
finally:
    child.kill()
"""


@pytest.fixture
def bot():
    """A supervisor that listens, with a child that trades: (port, supervisor's pid, child's pid)."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENS, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child = int(process.stdout.readline())
    yield port, process.pid, child
    process.stdin.close()
    process.stdout.close()
    process.wait(timeout=10)


def served(url: str) -> OneProcess:
    return OneProcess("b", Served(url))


def figures(process: OneProcess, pid: int) -> dict[str, float]:
    return {each.metric.name: each.value for each in process.samples(pid)}


def test_a_process_that_serves_the_bots_address_is_known(bot):
    port, pid, _ = bot
    process = served(f"http://127.0.0.1:{port}")
    assert "cpu_usage_ratio" not in figures(process, pid)  # a share is of the time between two looks
    found = figures(process, pid)
    assert set(found) == {
        "cpu_usage_ratio",
        "memory_usage_ratio",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_threads",
        "process_open_fds",
    }
    assert 0 <= found["cpu_usage_ratio"] <= 1
    assert 0 < found["memory_usage_ratio"] < 1
    assert found["process_resident_memory_bytes"] > 1_000_000


def test_the_child_of_a_process_that_serves_the_address_is_known(bot):
    port, _, child = bot
    assert figures(served(f"http://127.0.0.1:{port}/"), child)


@pytest.mark.parametrize("pid", [1, 2**31 - 1], ids=["of another container", "of nobody"])
def test_a_pid_that_does_not_serve_the_address_is_unknown(bot, pid):
    assert figures(served(f"http://127.0.0.1:{bot[0]}"), pid) == {}


def test_the_pid_of_a_bot_on_another_host_is_unknown(bot):
    port, pid, _ = bot
    assert figures(served(f"http://192.0.2.1:{port}"), pid) == {}
    assert figures(served(f"http://demo_bot:{port}"), pid) == {}


def test_a_process_that_ended_is_unknown(bot):
    port, _, child = bot
    process = served(f"http://127.0.0.1:{port}")
    assert figures(process, child)
    os.kill(child, 9)
    eventually(lambda: not figures(process, child), what="the end of the process")


def test_the_host_says_its_usage_with_its_name_and_a_root():
    host = ThisHost("here")
    time.sleep(0.01)  # psutil measures the CPU between two calls
    found = {(each.metric.name, *each.labels): each.value for each in host.samples()}
    assert {"host_cpu_usage_ratio", "host_memory_usage_ratio"} <= {name for name, *_ in found}
    assert ("host_disk_usage_ratio", "here", "/") in found
    assert all(0 <= ratio <= 1 for ratio in found.values())
