"""The stack in real containers: it becomes healthy, and a crash heals through a restricted proxy."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.compose.conftest import Compose, crash, incidents, query, running
from tests.conftest import eventually

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

ASK = """
import json, sys, urllib.error, urllib.request
method, path = sys.argv[1:]
request = urllib.request.Request("http://docker-proxy:2375" + path, method=method)
request.add_header("Content-Type", "application/json")
request.data = b"{}" if method == "POST" else None
try:
    print(urllib.request.urlopen(request, timeout=60).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def ask_proxy(stack: Compose, method: str, path: str) -> int:
    """Return the proxy's answer to webhook_actions, the only container that can reach it."""
    return int(stack.run("exec", "-T", "webhook_actions", "python", "-c", ASK, method, path))


@pytest.fixture
def bystander(stack: Compose) -> Iterator[str]:
    """A container that is not the demo bot's."""
    name = "nightdesk_bystander"
    subprocess.run(
        ["docker", "run", "-d", "--rm", "--name", name, "--entrypoint", "sleep", "nightdesk:local", "600"],
        check=True, capture_output=True,
    )  # fmt: skip
    yield name
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)


def started_at(container: str) -> str:
    told = subprocess.run(
        ["docker", "inspect", container, "--format", "{{.State.StartedAt}}"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return told.stdout.strip()


@pytest.fixture(scope="module")
def stack(compose: Compose) -> Iterator[Compose]:
    with running(compose):
        yield compose


def test_every_container_is_healthy(stack: Compose):
    lines = stack.run("ps", "--format", "json").splitlines()
    health = {one["Service"]: one["Health"] for one in map(json.loads, lines)}
    assert set(health.values()) == {"healthy"}
    assert health.keys() | {"grafana"} == stack.config()["services"].keys() - {"render"} | {"grafana"}


def test_prometheus_scrapes_every_target(stack: Compose):
    def healths() -> set[str]:
        answer = stack.get(9090, "/api/v1/targets").json()
        return {target["health"] for target in answer["data"]["activeTargets"]}

    eventually(lambda: healths() == {"up"}, within=180, what="the scrape of every target")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/containers/{other}/restart"),
        ("POST", "/v1.41/containers/{other}/restart"),
        ("POST", "/containers/nightdesk_demo_bot/../{other}/restart"),
        ("POST", "/containers/nightdesk_demo_bot%2f..%2f{other}/restart"),
        ("POST", "//containers/{other}/restart"),
        ("POST", "/containers/nightdesk_demo_bot/stop"),
        ("POST", "/containers/nightdesk_demo_bot/kill"),
        ("POST", "/containers/nightdesk_demo_bot/exec"),
        ("POST", "/containers/create"),
        ("POST", "/images/create?fromImage=x"),
        ("GET", "/containers/json"),
        ("GET", "/containers/nightdesk_demo_bot/json"),
        ("GET", "/containers/nightdesk_demo_bot/archive?path=/run/secrets"),
        ("DELETE", "/containers/nightdesk_demo_bot"),
        ("GET", "/containers/nightdesk_demo_bot/restart"),
    ],
)
def test_the_proxy_refuses_everything_but_the_restart(stack: Compose, bystander: str, method: str, path: str):
    before = started_at(bystander)
    assert ask_proxy(stack, method, path.format(other=bystander)) == 403
    assert started_at(bystander) == before


def test_the_proxy_restarts_the_demo_bots_container(stack: Compose):
    before = started_at("nightdesk_demo_bot")
    assert ask_proxy(stack, "POST", "/v1.41/containers/nightdesk_demo_bot/restart?t=5") == 204
    assert started_at("nightdesk_demo_bot") != before


def test_a_crash_is_healed_through_the_proxy_and_proven(stack: Compose):
    before = started_at("nightdesk_demo_bot")
    crash(stack)
    eventually(
        lambda: started_at("nightdesk_demo_bot") != before, within=300, what="the restart of the container"
    )
    eventually(lambda: query(stack, 'trading_bot_up{bot="demo"} == 1'), within=120, what="the bot's return")
    closed = eventually(
        lambda: [one for one in incidents(stack) if one["closed_at"]], within=180, what="the incident's end"
    )
    assert closed[0]["runs"][-1]["verdict"] == "verified"
