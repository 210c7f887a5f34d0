"""Several of each part in containers, over TLS: they find each other, and a crash heals once."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import requests
import yaml

from stack.settings import load
from tests.compose.conftest import Compose, crash, incidents, query, running
from tests.conftest import eventually
from tests.tls import certify, documented

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

ENGINES = ("webhook_actions", "webhook_actions_2", "webhook_actions_3")
OVERLAYS = ("monitoring.yaml", "deploy/compose.yaml", "deploy/compose.ha.yaml")
TOLD = """
import ssl, urllib.request
token = open("/run/secrets/read_token").read().strip()
ask = urllib.request.Request("https://127.0.0.1:9099/metrics", headers={"Authorization": "Bearer " + token})
trust = ssl.create_default_context(cafile="/run/tls/ca.pem")
lines = urllib.request.urlopen(ask, timeout=10, context=trust).read().decode().splitlines()
print(sum(float(line.split()[-1]) for line in lines if line.startswith("nightdesk_webhooks_total{")))
"""


@pytest.fixture(scope="module")
def stack(several: Compose) -> Iterator[Compose]:
    """Run the whole stack with TLS; a second restart of the demo bot need not wait for the cooldown."""
    config = several.root / "monitoring.yaml"
    text = config.read_text()
    limits = {"limits": {"restart_bot": {"cooldown": "5s"}}}
    web = yaml.safe_load(documented("yaml")[0])
    config.write_text(yaml.safe_dump(yaml.safe_load(text) | {"actions": limits} | web))
    parts = load([several.root / name for name in OVERLAYS]).services
    certify(several.root, (each.host for _, part in parts for each in getattr(part, "all", (part,))))
    (several.root / "secrets/tls/key.pem").chmod(0o644)
    try:
        # The image that replaces Grafana's has no TLS.
        with running(several, without=["grafana"] if stands_in("grafana/grafana:13.2.3") else []):
            yield several
    finally:
        config.write_text(text)


def stands_in(image: str) -> bool:
    """Return whether an image is a stand-in, made because the real one is not available."""
    label = '{{index .Config.Labels "standin"}}'
    told = subprocess.run(
        ["docker", "image", "inspect", image, "--format", label], capture_output=True, text=True
    )
    return told.stdout.strip() == "1"


def told(stack: Compose, engine: str) -> float:
    """Return the number of webhooks that an engine received."""
    return float(stack.run("exec", "-T", engine, "python", "-c", TOLD))


def heals(stack: Compose) -> None:
    """Crash the bot and check that one incident opens, one restart runs, and that it closes."""
    before = len(incidents(stack))
    crash(stack)
    eventually(
        lambda: len(incidents(stack)) > before and incidents(stack)[0]["closed_at"],
        within=300,
        what="the end of the incident",
    )
    new = incidents(stack)[: len(incidents(stack)) - before]
    assert len(new) == 1
    assert [(step["action"], step["verdict"]) for step in new[0]["runs"]] == [("restart_bot", "verified")]


def test_every_container_is_healthy(stack: Compose):
    health = {
        one["Service"]: one["Health"]
        for one in map(json.loads, stack.run("ps", "--format", "json").splitlines())
    }
    assert set(health.values()) == {"healthy"}
    assert health.keys() | {"grafana"} == stack.config()["services"].keys() - {"render"} | {"grafana"}


def test_nobody_is_let_in_without_tls_or_unknown(stack: Compose):
    for port in (8000, 9090, 9093):
        assert stack.get(port, "/metrics").ok
        assert stack.get(port, "/metrics", auth=None).status_code == 401
    for port in (8000, 9099, 9090, 9093):
        try:
            assert requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).status_code == 400
        except requests.ConnectionError:  # uvicorn closes a connection without TLS
            continue


def test_every_part_is_scraped_and_the_alertmanagers_are_one_cluster(stack: Compose):
    parts = {"webhook_actions": 3, "exporter-trading": 2, "alertmanager": 3, "prometheus": 2}

    def up() -> dict[str, int]:
        return {job: len(query(stack, f'up{{job="{job}"}} == 1')) for job in parts}

    # If Prometheus cannot look up a name at its start, it tries again half a minute later.
    eventually(lambda: up() == parts and not query(stack, "up == 0"), within=180, what=f"{parts} up")
    assert {each["value"][1] for each in query(stack, "alertmanager_cluster_members")} == {"3"}
    # One exporter watches each bot, and Alertmanager sees the two Prometheus as one.
    assert len(query(stack, "trading_bot_up")) == 1
    alerts = eventually(
        lambda: stack.get(9093, "/api/v2/alerts").json(), within=120, what="an alert, if only the Watchdog"
    )
    assert not [alert for alert in alerts if "replica" in alert["labels"]]


def test_a_crash_reported_to_all_three_is_healed_once(stack: Compose):
    before = [told(stack, engine) for engine in ENGINES]
    heals(stack)
    assert all(now > then for now, then in zip([told(stack, each) for each in ENGINES], before, strict=True))


def inspect(service: str, what: str) -> str:
    name = f"nightdesk-{service}-1"
    told = subprocess.run(
        ["docker", "inspect", name, "--format", what], check=True, capture_output=True, text=True
    )
    return told.stdout.strip()


@contextmanager
def cut(service: str, others: Sequence[str], network: str) -> Iterator[None]:
    """Block a container's traffic to some others: connections hang, as if the host were gone."""
    namespace = ["nsenter", "--net", "--target", inspect(service, "{{.State.Pid}}")]
    address = f'{{{{(index .NetworkSettings.Networks "nightdesk_{network}").IPAddress}}}}'
    routes = [["ip", "route", "add", "blackhole", inspect(each, address)] for each in others]
    try:
        for route in routes:
            subprocess.run([*namespace, *route], check=True)
        yield
    finally:
        for route in routes:
            subprocess.run([*namespace, "ip", "route", "del", "blackhole", route[-1]], check=True)


def test_a_crash_is_healed_once_while_parts_are_dead_and_others_cut_off(stack: Compose):
    """The Alertmanagers cannot reach each other; one engine is dead, another has no database."""
    if os.geteuid() or not shutil.which("nsenter"):
        pytest.skip("cutting containers off needs root and nsenter")

    def members() -> set[str]:
        return {each["value"][1] for each in query(stack, "alertmanager_cluster_members")}

    with cut("postgres", ["webhook_actions_3"], "database"), \
         cut("alertmanager", ["alertmanager_2", "alertmanager_3"], "default"):  # fmt: skip
        stack.run("kill", "webhook_actions_2", "prometheus_2")
        eventually(lambda: members() == {"1", "2"}, within=120, what="the split of the cluster")
        heals(stack)
    eventually(lambda: members() == {"3"}, within=180, what="the cluster's reunion")
    eventually(
        lambda: inspect("webhook_actions_3", "{{.State.Health.Status}}") == "healthy",
        within=120,
        what="the return of the engine that was cut off",
    )
