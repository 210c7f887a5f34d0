"""The stack in real containers: it gets healthy, and a crash heals through a proxy that allows only that."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.compose.conftest import Compose
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
    """Return the proxy's answer to webhook_actions, the one container that can reach it."""
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


def token(stack: Compose, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {(stack.root / 'secrets' / name).read_text().strip()}"}


def query(expression: str) -> list[dict[str, Any]]:
    answer = requests.get("http://127.0.0.1:9090/api/v1/query", params={"query": expression}, timeout=10)
    return answer.json()["data"]["result"]


def test_every_container_is_healthy(stack: Compose):
    lines = stack.run("ps", "--format", "json").splitlines()
    health = {one["Service"]: one["Health"] for one in map(json.loads, lines)}
    assert set(health.values()) == {"healthy"}
    assert len(health) == 9


def test_prometheus_scrapes_every_target(stack: Compose):
    def healths() -> set[str]:
        answer = requests.get("http://127.0.0.1:9090/api/v1/targets", timeout=10).json()
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
    eventually(lambda: _running(stack), within=60, what="the demo bot's return from an earlier restart")
    eventually(
        lambda: query('trading_bot_up{bot="demo"} == 1'), within=180, what="the demo bot in Prometheus"
    )
    before = started_at("nightdesk_demo_bot")
    crashed = requests.post(
        "http://127.0.0.1:8081/api/v1/faults/crash", headers=token(stack, "demo_bot_token"), timeout=10
    )
    assert crashed.ok, crashed.text
    eventually(
        lambda: started_at("nightdesk_demo_bot") != before, within=300, what="the restart of the container"
    )
    eventually(lambda: query('trading_bot_up{bot="demo"} == 1'), within=120, what="the bot's return")
    incident = eventually(lambda: _closed_incident(stack), within=180, what="the end of the incident")
    assert incident["alert"] == "TradingBotDown"


def _running(stack: Compose) -> bool:
    try:
        state = requests.get(
            "http://127.0.0.1:8081/api/v1/state", headers=token(stack, "demo_bot_token"), timeout=5
        )
    except requests.ConnectionError:  # the container has just been started
        return False
    return state.ok


def _closed_incident(stack: Compose) -> dict[str, Any] | None:
    answer = requests.get(
        "http://127.0.0.1:9099/api/v1/incidents",
        params={"state": "all"},
        headers=token(stack, "read_token"),
        timeout=10,
    ).json()
    found = [one for one in answer["incidents"] if one["bot"] == "demo" and one["closed_at"]]
    return found[0] if found else None
