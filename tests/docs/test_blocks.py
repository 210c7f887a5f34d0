"""The blocks of README and the guides work: their settings load, their commands exist."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from stack.cli import nightdesk
from stack.settings import load, missing_secrets
from tests.docs.test_notifications import merged, secrets_of
from tests.docs.trial import ROOT, blocks

PAGES = sorted(str(file.relative_to(ROOT)) for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
WHOLE = ("README.md", "docs/desk.md", "docs/containers.md")
SPAN = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```(?:sh|bash)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"^    (\S.*)$", re.MULTILINE)


def commands(page: str, name: str) -> list[str]:
    """Return the commands on a page that begin with a program's name."""
    text = (ROOT / page).read_text()
    lines = [line.strip() for body in FENCED.findall(text) for line in body.splitlines()]
    lines += [*SPAN.findall(FENCED.sub("", text)), *INDENTED.findall(text)]
    plain = [re.sub(r"^(sudo )?(\.venv/bin/)?", "", line).partition(" #")[0] for line in lines]
    # A synopsis has brackets around optional words, and an explanation after a wide gap.
    shown = [re.sub(r"[\[\]…]", " ", line.partition("  ")[0]) for line in plain]
    return sorted({line for line in shown if line.startswith(f"{name} ")})


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page, "nightdesk")])
def test_every_command_of_nightdesk_is_there_with_its_options(page: str):
    for line in commands(page, "nightdesk"):
        words = shlex.split(line)[1:]
        context = click.Context(nightdesk, info_name="nightdesk")
        _, rest, _ = nightdesk.make_parser(context).parse_args([*words])
        if not rest or rest[0].isupper():  # COMMAND stands for every command
            continue
        name, *options = rest
        command = nightdesk.get_command(context, name)
        assert command is not None, f"{page}: {line}"
        try:
            command.make_parser(click.Context(command, **command.context_settings)).parse_args(options)
        except click.UsageError as error:
            pytest.fail(f"{page}: {line}: {error.format_message()}")


def test_every_target_of_make_is_there():
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for line in commands(page, "make"):
            target = line.split()[1]
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: {line}"


@pytest.mark.parametrize("page", WHOLE)
def test_all_settings_of_a_page_together_are_taken(page: str, tmp_path: Path):
    settings: dict[str, Any] = {}
    for block in blocks(page, "yaml"):
        if named := re.match(r"# (bots/\S+\.yaml)\n", block):
            (tmp_path / named[1]).parent.mkdir(exist_ok=True)
            (tmp_path / named[1]).write_text(block)
        elif not block.startswith(" "):  # another form of the block before
            settings = merged(settings, yaml.safe_load(block))
    file = tmp_path / "monitoring.yaml"
    file.write_text(yaml.safe_dump(settings))
    (tmp_path / "secrets").mkdir()
    every = [settings, *(yaml.safe_load(each.read_text()) for each in tmp_path.glob("bots/*.yaml"))]
    names = [name for part in every for name in secrets_of(part)]
    assert names
    for name in names:
        (tmp_path / name).write_text("secret")
    read = load([file])
    assert read.bots
    own = ("web", "webhook_actions", "demo")
    assert [line for line in missing_secrets(read) if not line.startswith(own)] == []
