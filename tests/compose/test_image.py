"""The image that compose builds: no layer contains a secret, and it does not run as root."""

import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.conftest import Compose

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

IMAGE, BASE = "nightdesk:local", "python:3.11-slim"
SHAPED = 1_000_000  # bytes; a larger file is a library, in which the test searches for our own secrets only
# Shapes of secrets that no package ships: of private keys, the file names and the bodies.
SHAPES = re.compile(
    rb"-----BEGIN (?:RSA |EC |OPENSSH |ENCRYPTED )?PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{60,}"
    rb"|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[abpr]-[0-9]{10,}-[A-Za-z0-9-]{20,}"
)
NAMES = re.compile(r"(^|/)(secrets/|\.env$|\.git/|\.netrc$|\.pypirc$|pip\.conf$|id_(rsa|ed25519)$)")


@pytest.fixture(scope="module")
def image(compose: Compose, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the image and return it as an archive of its layers."""
    if subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("no Docker engine answers")
    if subprocess.run(["docker", "image", "inspect", BASE], capture_output=True).returncode:
        pytest.skip(f"image {BASE} is not here")
    compose.run("build", "exporter")
    archive = tmp_path_factory.mktemp("image") / "image.tar"
    subprocess.run(["docker", "save", "--output", str(archive), IMAGE], check=True, capture_output=True)
    return archive


def files(image: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of each file of our layers, also of files that a later layer deletes."""
    told = ["docker", "image", "inspect", BASE, "--format", "{{len .RootFS.Layers}}"]
    below = int(subprocess.run(told, capture_output=True, text=True, check=True).stdout)
    with tarfile.open(image) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        for layer in json.load(manifest)[0]["Layers"][below:]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.isreg() else None
                    yield member.name, content.read() if content else b""


def test_no_layer_holds_a_secret(image: Path, compose: Compose):
    ours = [file.read_bytes().strip() for file in (compose.root / "secrets").iterdir() if file.is_file()]
    assert len(ours) >= 5
    seen, found = 0, []
    for name, content in files(image):
        seen += 1
        shaped = len(content) < SHAPED and SHAPES.search(content)
        if NAMES.search(name) or shaped or any(secret in content for secret in ours):
            found.append(name)
    assert found == []
    assert seen > 5000


def test_the_scan_finds_what_it_looks_for(compose: Compose):
    ours = (compose.root / "secrets/act_token").read_bytes()
    made = ["openssl", "genpkey", "-algorithm", "ed25519"]
    key = subprocess.run(made, capture_output=True, check=True).stdout
    assert SHAPES.search(b"key: |\n" + key)
    assert SHAPES.search(b"token = ghp_" + b"a1" * 18)
    assert not SHAPES.search(ours)  # so the test searches for each secret unchanged
    assert all(NAMES.search(name) for name in ("app/secrets/act_token", "app/.env", "root/.netrc"))


def test_neither_history_nor_environment_reveals_the_package_index(image: Path):
    history = ["docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", IMAGE]
    config = ["docker", "image", "inspect", IMAGE, "--format", "{{json .Config}}"]
    about = "".join(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in (history, config)
    )
    assert "COPY" in about
    assert not re.search(r"PIP_(EXTRA_)?INDEX_URL=|https?://[^/\s]+@", about)
    assert '"User":"nightdesk"' in about
