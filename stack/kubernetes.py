"""Writes rendered configuration for a cluster: objects of the Prometheus operator, and config maps."""

from pathlib import Path
from typing import Any

import yaml

from stack.drill.fast_settings import SCRAPE
from stack.settings import Duration, Settings

_DESK = {"desk": "nightdesk"}  # deploy/kubernetes/prometheus.yaml selects it


def write_kubernetes(settings: Settings, build: Path) -> None:
    """Write `kubernetes/` below `build`, a kustomization for deploy/kubernetes, from the rendered files."""
    folder = build / "kubernetes"
    folder.mkdir()
    rules = sorted((build / "prometheus").glob("*/*.yml"))
    # otherwise the cluster's own interval would count
    pace = {"interval": str(settings.collection.evaluation_interval)}
    made = [yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader) for file in rules]
    groups = [pace | group for file in made for group in file["groups"]]
    _write(folder / "prometheus-rule.yaml", _object("PrometheusRule", "nightdesk", {"groups": groups}))
    _write(folder / "service-monitors.yaml", *_monitors(settings))
    templates = []
    for file in sorted((build / "alertmanager/templates").glob("*.tmpl")):
        (folder / file.name).write_bytes(file.read_bytes())
        templates.append(file.name)
    for name in ("alertmanager.yml", "flags"):
        (folder / name).write_bytes((build / "alertmanager" / name).read_bytes())
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["prometheus-rule.yaml", "service-monitors.yaml"],
        "configMapGenerator": [
            {"name": "alertmanager", "files": ["alertmanager.yml", "flags"]},
            {"name": "alertmanager-templates", "files": templates},
        ],
    }
    _write(folder / "kustomization.yaml", kustomization)


def _write(file: Path, *objects: dict[str, Any]) -> None:
    file.write_text(
        yaml.dump_all(objects, Dumper=yaml.CSafeDumper, sort_keys=False, width=1000), encoding="utf-8"
    )


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    api = "monitoring.coreos.com/v1"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": _DESK}, "spec": spec}


def _monitors(settings: Settings) -> list[dict[str, Any]]:
    """Return the scrape objects: the parts at the intervals of prometheus.yml."""
    own = settings.collection.system.interval
    paces = {f"exporter-{name}": (name, group.interval) for name, group in settings.collection.groups.items()}
    paces["exporter"] = ("exporter", own)
    if settings.collection.guard.enabled:
        paces["exporter-guard"] = ("guard", settings.collection.guard.scrape)
    groups = [
        _endpoint(job, pace) | {"params": {"collect[]": [group]}} for job, (group, pace) in paces.items()
    ]
    drill = _endpoint("drill", SCRAPE) | {"path": "/drill", "honorLabels": True}
    token = {"authorization": {"credentials": {"name": "nightdesk", "key": "read_token"}}}
    web = _endpoint("prometheus", own) | {"port": "web"}
    return [
        _monitor("exporter", {"app": "exporter"}, [*groups, drill]),
        _monitor("webhook-actions", {"app": "webhook-actions"}, [_endpoint("webhook_actions", own) | token]),
        _monitor("alertmanager", {"app": "alertmanager"}, [_endpoint("alertmanager", own)]),
        # the operator's service for its Prometheus
        _monitor("prometheus", {"operated-prometheus": "true"}, [web]),
    ]


def _monitor(name: str, labels: dict[str, str], endpoints: list[dict[str, Any]]) -> dict[str, Any]:
    return _object("ServiceMonitor", name, {"selector": {"matchLabels": labels}, "endpoints": endpoints})


def _endpoint(job: str, interval: Duration) -> dict[str, Any]:
    named = {"targetLabel": "job", "replacement": job}  # rules use the part names of prometheus.yml
    return {"port": "http", "interval": str(interval), "relabelings": [named]}
