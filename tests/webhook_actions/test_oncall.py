"""The commands `nightdesk incidents`, `ack`, `run` and `pause`, typed by a person."""

import subprocess
import sys

import pytest

from tests.conftest import eventually
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.harness import ROOT, Harness


@pytest.fixture
def quiet(make_harness: Make) -> Harness:
    """Return a world whose engine runs without a Prometheus."""
    made = make_harness("alpha")
    made.start_engine()
    return made


def nightdesk(harness: Harness, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stack.cli", words[0], "--config", str(harness.config), *words[1:]]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_incidents_are_listed_acknowledged_and_found_again(quiet: Harness) -> None:
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


def test_an_action_is_run_and_money_wants_the_bots_name(harness: Harness) -> None:
    harness.bots.by_name["alpha"].comes_back = False
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: harness.incident("alpha")["handed_over_at"], within=60, what="giving up")
    assert nightdesk(harness, "run", "1", "restart_bot").stdout == "restart_bot: asked\n"
    eventually(lambda: "asked" in harness.kinds("alpha"), what="the action")
    refused = nightdesk(harness, "run", "1", "close_positions")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "confirm it with the bot's name, alpha" in refused.stderr
    told = nightdesk(harness, "run", "1", "close_positions", "--confirm", "alpha")
    assert told.stdout == "close_positions: asked\n"
    eventually(lambda: harness.get("/api/v1/bots").json()[0]["halted"], what="the halt")
    assert nightdesk(harness, "pause", "--release", "alpha").stdout == "alpha: released\n"


def test_an_action_is_run_on_a_bot_that_has_no_incident_and_nobody_is_woken_for_it(harness: Harness) -> None:
    refused = nightdesk(harness, "run", "close_positions", "--bot", "alpha")
    assert (refused.returncode, harness.incidents()) == (1, [])
    assert "confirm it with the bot's name, alpha" in refused.stderr
    told = nightdesk(harness, "run", "close_positions", "--bot", "alpha", "--confirm", "alpha")
    assert told.stdout == "close_positions: asked\n"
    eventually(lambda: harness.get("/api/v1/bots").json()[0]["halted"], what="the halt")
    assert harness.incident("alpha")["alert"] == "TradingBotRequested"


def test_a_request_on_a_bot_closes_once_it_is_proven_and_wakes_nobody(harness: Harness) -> None:
    assert nightdesk(harness, "run", "restart_bot", "--bot", "alpha").stdout == "restart_bot: asked\n"
    eventually(lambda: harness.bots.by_name["alpha"].restarts, what="the restart")
    eventually(lambda: harness.incident("alpha")["closed_at"], within=60, what="the end of the request")
    assert not {"escalated", "notified", "exhausted"} & set(harness.kinds("alpha"))


def test_a_request_for_a_bot_whose_prometheus_is_gone_is_run_all_the_same(quiet: Harness) -> None:
    assert nightdesk(quiet, "run", "restart_bot", "--bot", "alpha").stdout == "restart_bot: asked\n"
    eventually(lambda: quiet.bots.by_name["alpha"].restarts, what="the restart")


def test_a_request_that_cannot_be_meant_is_refused(quiet: Harness) -> None:
    usage = "say `nightdesk run INCIDENT ACTION`, or `nightdesk run ACTION --bot BOT`"
    for words, reason in (
        (("restart_bot", "--bot", "beta"), "there is no bot beta; known: alpha"),
        (("fly", "--bot", "alpha"), "fly is not an action; choose one of"),
        (("restart_bot",), usage),
        (("1", "restart_bot", "--bot", "alpha"), usage),
    ):
        told = nightdesk(quiet, "run", *words)
        assert (told.returncode, quiet.incidents()) == (1, [])
        assert reason in told.stderr


def test_the_kill_switch_holds_back_a_request_on_a_bot(quiet: Harness) -> None:
    nightdesk(quiet, "pause")
    told = nightdesk(quiet, "run", "restart_bot", "--bot", "alpha")
    assert "all actions are paused by" in told.stderr
    assert quiet.incidents() == []


def test_incidents_that_are_read_by_a_program_that_has_read_enough_are_no_fault(quiet: Harness) -> None:
    for number in range(40):
        text = "as long as a pipe takes before it is full " * 80
        quiet.deliver(quiet.alert("alpha", fingerprint=f"{number:016x}", annotations={"summary": text}))
    command = [
        sys.executable,
        "-m",
        "stack.cli",
        "incidents",
        "--limit",
        "100",
        "--config",
        str(quiet.config),
    ]
    piped = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    piped.stdout.readline()
    piped.stdout.close()
    assert piped.stderr.read() == b""
    assert piped.wait() == 141


def test_a_report_that_is_refused_says_why_in_words(quiet: Harness) -> None:
    told = nightdesk(quiet, "report", "--bot", "beta")
    assert told.returncode == 1
    assert told.stderr.startswith("no report: ")
    assert "{" not in told.stderr


def test_all_actions_are_paused_and_resumed(quiet: Harness) -> None:
    assert nightdesk(quiet, "pause", "--reason", "maintenance").stdout == "all actions: paused\n"
    assert quiet.get("/api/v1/pause").json()["reason"] == "maintenance"
    again = nightdesk(quiet, "pause")
    assert (again.returncode, again.stderr) == (1, "all actions are paused already\n")
    assert nightdesk(quiet, "pause", "--resume").stdout == "all actions: resumed\n"
    assert quiet.get("/api/v1/pause").json()["paused"] is False


def test_without_webhook_actions_or_its_token_the_way_out_is_named(make_harness: Make) -> None:
    harness = make_harness("alpha")
    told = nightdesk(harness, "incidents")
    assert told.returncode == 1
    assert "does not answer; `nightdesk up` starts it" in told.stderr
    (harness.directory / "act_token").unlink()
    missing = nightdesk(harness, "incidents")
    assert missing.returncode in (1, 2)
    assert "act_token" in missing.stderr
    assert "Traceback" not in missing.stderr
