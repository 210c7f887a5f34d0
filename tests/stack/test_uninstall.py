"""`nightdesk uninstall` stops the service, deletes data only on request, and lists the rest."""

from pathlib import Path

import pytest

from stack.cli import main
from tests.stack.conftest import Desk
from tests.stack.test_service import calls as calls


def test_it_removes_the_service_and_says_what_stays(
    desk: Desk, calls: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["service", "install"]) == 0
    assert main(["uninstall"]) == 0
    assert not (desk.root / "config/systemd/user/nightdesk.service").exists()
    assert "systemctl --user disable --now nightdesk.service" in calls.read_text()
    assert f"it keeps {desk.root}/monitoring.yaml, {desk.root}/.data:" in capsys.readouterr().out


def test_it_deletes_data_only_where_that_is_wanted_and_only_a_data_directory(
    desk: Desk, calls: Path, capsys: pytest.CaptureFixture[str]
):
    (desk.root / "photos").mkdir()
    assert main(["uninstall", "--data-too", "--data", "photos"]) == 1
    assert "not a data directory of Nightdesk" in capsys.readouterr().err
    data = desk.root / ".data"
    data.mkdir()
    (data / "up.lock").write_text("")
    assert main(["uninstall"]) == 0
    assert data.is_dir()
    assert main(["uninstall", "--data-too"]) == 0
    assert not data.exists()
    assert (desk.root / "photos").is_dir()
    assert not calls.exists()  # there was no service, so systemd was not called
