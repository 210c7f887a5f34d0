"""Programs come from PATH, else from .tools; the error for an old or absent one says the way out."""

import os
import subprocess
from pathlib import Path

import pytest

from stack import binaries, debian
from stack.binaries import MissingBinary, alertmanager_command, find, install
from tests.conftest import binary


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any of the programs; returns its directory on PATH."""
    on_path = tmp_path / "bin"
    on_path.mkdir()
    monkeypatch.setenv("PATH", str(on_path))
    monkeypatch.setattr(binaries, "TOOLS", tmp_path / ".tools")
    find.cache_clear()
    yield on_path
    find.cache_clear()


def program(file: Path, version: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho '{file.name}, version {version} (branch: x)'\n")
    file.chmod(0o755)
    return file


def test_path_comes_before_tools(bare: Path, tmp_path: Path):
    program(tmp_path / ".tools/usr/bin/prometheus", "2.53.3")
    mine = program(bare / "prometheus", "3.5.0")
    assert find("prometheus") == mine


def test_debian_calls_alertmanager_by_another_name(bare: Path, tmp_path: Path):
    debians = program(tmp_path / ".tools/usr/bin/prometheus-alertmanager", "0.28.1")
    assert find("alertmanager") == debians


def test_one_that_is_too_old_on_path_gives_way_to_tools(bare: Path, tmp_path: Path):
    program(bare / "prometheus", "2.42.0")
    good = program(tmp_path / ".tools/usr/bin/prometheus", "2.53.3")
    assert find("prometheus") == good


def test_one_that_is_too_old_is_named_with_its_version(bare: Path):
    program(bare / "alertmanager", "0.25.0")
    with pytest.raises(MissingBinary, match=r"alertmanager is 0\.25, and 0\.28 is the oldest that works"):
        find("alertmanager")


def test_one_that_is_nowhere_leads_to_setup_or_docker(bare: Path):
    with pytest.raises(MissingBinary, match=r"not on PATH .* `make setup`, or `docker"):
        find("prometheus")


def test_a_machine_without_apt_is_pointed_to_docker(bare: Path):
    with pytest.raises(MissingBinary, match=r"apt-get is not here(.|\n)*docker compose up"):
        install()


def test_nothing_is_fetched_where_all_is_there(bare: Path):
    for name in binaries.PROGRAMS:
        program(bare / name, "9.9.9")
    install()  # without apt-get on PATH it could not fetch
    assert not binaries.TOOLS.exists()


@pytest.mark.parametrize("user", [0, 65534], ids=["root", "nobody"])
def test_alertmanager_starts_for_any_user(user: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Debian's reads its templates from below /usr/share, where nothing was installed."""
    binary("alertmanager")
    if user != os.geteuid() and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if user and not _others_may_enter(binaries.TOOLS):
        pytest.skip(f"nobody may not enter {binaries.TOOLS}")
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: x}\nreceivers: [{name: x}]\n")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    binaries._namespace.cache_clear()
    command = alertmanager_command("check-config", str(config), program="amtool")
    binaries._namespace.cache_clear()
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    told = subprocess.run([*become, *command], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_time_zones_of_the_machine_stay_visible_to_alertmanager():
    binary("alertmanager")
    command = alertmanager_command()
    seen = subprocess.run([*command[:-1], "ls", "/usr/share/zoneinfo/Europe/Berlin"], capture_output=True)
    assert seen.returncode == 0, seen.stderr


def test_packages_are_unpacked_by_apt_without_installing(tmp_path: Path):
    target = tmp_path / "tools"
    target.mkdir()
    (target / "old").touch()
    try:
        debian.unpack(target, ["jsonnet"], suite=debian._mirror()[1])
    except debian.Unavailable as error:
        pytest.skip(f"no Debian mirror can be reached: {error}")
    assert (target / "usr/bin/jsonnetfmt").is_file()
    assert not (target / "old").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["tools"]


def test_packages_that_cannot_be_had_leave_what_was_there(tmp_path: Path):
    target = tmp_path / "tools"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(debian.Unavailable):
        debian.unpack(target, ["no-such-package-anywhere"], suite="no-such-suite")
    assert (target / "old").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["tools"]


def _others_may_enter(folder: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))
