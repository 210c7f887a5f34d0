"""The stores return the same samples as Prometheus, also after an outage."""

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from stack.settings import load
from stack.settings.load import DEFAULTS
from tests.conftest import eventually, free_port
from tests.storage.conftest import Desk, Samples, Store, desk, program

METRIC = "trading_bot_equity"
BEFORE, MISSED, AFTER = 4, 6, 4  # samples before, during and after the store's outage
QUICK = {"flush_interval": "1s", "longest_delay": "2s"}


@dataclass
class Ready:
    """A store, its settings in Prometheus, and a way to read its samples."""

    store: Store
    settings: dict[str, object]
    read: Callable[[str], Samples]


@pytest.fixture
def victoriametrics(tmp_path: Path) -> Iterator[Ready]:
    port = free_port()
    command = [
        program("victoria-metrics", "victoria-metrics"),
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={tmp_path / 'victoria'}",
    ]
    store = Store(command, port, "/health", tmp_path / "store.log")

    def read(metric: str) -> Samples:
        requests.get(f"{store.url}/internal/force_flush", timeout=10)  # otherwise they appear seconds later
        asked = {"match[]": metric, "format": "__timestamp__:unix_ms,__value__"}
        answer = requests.get(f"{store.url}/api/v1/export/csv", params=asked, timeout=10)
        return {int(at) / 1000: float(value) for at, value in csv.reader(answer.text.splitlines())}

    store.start()
    yield Ready(store, {"queue": QUICK, "remote_write": [{"url": f"{store.url}/api/v1/write"}]}, read)
    store.stop()


@pytest.fixture
def influxdb(tmp_path: Path) -> Iterator[Ready]:
    port, settings = free_port(), load([DEFAULTS]).storage.influxdb
    variables = {
        "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
        "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
        "INFLUXDB_META_DIR": str(tmp_path / "influx/meta"),
        "INFLUXDB_DATA_DIR": str(tmp_path / "influx/data"),
        "INFLUXDB_DATA_WAL_DIR": str(tmp_path / "influx/wal"),
        "INFLUXDB_MONITOR_STORE_ENABLED": "false",
        "INFLUXDB_REPORTING_DISABLED": "true",
    }
    store = Store(
        [program("influxd", "influxdb")], port, "/ping", tmp_path / "store.log", os.environ | variables
    )

    def ask(query: str, **more: str) -> list[dict[str, object]]:
        answer = requests.post(f"{store.url}/query", params={"q": query, **more}, timeout=10).json()
        return answer["results"][0].get("series", [])

    def read(metric: str) -> Samples:
        query = f'SELECT value FROM "{metric}"'  # noqa: S608 - a name of our own
        found = ask(query, db=settings.database, epoch="ms")
        return {at / 1000: value for at, value in found[0]["values"]} if found else {}

    store.start()
    yield Ready(store, {"queue": QUICK, "influxdb": {"enabled": True, "url": store.url}}, read)
    store.stop()


@pytest.mark.parametrize("kind", ["victoriametrics", "influxdb"])
def test_what_prometheus_holds_is_in_the_store_also_after_an_outage(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ready: Ready = request.getfixturevalue(kind)
    store = ready.store
    with desk(tmp_path, **ready.settings) as prometheus:
        if kind == "influxdb":
            create = (tmp_path / "build/influxdb/create.iql").read_text()
            assert requests.post(f"{store.url}/query", params={"q": create}, timeout=10).ok
        wait_for(prometheus, BEFORE)
        eventually(lambda: len(ready.read(METRIC)) > 0, within=60, what="the first samples")
        store.stop()
        missed = wait_for(prometheus, len(prometheus.samples()) + MISSED)
        store.start()
        wait_for(prometheus, len(missed) + AFTER)
        wanted = prometheus.samples()

        def arrived() -> bool:
            there = ready.read(METRIC)
            return all(at in there for at in wanted)

        eventually(arrived, within=120, what="all samples")
        there = ready.read(METRIC)
        assert {at: there[at] for at in wanted} == wanted
        assert set(missed) <= set(wanted)
        assert ready.read("go_threads") == {}, "only what storage.sent names leaves"
        assert len(prometheus.samples("go_threads")) > BEFORE


def wait_for(prometheus: Desk, count: int) -> Samples:
    """Return the samples that Prometheus holds, once there are so many."""
    eventually(lambda: len(prometheus.samples()) >= count, within=90, what=f"{count} samples")
    return prometheus.samples()
