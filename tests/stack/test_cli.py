"""The command `nightdesk`, typed by a person."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from stack.keys import generate
from stack.schema import user_schema
from stack.settings import load
from tests.stack.conftest import Desk


def test_check_says_ok_and_what_is_watched(desk: Desk):
    generate(load([desk.root / "monitoring.yaml"]))
    told = desk.run("check")
    assert (told.returncode, told.stderr) == (0, "")
    assert "ok: profile starter" in told.stdout
    assert "demo: http http://127.0.0.1:8081/" in told.stdout


def test_check_warns_without_a_dead_mans_switch_and_in_production_refuses_unless_none_is_wanted(desk: Desk):
    generate(load([desk.root / "monitoring.yaml"]))
    lacks = "routing.watchdog_url_file: is not set"
    told = desk.run("check")
    assert (told.returncode, f"warning: {lacks}" in told.stdout) == (0, True)

    desk.write(profile="production")
    told = desk.run("check")
    assert (told.returncode, lacks in told.stderr) == (2, True)
    desk.write(profile="production", routing={"watchdog_url_file": "none"})
    told = desk.run("check")
    assert (told.returncode, lacks in told.stdout + told.stderr) == (0, False)


def test_check_says_of_which_bots_a_loss_is_seen_late(desk: Desk):
    email = {"enabled": True, "host": "127.0.0.1", "from": "a@b.example", "to": ["c@d.example"]}
    channels = {"email": email}
    rare = {"source": {"type": "file", "state": "s"}, "starting_capital": 1.0}
    desk.write(channels=channels, bots={"rare": rare | {"guard": False}})
    generate(load([desk.root / "monitoring.yaml"]))
    warning = "bots.rare.guard: false: only polls see a loss of rare, up to 17s500ms late"
    assert warning in desk.run("check").stdout
    desk.write(channels=channels, bots={"rare": rare})
    assert "seen" not in desk.run("check").stdout
    desk.write(collection={"guard": {"enabled": False}})
    assert (
        "collection.guard.enabled: false: Nightdesk may see the loss of any bot 1m30s late"
        in desk.run("check").stdout
    )


def test_check_names_path_value_and_nearest_key_of_each_problem(desk: Desk):
    desk.write(thresholds={"critical": {"max_drawdown": 1.5}}, demon={"enabled": True})
    told = desk.run("check")
    assert told.returncode == 2
    assert "thresholds.critical.max_drawdown: 1.5 is not in 0.05–0.3" in told.stderr
    assert "demon: is not a setting; did you mean demo?" in told.stderr
    assert told.stdout == ""


def test_check_names_a_secret_that_is_missing(desk: Desk):
    told = desk.run("check")
    assert told.returncode == 2
    assert "webhook_actions.tokens.receive_file" in told.stderr
    assert "make setup" in told.stderr


def test_check_names_the_line_of_a_secret_of_the_users_and_does_not_advise_make_setup(desk: Desk):
    bot = "{source: {type: http, url: 'http://127.0.0.1:1', token_file: mine}, starting_capital: 1}"
    (desk.root / "monitoring.yaml").write_text(f"bots:\n  b: {bot}\n")
    generate(load([desk.root / "monitoring.yaml"]))
    told = desk.run("check")
    named = f"monitoring.yaml:2: bots.b.source.token_file: {desk.root}/mine does not exist; write your secret"
    assert (told.returncode, told.stderr.splitlines()[0].startswith(named)) == (2, True)
    assert "make setup" not in told.stderr


def test_check_of_a_file_that_is_not_there_names_it(desk: Desk):
    told = desk.run("check", "--config", "nowhere.yaml")
    assert told.returncode == 2
    assert "nowhere.yaml: no such file" in told.stderr


def test_status_without_a_stack_names_each_part_that_does_not_answer(desk: Desk, offset: int):
    told = desk.run("status", "--port-offset", str(offset))
    assert (told.returncode, told.stderr) == (1, "")
    assert f"bots unknown: prometheus at http://127.0.0.1:{9090 + offset}" in told.stdout
    for part, port in (
        ("exporter", 8000),
        ("prometheus", 9090),
        ("alertmanager", 9093),
        ("webhook_actions", 9099),
    ):
        assert f"{part} does NOT answer at http://127.0.0.1:{port + offset}" in told.stdout


def test_without_a_command_the_help_is_shown(desk: Desk):
    told = desk.run()
    assert (told.returncode, told.stderr) == (0, "")
    assert "on-call" in told.stdout
    assert "Exit code: 0 done" in " ".join(told.stdout.split())


def test_it_runs_where_no_package_is_installed_as_in_the_image():
    gone = "import importlib.metadata as m, sys; m.distribution = None; sys.argv[1:] = ['--version']; "
    command = [sys.executable, "-c", f"{gone}import stack.cli; stack.cli.main()"]
    told = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, "")


def test_the_version_is_printed(desk: Desk):
    told = desk.run("--version")
    assert (told.returncode, told.stdout) == (0, f"nightdesk {version('nightdesk')}\n")


@pytest.mark.parametrize(
    ("word", "hint"),
    [("chekc", "Did you mean 'check'?"), ("statsu", "Did you mean 'status'?"), ("zzz", "--help")],
)
def test_an_unknown_command_is_answered_with_the_nearest(desk: Desk, word: str, hint: str):
    told = desk.run(word)
    assert (told.returncode, told.stdout) == (2, "")
    assert f"No such command '{word}'" in told.stderr
    assert hint in told.stderr


def test_help_does_not_mention_exceptions(desk: Desk):
    commands = desk.run().stdout
    named = ["up", "check", "status", "run", "on-call", "drill", "report", "alerts", "incidents", "bots"]
    for name in named:
        assert f"  {name} " in commands
        told = desk.run(name, "--help")
        assert told.returncode == 0
        assert "Raises" not in told.stdout + commands


def test_a_data_directory_that_may_not_be_written_is_named_with_the_way_out(desk: Desk):
    (desk.root / ".data").write_text("a file is in the way, as another user's directory would be")
    told = desk.run("up")
    assert told.returncode == 1
    assert told.stderr.startswith(f"{desk.root}/.data: ")
    assert "--data DIR" in told.stderr
    assert "Traceback" not in told.stderr


def test_check_names_file_and_line(desk: Desk):
    (desk.root / "monitoring.yaml").write_text("demo:\n  enabled: true\nthresholds:\n  criticl: {}\n")
    told = desk.run("check")
    assert told.returncode == 2
    assert told.stderr.startswith(
        "monitoring.yaml:4: thresholds.criticl: is not a setting; did you mean critical?"
    )


def test_test_notify_without_a_channel_says_so(desk: Desk):
    told = desk.run("test-notify")
    assert told.returncode == 1
    assert told.stderr.startswith("no channel is configured")
    assert "Traceback" not in told.stderr


def test_render_writes_the_configuration_and_the_flags_that_follow_from_settings(desk: Desk):
    desk.write(storage={"retention": "3d"})
    told = desk.run("render", "--out", "made")
    assert (told.returncode, told.stderr) == (0, "")
    assert (desk.root / "made/prometheus/prometheus.yml").is_file()
    assert (
        "--storage.tsdb.retention.time=3d" in (desk.root / "made/prometheus/flags").read_text().splitlines()
    )


def test_a_failed_render_leaves_the_last_good_build(desk: Desk):
    assert desk.run("render").returncode == 0
    before = (desk.root / "build/prometheus/prometheus.yml").read_bytes()
    desk.write(storage={"retention": "forever"})
    assert desk.run("render").returncode == 2
    assert (desk.root / "build/prometheus/prometheus.yml").read_bytes() == before


def test_schema_is_json_and_requires_nothing_that_has_a_default(desk: Desk):
    told = desk.run("schema")
    schema = json.loads(told.stdout)
    assert schema == user_schema()
    assert not schema.get("required")
    assert not schema["$defs"]["CriticalThresholds"].get("required")
    assert not schema["$defs"]["Alert"].get("required")


def test_schema_still_requires_what_only_the_user_knows():
    kinds = user_schema()["$defs"]
    assert set(kinds["FreqtradeBot"]["required"]) == {"type", "url", "username", "password_file"}
    assert kinds["Bot"]["required"] == ["source"]
    assert set(kinds["Endpoint"]["required"]) == {"name", "url", "secret_file", "events"}


def test_a_duration_that_prometheus_would_not_read_is_refused(desk: Desk):
    told = desk.run("up", "--for", "soon")
    assert told.returncode == 2
    assert "'soon' is not a duration" in told.stderr
