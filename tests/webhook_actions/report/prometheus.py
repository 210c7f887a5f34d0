"""A real Prometheus with a test's samples of the past."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import binary, eventually, free_port
from tests.storage.conftest import answers


@contextmanager
def remembering(directory: Path, openmetrics: str) -> Iterator[str]:
    """Start it with these samples, and yield its address."""
    (directory / "past.om").write_text(openmetrics)
    (directory / "prometheus.yml").write_text("scrape_configs: []\n")
    # In one block: promtool reads the whole file for each.
    make = [binary("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=4464h"]
    make += ["openmetrics", "past.om", "data"]
    subprocess.run(make, cwd=directory, check=True, capture_output=True)
    port = free_port()
    command: list[str | Path] = [
        binary("prometheus"),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: answers(f"{url}/-/ready"), what="Prometheus")
            yield url
        finally:
            process.terminate()
