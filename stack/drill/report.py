"""A drill's result, as a table for people and as a stored file."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stack.drill.progress import ESCALATED, Progress, said
from stack.drill.run import Result

HEAD = ("alert", "severity", "metric", "rule", "Alertmanager", "engine", "told", "answer", "would have run")


def as_data(result: Result) -> dict[str, Any]:
    """Return a result in its stored form: seconds of each hop since the first series, and all faults."""
    return {
        "run": result.run,
        "began": result.began.isoformat(),
        "seconds": round(result.seconds, 1),
        "alerts": [_alert(one) for one in result.alerts],
        "faults": [
            {"alert": next((one.script.alert for one in result.alerts if one.script.number == number), None)}
            | {"fault": text}
            for number, text in result.faults
        ],
    }


def _alert(one: Progress) -> dict[str, Any]:
    def after(at: float | None) -> float | None:
        return None if at is None else round(at - one.started, 1)

    return {
        "alert": one.script.alert,
        "severity": one.severity,
        "metric": after(one.metric),
        "rule": after(one.rule),
        "alertmanager": after(one.alertmanager),
        "engine": after(one.engine),
        "told": {name: after(at) for name, at in one.told.items()},
        "told_by_engine": said(one.incident),
        "waits": sorted(one.held.muted) if one.postponed and one.held else [],
        "answer": after(one.answer),
        "asked": one.severity in ESCALATED,
        "would_have_run": [action for action, _, _ in one.incident.runs] if one.incident else [],
    }


def keep(data: Path, result: Result) -> Path:
    """Write a result into the data directory and return its file."""
    folder = data / "drills"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{result.run}.json"
    file.write_text(json.dumps(as_data(result), indent=1, ensure_ascii=False), encoding="utf-8")
    return file


def last(data: Path) -> dict[str, Any] | None:
    """Return the last stored result, None without one."""
    files = sorted((data / "drills").glob("*.json"))
    return json.loads(files[-1].read_text(encoding="utf-8")) if files else None


def lines(kept: dict[str, Any]) -> Iterator[str]:
    """Yield a stored result for people: the table of hops, then the faults."""
    rows = [HEAD, *(tuple(_cells(one)) for one in kept["alerts"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield f"drill {kept['run']}, {kept['seconds']:.0f} s; seconds are since the alert's first series"
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    if not kept["faults"]:
        yield "no fault: every alert arrived"
    for one in kept["faults"]:
        yield f"FAULT {one['alert'] + ': ' if one['alert'] else ''}{one['fault']}"


def _cells(one: dict[str, Any]) -> Sequence[str]:
    told = [f"{name} {at:.0f}" for name, at in one["told"].items()]
    told += [f"waits for {name}" for name in one["waits"]]
    told += sorted(set(filter(None, map(_by_engine, one["told_by_engine"]))))
    answer = _seconds(one["answer"]) if one["asked"] else "not asked"
    hops = [_seconds(one[name]) for name in ("metric", "rule", "alertmanager", "engine")]
    if one["severity"] == "meta":
        hops[3] = "not asked"
    would = ", ".join(one["would_have_run"]) or "-"
    return (one["alert"], one["severity"], *hops, ", ".join(told) or "-", answer, would)


def _by_engine(line: str) -> str:
    """Return `contact: channel` if webhook_actions itself reached the contact, else an empty text."""
    contact, over, channel = line.partition(" over ")
    return f"{contact}: {channel}" if over and "," not in channel and " " not in contact else ""


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
