"""A real Prometheus sends to New Relic what the documentation requires, with Prometheus's own values."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.conftest import eventually
from tests.storage.conftest import Samples, desk

LICENSE = "eu01xx-license"
METRIC = "trading_bot_equity"
OUTAGE = 3  # requests that get a 503, as from an overloaded service
WANTED = {
    "Authorization": f"Bearer {LICENSE}",
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
# https://prometheus.io/docs/specs/prw/remote_write_spec/: message, then its fields by number, name and type.
_PROTOCOL = {
    "Label": [(1, "name", "string"), (2, "value", "string")],
    "Sample": [(1, "value", "double"), (2, "timestamp", "int64")],
    "TimeSeries": [(1, "labels", "Label"), (2, "samples", "Sample")],
    "WriteRequest": [(1, "timeseries", "TimeSeries")],
}


def write_request() -> type:
    """Return the class of the message that remote write sends."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="prometheus", syntax="proto3")
    for message, fields in _PROTOCOL.items():
        made = file.message_type.add(name=message)
        for number, name, kind in fields:
            inner = kind in _PROTOCOL
            made.field.add(
                name=name,
                number=number,
                type=field.TYPE_MESSAGE if inner else getattr(field, f"TYPE_{kind.upper()}"),
                type_name=f".prometheus.{kind}" if inner else None,
                label=field.LABEL_REPEATED if inner else field.LABEL_OPTIONAL,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


class NewRelic:
    """New Relic's endpoint for remote write: the accepted samples by metric, and the refusals."""

    def __init__(self) -> None:
        self.taken: dict[str, Samples] = {}
        self.refused: list[str] = []
        self.failing = 0
        self._message = write_request()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """https://docs.newrelic.com/docs/infrastructure/prometheus-integrations/install-configure-remote-write/"""
        wrong = [
            f"{name}: {headers.get(name)}" for name, value in WANTED.items() if headers.get(name) != value
        ]
        if path != "/prometheus/v1/write?prometheus_server=nightdesk" or wrong:
            self.refused.append(f"{path} {wrong}")
            return 403 if any(one.startswith("Authorization") for one in wrong) else 400
        if self.failing < OUTAGE:
            self.failing += 1
            return 503
        for series in self._message.FromString(bytes(cramjam.snappy.decompress_raw(body))).timeseries:
            labels = {label.name: label.value for label in series.labels}
            names = [label.name for label in series.labels]
            if names != sorted(set(names)):
                self.refused.append(f"labels out of order: {names}")
                return 400
            if labels.get("job") == "exporter-trading":
                told = {sample.timestamp / 1000: sample.value for sample in series.samples}
                self.taken.setdefault(labels["__name__"], {}).update(told)
        return 202

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Listen while in the block; gives the address."""
        relic = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(relic.take(self.path, self.headers, body))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_prometheus_sends_new_relic_what_it_holds_and_again_what_was_refused(tmp_path: Path) -> None:
    relic = NewRelic()
    (tmp_path / "license").write_text(LICENSE)
    with relic.serving() as url:
        account = {
            "enabled": True, "account": 1, "license_key_file": "license",
            "metrics_url": f"{url}/prometheus/v1/write",
        }  # fmt: skip
        queue = {"flush_interval": "1s", "longest_delay": "2s"}
        with desk(tmp_path, {"newrelic": account}, queue=queue) as prometheus:
            eventually(lambda: len(prometheus.samples()) >= 4, what="four samples")
            wanted = prometheus.samples()
            eventually(lambda: wanted.keys() <= relic.taken.get(METRIC, {}).keys(), what="their arrival")
            assert len(prometheus.samples("go_threads")) > 1
    assert relic.refused == []
    assert relic.failing == OUTAGE
    assert {at: relic.taken[METRIC][at] for at in wanted} == wanted
    assert "go_threads" not in relic.taken, "only what storage.sent names leaves"
