"""How the exporter finds a bot's own process or container, and when it must not."""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from exporter.container import Container
from exporter.process import OneProcess, PidFile, usage_of
from stack.settings import Bot
from tests.conftest import eventually
from tests.exporter.harness import ScriptedBot, http_settings, serve, value, watch
from tests.exporter.test_http import STATE

SLEEPS = "import sys, time; time.sleep(60)"


@pytest.fixture
def program():
    """Starts programs with a word on their command line."""
    started = []

    def start(word: str, code: str = SLEEPS) -> int:
        started.append(subprocess.Popen([sys.executable, "-c", code, word]))
        return started[-1].pid

    yield start
    for each in started:
        each.kill()
        each.wait(timeout=10)


def bot(directory: Path, **process: object) -> Bot:
    source = {"type": "push", "token_file": directory / "token"}
    return Bot.model_validate({"source": source, "process": process})


def names(usage) -> set[str]:
    return {each.metric.name for each in usage.samples(None)}


def test_a_pid_file_names_the_process(tmp_path, program):
    pid_file = tmp_path / "bot.pid"
    usage = usage_of("b", bot(tmp_path, pid_file=pid_file), 5)
    assert names(usage) == set()
    pid = program("a")
    pid_file.write_text(f"{pid}\n")
    assert "process_threads" in names(usage)
    assert "cpu_usage_ratio" in names(usage)
    other = program("b")
    pid_file.write_text(str(other))
    assert "cpu_usage_ratio" not in names(usage)  # another process, which needs a second measurement


def test_a_process_that_is_younger_than_its_pid_file_is_another(tmp_path, program):
    pid_file = tmp_path / "bot.pid"
    pid_file.write_text(str(program("a")))
    os.utime(pid_file, (1_000_000_000, 1_000_000_000))
    assert names(OneProcess("b", PidFile(pid_file))) == set()


@pytest.mark.parametrize("content", ["", "not a number", "999999999"])
def test_a_pid_file_without_a_living_pid_says_nothing(tmp_path, content):
    (tmp_path / "bot.pid").write_text(content)
    assert names(OneProcess("b", PidFile(tmp_path / "bot.pid"))) == set()


def test_a_command_line_identifies_the_process_over_a_restart(tmp_path, program):
    usage = usage_of("b", bot(tmp_path, match=r"time\.sleep.* nightdesk-test-one$"), 5)
    assert names(usage) == set()
    pid = program("nightdesk-test-one")
    eventually(lambda: "process_threads" in names(usage), what="the process")
    os.kill(pid, 9)
    eventually(lambda: not names(usage), what="its end")
    program("nightdesk-test-one")
    eventually(lambda: "process_threads" in names(usage), what="the next one")


def test_a_command_line_that_fits_two_programs_is_unknown_and_named_once(tmp_path, program, caplog):
    pids = [program("nightdesk-test-two"), program("nightdesk-test-two")]
    usage = usage_of("b", bot(tmp_path, match="nightdesk-test-two"), 5)
    with caplog.at_level(logging.WARNING):

        def told() -> list[str]:
            assert names(usage) == set()
            return [line for line in caplog.messages if all(str(pid) in line for pid in pids)]

        eventually(told, what="both programs")
        assert names(usage) == set()
    assert len(told()) == 1
    assert "pid_file" in told()[0]


def test_processes_that_a_bot_forks_are_not_a_second_bot(tmp_path, program):
    code = "import os, time; os.fork(); time.sleep(60)"
    usage = usage_of("b", bot(tmp_path, match="nightdesk-test-fork"), 5)
    parent = program("nightdesk-test-fork", code)
    eventually(lambda: "process_threads" in names(usage), what="the process")
    children = Path(f"/proc/{parent}/task/{parent}/children")
    eventually(lambda: children.read_text().split(), what="the fork")
    assert "process_threads" in names(usage_of("b", bot(tmp_path, match="nightdesk-test-fork"), 5))
    for child in children.read_text().split():
        os.kill(int(child), 9)


@pytest.fixture
def container():
    """The name of a running container, or a skip by name where there is no engine or image."""
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    images = [image for image in client.images.list() if any(tag.startswith("python:") for tag in image.tags)]
    if not images:
        pytest.skip("no python image is here, and none can be pulled in a test")
    name = f"nightdesk-test-usage-{os.getpid()}"
    made = client.containers.run(images[0], ["sleep", "600"], detach=True, name=name, mem_limit="64m")
    yield name
    made.remove(force=True)


def test_a_containers_use_is_reported(tmp_path, container):
    usage = usage_of("b", bot(tmp_path, container=container), 5)
    assert "cpu_usage_ratio" not in names(usage)
    found = {each.metric.name: each.value for each in usage.samples(1)}
    assert 0 < found["memory_usage_ratio"] < 0.5
    assert found["process_resident_memory_bytes"] == pytest.approx(found["memory_usage_ratio"] * 64 * 2**20)
    assert 0 <= found["cpu_usage_ratio"] < 0.5
    assert found["process_threads"] >= 1
    assert "process_open_fds" not in found
    docker.from_env().containers.get(container).stop(timeout=0)
    assert names(usage) == set()


def test_a_container_that_is_not_there_is_unknown_and_named_once(caplog):
    usage = Container("b", "nobody", "tcp://127.0.0.1:9", 1)
    assert usage.samples(None) == []
    assert usage.samples(None) == []
    assert len(caplog.messages) == 1
    assert "nobody" in caplog.messages[0]
    assert "process.url" in caplog.messages[0]


def test_a_docker_engine_that_hangs_leaves_the_bot_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as engine, serve(ScriptedBot(STATE)) as url:
        process = {"container": "x", "url": f"tcp://127.0.0.1:{engine.getsockname()[1]}"}
        with watch(http_settings(url, tmp_path, process=process), timeout=1.0) as watched:
            series = watched.poll()
    assert value(series, "up") == 1
    assert value(series, "cpu_usage_ratio") is None
