"""Runs the Procfile of a directory as `nightdesk up` does: DIRECTORY [--for SECONDS] [NAME=HEALTH_URL …].

It prints the notifications.
"""

import sys
from functools import partial
from pathlib import Path

from honcho.environ import parse_procfile

from stack.logfiles import ServiceLogs
from stack.settings import load
from stack.status import Status
from stack.watch import Screen, Watch, answers


def told(summary: str, _description: str) -> None:
    print("TOLD", summary, flush=True)


def main(directory: Path, words: list[str]) -> int:
    settings = load([directory / "monitoring.yaml"])
    commands = parse_procfile((directory / "Procfile").read_text()).processes
    duration = float(words.pop(1)) if words[:1] == ["--for"] else None
    given = dict(word.split("=", 1) for word in words if "=" in word)
    health = {name: partial(answers, url, settings.web) for name, url in given.items()}
    logs = ServiceLogs(directory / "logs", settings.logs)
    watch = Watch(
        commands, health, logs, Screen(), tell=lambda summary, _: print("TOLD", summary, flush=True)
    )
    return watch.run("all are well", lambda: Status((), (), 0), duration)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
