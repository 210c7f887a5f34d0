"""Which stack a command means: by its options, the environment, or the running stack."""

from pathlib import Path

import click
import pytest

from stack.cli import SECTIONS, main, nightdesk
from stack.instance import Instance, chosen, running
from stack.up import only_one
from tests.stack.conftest import Desk


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Instance]:
    """Make `status` and `up` report which stack they mean, and do nothing else."""
    found: list[Instance] = []
    for name in ("status", "up"):
        command = nightdesk.commands[name]
        monkeypatch.setattr(
            command, "callback", lambda **_: found.append(chosen(click.get_current_context()))
        )
    return found


def test_the_words_count_before_or_behind_the_command_and_the_nearer_first(seen: list[Instance]):
    main(["--instance", "far", "--port-offset", "5", "status", "--instance", "near", "--config", "a"])
    assert seen == [Instance(Path("near"), (Path("a"),), 5)]


def test_the_environment_names_an_instance_where_no_word_does(
    seen: list[Instance], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NIGHTDESK_INSTANCE", "/srv/desk")
    main(["status"])
    main(["status", "--data", "other"])
    assert [one.data for one in seen] == [Path("/srv/desk"), Path("other")]


def test_what_runs_with_a_directory_is_known_by_it_alone(desk: Desk, seen: list[Instance]):
    given = Instance(desk.root / "data", (desk.root / "monitoring.yaml",), port_offset=700, speed=20)
    with only_one(given):
        main(["status", "--instance", str(given.data)])
        main(["status", "--instance", str(given.data), "--port-offset", "1"])
        main(["up", "--instance", str(given.data)])
    main(["status", "--instance", str(given.data)])
    assert seen == [given, Instance(given.data, port_offset=1), Instance(given.data), Instance(given.data)]


def test_after_a_reboot_another_process_with_the_id_of_a_killed_stack_is_not_taken_for_it(desk: Desk):
    (desk.root / "up.lock").write_text(Instance(desk.root).record())  # with the id of this process
    assert running(desk.root) is None


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completion(shell: str, capsys: pytest.CaptureFixture[str]):
    assert main(["completion", shell]) == 0
    assert f"_NIGHTDESK_COMPLETE={shell}_complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("nightdesk sta", {"plain,status"}),
        ("nightdesk run --bot de", {"plain,demo"}),
        ("nightdesk status --j", {"plain,--json"}),
    ],
)
def test_bash_completes_commands_options_and_names_of_the_settings(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    wanted: set[str],
):
    monkeypatch.chdir(desk.root)
    monkeypatch.setenv("_NIGHTDESK_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    with pytest.raises(SystemExit):
        main([])
    assert set(capsys.readouterr().out.split()) == wanted


def test_each_command_is_there_says_what_it_does_and_how_it_ends(capsys: pytest.CaptureFixture[str]):
    for names in SECTIONS.values():
        for name in names:
            command = nightdesk.commands[name]
            assert command.name == name
            assert len(command.get_short_help_str(200)) > 10
            assert "Raises" not in (command.help or "")
            assert "141" in (command.epilog or "")


@pytest.mark.parametrize(
    "name", ["alerts", "bots", "status", "doctor", "limits", "incidents", "on-call", "drill", "report"]
)
def test_what_lists_things_lists_them_for_programs_too(name: str):
    assert any("--json" in each.opts for each in nightdesk.commands[name].params)
