"""Writes the dashboards as JSON, and the files by which Grafana loads them."""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from grafana import provisioning
from grafana.boards import chosen
from grafana.grafanalib_extensions import Dashboard, DashboardEncoder
from grafana.panels import PanelFactory
from stack.settings import Settings

HOME = "overview"
_SUFFIX = ".dashboard.py"
_FOLDER = Path(__file__).parent / "dashboards"


def build(settings: Settings, helps: Mapping[str, str], out: Path) -> None:
    """Write `out/dashboards/*.json`, `out/provisioning/*/nightdesk.yaml` and `out/grafana.ini`.

    `helps` has each metric's meaning, by its full name. The same settings give the same bytes wherever `out`
    lies: GF_PATHS_PROVISIONING tells Grafana where.
    """
    built = dashboards(settings, helps)
    for name, dashboard in built.items():
        _write(out / "dashboards" / f"{name}.json", json.dumps(dashboard, indent=2, sort_keys=True) + "\n")
    for kind, data in (
        ("datasources", provisioning.datasources(settings)),
        ("dashboards", provisioning.providers()),
    ):
        _write(out / "provisioning" / kind / "nightdesk.yaml", yaml.safe_dump(data, sort_keys=True))
    _write(out / "grafana.ini", provisioning.ini(settings, HOME if HOME in built else None))


def dashboards(settings: Settings, helps: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the JSON of each dashboard of the set whose widget is enabled, by the name of its file."""
    factory, found = PanelFactory(settings, helps), {}
    for file in sorted(_FOLDER.glob(f"*{_SUFFIX}")):
        name = file.name.removesuffix(_SUFFIX)
        if chosen(settings, name):
            found[name] = json.loads(json.dumps(_load(file, factory), cls=DashboardEncoder))
    return found


def _load(file: Path, factory: PanelFactory) -> Dashboard:
    # Its name has a dot, as grafanalib wants it, so `import` cannot reach it.
    spec = importlib.util.spec_from_file_location(file.name.removesuffix(".py"), file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dashboard: Dashboard = module.dashboard(factory)
    return dashboard


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
