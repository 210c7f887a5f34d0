"""`nightdesk service` writes a unit that systemd accepts, starts it, and removes it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stack import service
from stack.cli import main
from tests.stack.conftest import Desk

RESTART = {"programs": {"again": ["/usr/bin/sudo", "systemctl", "restart", "bot"]}}


@pytest.fixture
def calls(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace systemd; returns the file with a line for each call."""
    file = desk.root / "calls"
    for name in ("systemctl", "loginctl"):
        program = desk.root / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {file}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{desk.root}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(desk.root / "config"))
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(service, "_SYSTEM", desk.root / "system")
    monkeypatch.chdir(desk.root)
    return file


def verified(unit: Path, *words: str) -> None:
    """Let the real systemd read a unit, if it is installed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on PATH")
    told = subprocess.run(
        ["systemd-analyze", *words, "verify", str(unit)],
        capture_output=True, text=True, env=os.environ | {"XDG_RUNTIME_DIR": str(unit.parent)},
    )  # fmt: skip
    assert str(unit.name) not in told.stderr
    assert told.returncode == 0, told.stderr


def test_a_users_service_is_written_outlives_the_logout_and_is_removed(desk: Desk, calls: Path):
    assert main(["service", "install"]) == 0
    unit = desk.root / "config/systemd/user/nightdesk.service"
    text = unit.read_text()
    assert f'"--config" "{desk.root}/monitoring.yaml"' in text
    assert "Restart=always" in text
    assert "User=" not in text
    said = calls.read_text().splitlines()
    assert said[0].startswith("loginctl enable-linger ")
    assert said[1:] == [
        "systemctl --user daemon-reload",
        "systemctl --user enable nightdesk.service",
        "systemctl --user restart nightdesk.service",
    ]
    verified(unit, "--user")
    calls.unlink()
    assert main(["service", "remove"]) == 0
    assert not unit.exists()
    assert (desk.root / ".data").is_dir()
    assert calls.read_text().splitlines() == [
        "systemctl --user disable --now nightdesk.service", "systemctl --user daemon-reload",
    ]  # fmt: skip


def test_a_system_service_is_hardened_and_may_write_its_data_alone(desk: Desk, calls: Path):
    (desk.root / "a data $dir 100%").mkdir()
    words = [
        "--system",
        "--as",
        "daemon",
        "--data",
        "a data $dir 100%",
        "--name",
        "second",
        "--port-offset",
        "100",
    ]
    assert main(["service", "install", *words]) == 0
    unit = desk.root / "system/second.service"
    text = unit.read_text()
    assert "User=daemon" in text
    assert "ProtectSystem=strict" in text
    assert f'ReadWritePaths="-{desk.root}/a data $dir 100%%"' in text
    assert f'"--data" "{desk.root}/a data $$dir 100%%"' in text
    assert '"--port-offset" "100"' in text
    verified(unit)


def test_a_program_that_becomes_another_user_leaves_the_unit_unhardened_and_says_so(
    desk: Desk, calls: Path, capsys: pytest.CaptureFixture[str]
):
    desk.write(actions=RESTART)
    assert main(["service", "install"]) == 0
    assert "warning: it is not hardened: actions.programs.again" in capsys.readouterr().out
    assert "NoNewPrivileges" not in (desk.root / "config/systemd/user/nightdesk.service").read_text()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["install", "--system"], "--as: name the user"),
        (["install", "--system", "--as", "daemon"], ".data: make it, and give it to daemon"),
        (["remove"], "there is nothing to remove"),
    ],
)
def test_what_cannot_be_done_names_the_way_out(
    calls: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
):
    assert main(["service", *words]) == 1
    assert reason in capsys.readouterr().err
    assert not calls.exists()


def test_a_missing_systemd_is_reported(
    desk: Desk, calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PATH", str(desk.root))
    assert main(["service", "install"]) == 1
    assert "without systemd" in capsys.readouterr().err


def test_a_refusal_by_systemd_is_shown_in_its_words(
    desk: Desk, calls: Path, capsys: pytest.CaptureFixture[str]
):
    (desk.root / "bin/systemctl").write_text("#!/bin/sh\necho no bus >&2; exit 1\n")
    assert main(["service", "install"]) == 1
    assert "failed: no bus" in capsys.readouterr().err
