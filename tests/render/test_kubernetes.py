"""The manifests of deploy/kubernetes, with the rendered files, are valid and fit the settings."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from stack.render import render
from stack.settings import Settings, load
from tests.conftest import binary

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
VERSION = "1.31"
BUILT_IN = ("Namespace", "Service", "ServiceAccount", "Role", "RoleBinding", "StatefulSet", "Deployment",
            "PodDisruptionBudget", "NetworkPolicy")  # fmt: skip


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load([ROOT / "monitoring.yaml", FOLDER / "settings.yaml"])


@pytest.fixture(scope="module")
def built(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kubernetes") / "build"
    render(settings, out)
    return out / "kubernetes"


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects that a kustomization names, as kustomize includes them."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    for name in kustomization["resources"]:
        if name.endswith(".yaml"):
            yield from yaml.safe_load_all((folder / name).read_text())


@pytest.fixture(scope="module")
def objects(built: Path) -> list[dict[str, Any]]:
    return [*documents(FOLDER), *documents(built)]


def of(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: one["spec"]["template"]
        for kind in ("StatefulSet", "Deployment")
        for name, one in of(objects, kind).items()
    }


def test_every_object_of_kubernetes_itself_fits_its_schema(objects: list[dict[str, Any]]):
    checked = [one for one in objects if one["kind"] in BUILT_IN]
    for one in checked:
        kubernetes_validate.validate(one, VERSION, strict=True)
    assert {one["kind"] for one in checked} == set(BUILT_IN)
    others = {one["kind"] for one in objects} - set(BUILT_IN)
    assert others == {"Prometheus", "PrometheusRule", "ServiceMonitor"}


def test_the_rules_of_the_operator_are_those_that_promtool_accepts(
    objects: list[dict[str, Any]], built: Path, tmp_path: Path
):
    rule = of(objects, "PrometheusRule")["nightdesk"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rule["spec"]))
    done = subprocess.run(
        [str(binary("promtool")), "check", "rules", str(tmp_path / "rules.yml")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    native = [yaml.safe_load(file.read_text()) for file in (built.parent / "prometheus").glob("*/*.yml")]
    assert {group["name"] for group in rule["spec"]["groups"]} == {
        group["name"] for file in native for group in file["groups"]
    }


def test_what_is_scraped_is_scraped_as_prometheus_yml_does(objects: list[dict[str, Any]], built: Path):
    native = yaml.safe_load((built.parent / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    expected = {
        job["job_name"]: (job["scrape_interval"], job.get("params"))
        for job in native if not job["job_name"].startswith("probe-")
    }  # fmt: skip
    found = {
        endpoint["relabelings"][0]["replacement"]: (endpoint["interval"], endpoint.get("params"))
        for monitor in of(objects, "ServiceMonitor").values()
        for endpoint in monitor["spec"]["endpoints"]
    }
    assert found == expected
    selected = of(objects, "Prometheus")["nightdesk"]["spec"]["serviceMonitorSelector"]["matchLabels"]
    for one in [*of(objects, "ServiceMonitor").values(), *of(objects, "PrometheusRule").values()]:
        assert one["metadata"]["labels"].items() >= selected.items()


def test_services_select_pods_and_have_the_ports_of_the_settings(
    objects: list[dict[str, Any]], settings: Settings
):
    services = of(objects, "Service")
    for name, service in services.items():
        assert pods(objects)[name]["metadata"]["labels"].items() >= service["spec"]["selector"].items()
    assert services["webhook-actions"]["spec"]["ports"][0]["port"] == settings.services.webhook_actions.port
    for part, name in (
        (settings.services.exporter, "exporter"),
        (settings.services.alertmanager, "alertmanager"),
    ):
        replicas = of(objects, "StatefulSet")[name]["spec"]["replicas"]
        assert [each.host for each in part.all] == [f"{name}-{number}.{name}" for number in range(replicas)]
        assert {each.port for each in part.all} == {services[name]["spec"]["ports"][0]["port"]}
    assert len(settings.services.prometheus.all) == of(objects, "Prometheus")["nightdesk"]["spec"]["replicas"]


def test_every_pod_is_confined(objects: list[dict[str, Any]]):
    for pod in pods(objects).values():
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_each_pod_is_given_only_the_tokens_it_reads(objects: list[dict[str, Any]], settings: Settings):
    given = {}
    for name, pod in pods(objects).items():
        secrets = [
            one["secret"]
            for one in pod["spec"]["volumes"]
            if one.get("secret", {}).get("secretName") == "nightdesk"
        ]
        given[name] = {item["key"] for secret in secrets for item in secret.get("items", [{"key": "all"}])}
    assert given == {
        "exporter": {"reload_token"},
        "alertmanager": {"receive_token"},
        "webhook-actions": {"all"},
    }
    assert {file.parent for _, file in settings.webhook_actions.tokens} == {Path("/run/secrets/nightdesk")}


def test_nobody_reaches_a_pod_but_whom_a_policy_names(objects: list[dict[str, Any]]):
    policies = of(objects, "NetworkPolicy")
    assert policies["nobody"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    for name in pods(objects):
        callers = [rule["from"] for rule in policies[name]["spec"]["ingress"]]
        assert all(callers), name
        assert of(objects, "PodDisruptionBudget")[name]
