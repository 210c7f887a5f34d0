"""What makes Grafana load the dashboards by itself: data source, folder, home page and its own settings."""

from configparser import ConfigParser
from io import StringIO
from typing import Any

from stack.settings import Settings

LOKI = "loki"  # the type of its data source and the name that panels call it by
# Grafana resolves it in all of these files, and its image sets it: so the rendered folder may lie anywhere.
DASHBOARDS = "${GF_PATHS_PROVISIONING}/../dashboards"


def datasources(settings: Settings) -> dict[str, Any]:
    """Return the data source file: Prometheus, of several the first as the default, and Loki if enabled."""
    sources: list[dict[str, Any]] = [
        {
            "name": "Prometheus" if number == 1 else f"Prometheus {number}",
            "uid": "prometheus" if number == 1 else f"prometheus-{number}",
            "type": "prometheus",
            "access": "proxy",
            "url": url,
            "isDefault": number == 1,
            "editable": False,
            "jsonData": {"httpMethod": "POST", "timeInterval": str(settings.collection.trading.interval)},
        }
        for number, url in enumerate(settings.services.prometheus.urls, start=1)
    ]
    loki = {
        "name": "Loki",
        "uid": LOKI,
        "type": LOKI,
        "access": "proxy",
        "url": str(settings.logs.loki.url).rstrip("/"),
        "editable": False,
    }
    return {"apiVersion": 1, "datasources": [*sources, loki] if settings.logs.loki.enabled else sources}


def providers() -> dict[str, Any]:
    """Return the dashboards file: one folder, read from beside the provisioning folder."""
    provider = {
        "name": "nightdesk",
        "type": "file",
        "folder": "Nightdesk",
        "folderUid": "nightdesk",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": DASHBOARDS},
    }
    return {"apiVersion": 1, "providers": [provider]}


def ini(settings: Settings, home: str | None) -> str:
    """Return grafana.ini: addresses, theme, the home page (a dashboard), and nothing that calls out."""
    service = settings.services.grafana
    config = ConfigParser(interpolation=None)
    config["server"] = {
        "http_addr": service.bind,
        "http_port": str(service.port),
        "root_url": f"{settings.link('grafana')}/",
    }
    config["users"] = {"default_theme": settings.dashboards.theme}
    config["dashboards"] = {"default_home_dashboard_path": f"{DASHBOARDS}/{home}.json"} if home else {}
    config["analytics"] = {
        "reporting_enabled": "false",
        "check_for_updates": "false",
        "check_for_plugin_updates": "false",
    }
    config["news"] = {"news_feed_enabled": "false"}
    text = StringIO()
    config.write(text)
    return text.getvalue()
