"""docker-compose.yml is valid, agrees with the settings, and gives no container more than it needs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.logrotate import docker_options
from stack.settings import load
from tests.compose.conftest import ROOT, Compose

SERVICES = (
    "render", "demo_bot", "exporter", "webhook_actions", "prometheus", "alertmanager", "blackbox_exporter",
    "grafana", "postgres", "docker-proxy", "loki", "alloy", "rotate",
)  # fmt: skip
MORE = (
    "exporter_2",
    "webhook_actions_2",
    "webhook_actions_3",
    "prometheus_2",
    "alertmanager_2",
    "alertmanager_3",
)
CONTAINERS = (*SERVICES, *(f"ha/{name}" for name in (*SERVICES, *MORE)))


@pytest.fixture(scope="module")
def services(compose: Compose) -> dict[str, Any]:
    return compose.config("logs")["services"]


@pytest.fixture(scope="module")
def containers(services: dict[str, Any], several: Compose) -> dict[str, Any]:
    """The services of docker-compose.yml, and below ha/ those with docker-compose.ha.yml over it."""
    return services | {f"ha/{name}": one for name, one in several.config("logs")["services"].items()}


def test_it_has_the_services_that_are_checked_below(containers: dict[str, Any]):
    assert set(containers) == set(CONTAINERS)


def test_loki_runs_where_settings_turn_it_on(compose: Compose, tmp_path: Path):
    for on in (False, True):
        settings = {"logs": {"loki": {"enabled": on}, "keep_files": 7}}
        (tmp_path / "monitoring.yaml").write_text(yaml.safe_dump(settings))
        (tmp_path / "logging.env").write_text(docker_options(load([tmp_path / "monitoring.yaml"])))
        files = ("--env-file", str(compose.root / ".env"), "--env-file", str(tmp_path / "logging.env"))
        config = json.loads(compose.run(*files, "config", "--format", "json"))["services"]
        assert set(config) == set(SERVICES) - (set() if on else {"loki", "alloy"})
        assert config["grafana"]["logging"]["options"]["max-file"] == "7"


@pytest.mark.parametrize("name", CONTAINERS)
class TestEachContainer:
    def test_runs_as_a_user_that_is_not_root(self, containers: dict[str, Any], name: str):
        assert containers[name]["user"].split(":")[0] not in ("", "root", "0")

    def test_cannot_write_its_root_file_system(self, containers: dict[str, Any], name: str):
        assert containers[name]["read_only"] is True

    def test_has_no_capability_and_cannot_gain_one(self, containers: dict[str, Any], name: str):
        assert containers[name]["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in containers[name]["security_opt"]
        assert not containers[name].get("cap_add")
        assert not containers[name].get("privileged")

    def test_has_an_image_of_a_stated_version(self, containers: dict[str, Any], name: str):
        image = containers[name]["image"]
        assert re.search(r":(v?\d[\w.]*|local)$", image), image

    def test_is_reached_from_this_machine_only(self, containers: dict[str, Any], name: str):
        assert {port["host_ip"] for port in containers[name].get("ports", [])} <= {"127.0.0.1"}

    def test_keeps_its_logs_as_settings_say(self, containers: dict[str, Any], name: str):
        logs = load([ROOT / "monitoring.yaml"]).logs
        options = containers[name]["logging"]["options"]
        assert options["max-size"].removesuffix("m") + "MB" == str(logs.rotate_size)
        assert options["max-file"] == str(logs.keep_files)
        assert options["compress"] == str(logs.compress).lower()

    def test_carries_no_secret_in_its_environment(
        self, containers: dict[str, Any], compose: Compose, name: str
    ):
        secrets = (compose.root / "secrets").iterdir()
        values = [file.read_text().strip() for file in secrets if file.is_file()]
        assert not [value for value in values if value in str(containers[name])]


def test_each_says_whether_it_is_well_but_render_which_ends(services: dict[str, Any]):
    without = {name for name, service in services.items() if "healthcheck" not in service}
    assert without == {"render"}


def test_all_wait_for_the_configuration_to_be_rendered(services: dict[str, Any]):
    for name in set(SERVICES) - {"render", "postgres", "docker-proxy"}:
        assert services[name]["depends_on"]["render"]["condition"] == "service_completed_successfully"


def test_only_the_proxy_sees_the_socket_and_only_webhook_actions_sees_the_proxy(services: dict[str, Any]):
    mounts = {name: [mount["source"] for mount in one.get("volumes", [])] for name, one in services.items()}
    assert [name for name, sources in mounts.items() if any("docker.sock" in one for one in sources)] == [
        "docker-proxy"
    ]
    attached = {name for name, one in services.items() if "docker" in (one.get("networks") or {})}
    assert attached == {"docker-proxy", "webhook_actions"}
    assert set(services["docker-proxy"]["networks"]) == {"docker"}


def test_the_networks_of_proxy_and_database_lead_nowhere_else(compose: Compose):
    networks = compose.config()["networks"]
    assert networks["docker"]["internal"] is True
    assert networks["database"]["internal"] is True


def test_each_service_is_given_only_the_secrets_it_reads(services: dict[str, Any]):
    given = {
        name: {one["source"] for one in service.get("secrets", [])} for name, service in services.items()
    }
    assert given["prometheus"] == {"read_token", "web_password"}
    assert given["alertmanager"] == {"receive_token", "web_password"}
    assert given["demo_bot"] == {"demo_bot_token"}
    assert given["exporter"] == {"demo_bot_token", "read_token", "reload_token", "web_password"}
    assert given["render"] == given["blackbox_exporter"] == {"web_password"}
    assert given["docker-proxy"] == set()


def test_replicas_of_a_part_differ_only_in_what_identifies_them(several: Compose):
    services = several.config("logs")["services"]
    for name in MORE:
        first, other = services[name.rpartition("_")[0]], services[name]
        for key in ("image", "user", "secrets", "networks", "healthcheck", "depends_on"):
            assert other.get(key) == first.get(key), (name, key)
        assert "ports" not in other


def test_the_replicas_of_the_overlay_are_the_containers(several: Compose):
    overlays = [ROOT / name for name in ("monitoring.yaml", "deploy/compose.yaml", "deploy/compose.ha.yaml")]
    parts = load(overlays).services
    replicated = (parts.exporter, parts.webhook_actions, parts.prometheus, parts.alertmanager)
    named = [each.host for part in replicated for each in part.all]
    assert set(MORE) < set(named) <= set(several.config("logs")["services"])


def test_published_ports_and_the_overlay_are_those_of_the_defaults(services: dict[str, Any]):
    defaults = yaml.safe_load((ROOT / "stack/defaults.yaml").read_text())["services"]
    overlay = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    assert {name: one["port"] for name, one in overlay.items()} == {
        name: one["port"] for name, one in defaults.items()
    }
    for name, one in defaults.items():
        for port in services[name].get("ports", []):
            assert (int(port["published"]), port["target"]) == (one["port"], one["port"])


def test_settings_with_the_overlay_are_valid_and_name_the_container_that_the_proxy_allows(
    services: dict[str, Any],
):
    settings = load([ROOT / "monitoring.yaml", ROOT / "deploy/compose.yaml"])
    restart = settings.bots["demo"].restart
    assert restart.type == "docker"
    assert restart.container == services["demo_bot"]["container_name"]
    assert f"/containers/{restart.container}/restart$" in (ROOT / "deploy/docker-proxy.cfg").read_text()
    for name, service in settings.services:
        assert service.host in services, name


def test_nothing_secret_can_reach_the_image():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert not allowed & {"secrets", ".env", ".data", "build", ".git", "."}
