"""Restarts of containers, by a real Docker engine if there is one."""

from collections.abc import Iterator

import docker
import pytest
from docker.errors import DockerException

from stack.settings import DockerRestart
from webhook_actions.bots.docker import DockerAdapter
from webhook_actions.outcome import Result


def free() -> None:
    """Let every order pass."""


@pytest.fixture
def container() -> Iterator[str]:
    """Return the name of a running container, or skip by name where there is no engine or image."""
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    images = [tag for image in client.images.list() for tag in image.tags if tag.startswith("python:")]
    if not images:
        pytest.skip("no python image is here, and none can be pulled in a test")
    made = client.containers.run(images[0], ["sleep", "600"], detach=True, name="nightdesk-test-restart")
    yield "nightdesk-test-restart"
    made.remove(force=True)


def test_a_container_is_restarted(container: str) -> None:
    client = docker.from_env()
    before = client.containers.get(container).attrs["State"]["StartedAt"]
    outcome = DockerAdapter(DockerRestart(type="docker", container=container), 20, free).restart(0, "key")
    assert outcome.done, outcome
    assert client.containers.get(container).attrs["State"]["StartedAt"] > before


def test_a_container_that_is_not_there_is_final_and_a_silent_engine_is_not(container: str) -> None:
    missing = DockerAdapter(DockerRestart(type="docker", container=f"{container}-not"), 20, free)
    assert missing.restart(0, "key").result is Result.FAILED
    silent = DockerAdapter(DockerRestart(type="docker", container="x", url="tcp://127.0.0.1:9"), 1, free)
    assert silent.restart(0, "key").result is Result.RETRY
