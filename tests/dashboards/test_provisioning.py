"""Grafana loads everything by itself, wherever the rendered folder is."""

from configparser import ConfigParser
from pathlib import Path

import yaml

from grafana.build import build
from stack.settings import Settings
from tests.dashboards.conftest import settings_of
from tests.dashboards.reading import HELPS


def test_two_builds_of_the_same_settings_are_the_same_bytes(settings: Settings, tmp_path: Path) -> None:
    build(settings, HELPS, tmp_path / "one")
    build(settings, HELPS, tmp_path / "elsewhere" / "two")
    first, second = _bytes(tmp_path / "one"), _bytes(tmp_path / "elsewhere" / "two")
    assert first == second
    assert first.keys() >= {"grafana.ini", "dashboards/overview.json"}


def test_the_data_source_is_the_prometheus_of_the_settings(tmp_path: Path) -> None:
    build(
        settings_of(tmp_path, services={"prometheus": {"host": "prom", "port": 9999}}),
        HELPS,
        tmp_path / "out",
    )
    (source,) = _yaml(tmp_path / "out", "datasources")["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prom:9999")
    assert (source["isDefault"], source["jsonData"]["timeInterval"]) == (True, "1m")


def test_loki_is_a_data_source_only_where_it_is_enabled(tmp_path: Path) -> None:
    enabled = settings_of(tmp_path, logs={"loki": {"enabled": True, "url": "http://loki:3100"}})
    build(enabled, HELPS, tmp_path / "out")
    _, loki = _yaml(tmp_path / "out", "datasources")["datasources"]
    assert (loki["type"], loki["uid"], loki["url"]) == ("loki", "loki", "http://loki:3100")
    assert "isDefault" not in loki


def test_the_provider_and_the_home_page_point_to_the_dashboards_that_were_written(
    settings: Settings, tmp_path: Path
) -> None:
    build(settings, HELPS, tmp_path)
    (provider,) = _yaml(tmp_path, "dashboards")["providers"]
    home = _ini(tmp_path)["dashboards"]["default_home_dashboard_path"]
    written = tmp_path / "dashboards"
    assert _resolved(provider["options"]["path"], tmp_path) == written
    assert _resolved(home, tmp_path) == written / "overview.json"
    assert (written / "overview.json").is_file()


def test_no_home_page_is_named_that_was_not_written(tmp_path: Path) -> None:
    off = settings_of(tmp_path, dashboards={"widgets": {"overview": {"enabled": False}}})
    build(off, HELPS, tmp_path / "out")
    assert not _ini(tmp_path / "out")["dashboards"]


def test_theme_and_address_of_grafana_follow_the_settings(tmp_path: Path) -> None:
    changed = settings_of(
        tmp_path, dashboards={"theme": "light"}, services={"grafana": {"bind": "127.0.0.2", "port": 3333}}
    )
    build(changed, HELPS, tmp_path / "out")
    ini = _ini(tmp_path / "out")
    assert ini["users"]["default_theme"] == "light"
    assert (ini["server"]["http_addr"], ini["server"]["http_port"]) == ("127.0.0.2", "3333")
    assert ini["server"]["root_url"] == "http://127.0.0.1:3333/"


def _resolved(path: str, out: Path) -> Path:
    """Return a path as Grafana resolves it, if the rendered folder is its provisioning folder."""
    return Path(path.replace("${GF_PATHS_PROVISIONING}", str(out / "provisioning"))).resolve()


def _bytes(out: Path) -> dict[str, bytes]:
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}


def _yaml(out: Path, kind: str) -> dict[str, list[dict[str, object]]]:
    return yaml.safe_load((out / "provisioning" / kind / "nightdesk.yaml").read_text(encoding="utf-8"))


def _ini(out: Path) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(out / "grafana.ini")
    return parser
