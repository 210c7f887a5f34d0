"""Makes the history of demo bots, trades and samples, before the stack starts for the first time."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from stack.settings import Settings

_JOURNAL = "trades.jsonl"


def make_history(
    settings: Settings, data: Path, prometheus: Iterable[str], options: Sequence[str]
) -> Iterator[str]:
    """Make the history of demo bots that never traded; yield the lines to print.

    `prometheus` names its data directories in `data`; `options` give our programs their settings. If this
    fails, the bots run without a history.
    """
    new = [name for name in settings.demo_bots if not (settings.demo_data(data, name) / _JOURNAL).exists()]
    if settings.demo.history is None or not new:
        return
    yield f"making {settings.demo.history} of history for the demo, once"
    made = _run("demo_bot", "history", *options, "--data", str(data))
    if problem := _problem(made):
        yield f"warning: the demo has no history: {problem}"
        return
    empty = [data / name for name in prometheus if not (data / name / "wal").exists()]
    if not empty:
        yield "warning: the demo has no history in Prometheus, which ran here before: docs/backfill.md"
        return
    first, *others = empty
    filling = []
    for name in new:
        trades = settings.demo_data(data, name) / _JOURNAL
        words = ["--bot", name, "--out", str(first), "--trades", str(trades)]
        filling.append(_run("exporter.backfill", *options, *words))
    for name, each in zip(new, filling, strict=True):
        if problem := _problem(each):
            yield f"warning: Prometheus has no history of {name}: {problem}"
    for other in others:
        shutil.copytree(first, other, dirs_exist_ok=True)


def _run(module: str, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", module, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _problem(process: subprocess.Popen[str]) -> str:
    """Return the error output of a process that failed, '' if it succeeded."""
    said, _ = process.communicate()
    return said.strip() if process.returncode else ""
