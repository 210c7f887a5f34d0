"""The commands `nightdesk incidents`, `ack`, `run` and `pause`, as a person types them."""

import subprocess
import sys

import pytest

from tests.conftest import eventually
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.world import ROOT, World


@pytest.fixture
def quiet(make_world: Make) -> World:
    """Return a world whose engine runs without a Prometheus."""
    made = make_world("alpha")
    made.start_engine()
    return made


def nightdesk(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stack.cli", words[0], "--config", str(world.config), *words[1:]]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_incidents_are_listed_acknowledged_and_found_again(quiet: World) -> None:
    assert nightdesk(quiet, "incidents").stdout == "no incident is open\n"
    quiet.deliver(quiet.alert("alpha", annotations={"summary": "alpha is down"}))
    listed = nightdesk(quiet, "incidents").stdout
    assert "1  critical  TradingBotDown of alpha, since" in listed
    assert "alpha is down" in listed
    assert nightdesk(quiet, "ack", "1", "--comment", "mine").stdout == "incident 1: acknowledged\n"
    assert "(act token): mine" in nightdesk(quiet, "incidents", "--all", "mine").stdout
    assert nightdesk(quiet, "incidents", "--all", "nowhere").stdout == "no incident was found\n"
    assert nightdesk(quiet, "ack", "1", "--snooze", "2h").stdout == "incident 1: snoozed\n"
    silenced = nightdesk(quiet, "ack", "1", "--silence", "1h").stdout  # and no Alertmanager runs
    assert silenced == "incident 1: not silenced\n"


def test_an_action_is_run_and_money_wants_the_bots_name(world: World) -> None:
    world.bots.by_name["alpha"].comes_back = False
    world.goes_down("alpha")
    world.deliver(world.alert("alpha"))
    eventually(lambda: world.incident("alpha")["handed_over_at"], within=60, what="giving up")
    assert nightdesk(world, "run", "1", "restart_bot").stdout == "restart_bot: asked\n"
    eventually(lambda: "asked" in world.kinds("alpha"), what="the action")
    refused = nightdesk(world, "run", "1", "close_positions")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "confirm it with the bot's name, alpha" in refused.stderr
    told = nightdesk(world, "run", "1", "close_positions", "--confirm", "alpha")
    assert told.stdout == "close_positions: asked\n"
    eventually(lambda: world.get("/api/v1/bots").json()[0]["halted"], what="the halt")
    assert nightdesk(world, "pause", "--release", "alpha").stdout == "alpha: released\n"


def test_all_actions_are_paused_and_resumed(quiet: World) -> None:
    assert nightdesk(quiet, "pause", "--reason", "maintenance").stdout == "all actions: paused\n"
    assert quiet.get("/api/v1/pause").json()["reason"] == "maintenance"
    again = nightdesk(quiet, "pause")
    assert (again.returncode, again.stderr) == (1, "all actions are paused already\n")
    assert nightdesk(quiet, "pause", "--resume").stdout == "all actions: resumed\n"
    assert quiet.get("/api/v1/pause").json()["paused"] is False


def test_without_webhook_actions_or_its_token_the_way_out_is_named(make_world: Make) -> None:
    world = make_world("alpha")
    told = nightdesk(world, "incidents")
    assert told.returncode == 1
    assert "does not answer; `nightdesk up` starts it" in told.stderr
    (world.directory / "act_token").unlink()
    missing = nightdesk(world, "incidents")
    assert missing.returncode in (1, 2)
    assert "act_token" in missing.stderr
    assert "Traceback" not in missing.stderr
