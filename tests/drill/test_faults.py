"""A drill finds each fault between a metric and a person; `make test-drill` plants every one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import free_port
from tests.drill.desk import Desk, running
from tests.drill.planted_faults import FAULTS, IN_CI

pytestmark = pytest.mark.xdist_group("drill")
PLANTED = tuple(FAULTS) if os.environ.get("NIGHTDESK_EVERY_FAULT") else IN_CI


@pytest.mark.parametrize("name", PLANTED)
def test_a_drill_finds_the_fault_and_finds_none_once_it_is_mended(desk: Desk, name: str) -> None:
    plant, says = FAULTS[name]
    with plant(desk):
        found = [text for _, text in desk.drill(answers=name != "no acknowledgement").faults]
    assert [text for text in found if text.startswith(says)], "\n".join(found)
    assert desk.is_well_again(), name


def test_a_drill_of_a_bot_reaches_its_team(tmp_path: Path) -> None:
    port = free_port()
    source = {"type": "http", "url": f"http://127.0.0.1:{port}", "token_file": "bot"}
    bots = {"alpha": {"source": source, "starting_capital": 10_000, "team": "traders"}}
    administrator = {"email": ["owner@example.org"], "phone": ["+15550000001"]}
    contacts = {"administrator": administrator, "traders": {"email": ["traders@example.org"]}}
    demo = tmp_path / "demo.yaml"
    demo.write_text(yaml.safe_dump({"services": {"demo_bot": {"port": port}}, "demo": {"token_file": "bot"}}))
    (tmp_path / "bot").write_text("bot-secret")
    command = [sys.executable, "-m", "demo_bot", "--config", str(demo), "--data", str(tmp_path / "demo")]
    with subprocess.Popen(command) as bot, running(tmp_path, bots=bots, contacts=contacts) as desk:
        try:
            result = desk.drill(bot="alpha")
        finally:
            bot.terminate()
        assert not result.faults
        assert "traders@example.org" in desk.post.recipients
