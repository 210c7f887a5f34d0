"""Writes `influxdb/create.iql`, which creates the database for Prometheus, with its retention."""

from pathlib import Path

from stack.settings import Settings


def write_database(settings: Settings, build: Path) -> None:
    """Write the statement below `build`, if InfluxDB is configured."""
    store = settings.storage.influxdb
    if not store.enabled:
        return
    hours = round(store.retention / 3600)  # InfluxDB has no unit for fractions of an hour
    name = store.database.replace("\\", "\\\\").replace('"', '\\"')
    statement = f'CREATE DATABASE "{name}" WITH DURATION {hours}h REPLICATION 1 NAME "nightdesk"\n'
    file = build / "influxdb/create.iql"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(statement, encoding="utf-8")
