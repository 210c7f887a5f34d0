"""Files from which Grafana loads the dashboards: data source, folder, home page, its own settings."""

from configparser import ConfigParser
from io import StringIO
from typing import Any

from stack.settings import Settings
from stack.settings.web import Web

LOKI = "loki"  # the type of the data source, and the name by which panels refer to it
# Grafana expands it in all of these files, and its image sets it: so the rendered folder may be anywhere.
DASHBOARDS = "${GF_PATHS_PROVISIONING}/../dashboards"


def datasources(settings: Settings) -> dict[str, Any]:
    """Return the data source file: Prometheus, the first of several as the default, and Loki if enabled."""
    sources: list[dict[str, Any]] = [
        {
            "name": "Prometheus" if number == 1 else f"Prometheus {number}",
            "uid": "prometheus" if number == 1 else f"prometheus-{number}",
            "type": "prometheus",
            "access": "proxy",
            "url": url,
            "isDefault": number == 1,
            "editable": False,
            "jsonData": {"httpMethod": "POST", "timeInterval": str(settings.collection.trading.interval)}
            | ({"tlsAuthWithCACert": True} if settings.web.tls.enabled else {}),
            **_access(settings.web),
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


def _access(web: Web) -> dict[str, Any]:
    """Return how Grafana calls a Prometheus with TLS or a user; Grafana reads the files by itself."""
    found: dict[str, Any] = {}
    secret = {}
    if web.tls.enabled:
        secret["tlsCACert"] = f"$__file{{{web.tls.ca_file}}}"
    if web.auth.enabled:
        found = {"basicAuth": True, "basicAuthUser": web.auth.username}
        secret["basicAuthPassword"] = f"$__file{{{web.auth.password_file}}}"
    return found | ({"secureJsonData": secret} if secret else {})


def providers() -> dict[str, Any]:
    """Return the dashboards file: one folder, beside the provisioning folder."""
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
    """Return grafana.ini: addresses, theme, the home page (a dashboard), no calls to the outside."""
    service = settings.services.grafana
    config = ConfigParser(interpolation=None)
    config["server"] = {
        "http_addr": service.bind,
        "http_port": str(service.port),
        "root_url": f"{settings.link('grafana')}/",
    }
    if settings.web.tls.enabled:
        config["server"].update(
            protocol="https",
            cert_file=str(settings.web.tls.cert_file),
            cert_key=str(settings.web.tls.key_file),
            certs_watch_interval="1m",  # reads a renewed certificate
        )
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
