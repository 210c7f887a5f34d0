"""A page of the manual, followed by a user with a real exporter and a real Prometheus with all rules."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

from stack.keys import generate
from stack.services import local_services
from stack.settings import Settings, load
from tests.conftest import binary, eventually, free_port

ROOT = Path(__file__).parents[2]
SPEED = 30
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str, language: str) -> list[str]:
    """Return a page's examples in a language, unchanged."""
    text = (ROOT / page).read_text()
    return [body for found, body in _BLOCK.findall(text) if found == language]


@dataclass(frozen=True)
class Trial:
    """A directory with the settings of a page, and the programs that use them."""

    root: Path
    settings: Settings

    def nightdesk(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, in the user's directory."""
        command = [sys.executable, "-m", "stack.cli", *words, "--speed", str(SPEED)]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=120)

    def run(self, program: str) -> subprocess.Popen[bytes]:
        """Start a program of the user in the user's directory."""
        (self.root / "bot.py").write_text(program)
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        with (self.root / "bot.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "bot.py"], cwd=self.root, stdout=log, stderr=log, env=environment
            )

    def says(self, bot: str, words: str) -> None:
        """Wait until `nightdesk check --live` reports a text about a bot."""
        wanted = f"{bot}: CriticalLoss {words}"
        eventually(lambda: wanted in self.nightdesk("check", "--live").stdout, what=wanted)

    def firing(self) -> set[tuple[str, str]]:
        """Return the alerts that fire, as (name, bot)."""
        url = f"{self.settings.services.prometheus.url}/api/v1/query"
        answer = requests.get(url, params={"query": 'ALERTS{alertstate="firing"}'}, timeout=10).json()
        labels = [each["metric"] for each in answer["data"]["result"]]
        return {(each["alertname"], each.get("bot", "")) for each in labels}


@contextmanager
def trial(directory: Path, page: str, exporter: int, replaced: dict[str, str]) -> Iterator[Trial]:
    """Follow a page's settings; `replaced` are values of the user's own machine."""
    binary("prometheus")
    written = next(each for each in blocks(page, "yaml") if "source:" in each)
    for there, here in replaced.items():
        assert there in written
        written = written.replace(there, here)
    ports = {"exporter": {"port": exporter}, "prometheus": {"port": free_port()}}
    mail = {"enabled": True, "host": "smtp.example.org", "from": "a@example.org", "to": ["b@example.org"]}
    own = {"demo": {"enabled": False}, "services": ports, "channels": {"email": mail}}
    (directory / "monitoring.yaml").write_text(written + yaml.safe_dump(own))
    settings = load([directory / "monitoring.yaml"], speed=SPEED)
    generate(settings)
    found = Trial(directory, settings)
    checked = found.nightdesk("check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert found.nightdesk("render").returncode == 0
    build, data = directory / "build", directory / "data"
    options = ["--config", str(directory / "monitoring.yaml"), "--speed", str(SPEED)]
    with ExitStack() as stack:
        for service in local_services(settings, build, data, options):
            if service.name in ("exporter", "prometheus"):
                stack.enter_context(_running(service.command, directory / f"{service.name}.log"))
        yield found


@contextmanager
def _running(command: object, log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(list(command), cwd=ROOT, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
