"""The contents of a backup: settings, secrets, the parts' data, and Prometheus's history."""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import yaml

from stack.settings import Settings
from stack.settings.secrets import secret_files

# Each start creates these, they belong to this machine, or (PostgreSQL) they are backed up another way.
_NOT_KEPT = re.compile(
    r"postgres(\.lock)?|sockets|build|logs|rotation|compose|Procfile|up\.lock|database_url|database\.yaml|\..*"
)
_HISTORY = re.compile(r"prometheus(-\d+)?")
_BLOCK = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")  # a ULID: the directory of a finished block
_SQLITE = b"SQLite format 3\0"
_TRIES = 5


def of_settings(files: list[Path], root: Path, settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield the settings files, bots' files too, with their names below `root`."""
    every = list(files)
    if settings.bots_directory is not None:
        every += sorted(settings.bots_directory.glob("*.yaml"))
    for file in every:
        yield f"settings/{file.absolute().relative_to(root)}", file


def of_secrets(settings: Settings, root: Path) -> tuple[list[tuple[str, Path]], list[Path]]:
    """Return the secrets below `root` by name, and the secrets that lie elsewhere."""
    files = dict.fromkeys(file for _, file in secret_files(settings, "") if file.is_file())
    inside = [(f"secrets/{file.relative_to(root)}", file) for file in files if file.is_relative_to(root)]
    return inside, [file for file in files if not file.is_relative_to(root)]


def of_data(data: Path, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files in the data directory; of each database, a copy that is consistent."""
    for top in sorted(data.iterdir() if data.is_dir() else ()):
        if _NOT_KEPT.fullmatch(top.name) or _HISTORY.fullmatch(top.name):
            continue
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if file.is_file() and not file.is_symlink() and not file.name.endswith(("-wal", "-shm", ".lock")):
                yield f"data/{file.relative_to(data)}", _at_one_moment(file, scratch)


def of_history(data: Path, scratch: Path, running: bool) -> Iterator[tuple[str, Path]]:
    """Yield Prometheus's history; while Prometheus runs, only its finished blocks."""
    for top in sorted(data.iterdir() if data.is_dir() else ()):
        if not _HISTORY.fullmatch(top.name):
            continue
        folder = _linked(top, scratch / top.name) if running else top
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name not in ("lock", "queries.active"):
                yield f"data/{top.name}/{file.relative_to(folder)}", file


def _linked(database: Path, into: Path) -> Path:
    """Return a directory with hard links to all finished blocks, as Prometheus's snapshots have."""
    for _ in range(_TRIES):
        into.mkdir(parents=True)
        try:
            for block in database.iterdir():
                if _BLOCK.fullmatch(block.name):
                    shutil.copytree(block, into / block.name, copy_function=os.link)
        except (shutil.Error, FileNotFoundError):  # Prometheus has just merged it into a larger block.
            shutil.rmtree(into)
            continue
        return into
    raise OSError(f"{database}: its blocks change too fast; stop Nightdesk for a backup with history")


def _at_one_moment(file: Path, scratch: Path) -> Path:
    """Return a file, or a consistent copy if it is a database that others may write."""
    try:
        with file.open("rb") as opened:
            if opened.read(len(_SQLITE)) != _SQLITE:
                return file
    except FileNotFoundError:
        return file
    copy = scratch / f"{len(list(scratch.glob('*.sqlite')))}.sqlite"
    source, target = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True), sqlite3.connect(copy)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
    return copy


def absolute_paths(folder: Path) -> list[str]:
    """Return the absolute paths in restored settings that may not exist on this machine."""
    found: list[str] = []

    def walk(value: object, path: str) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                walk(part, f"{path}.{key}".lstrip("."))
        elif isinstance(value, list):
            for index, part in enumerate(value):
                walk(part, f"{path}[{index}]")
        elif isinstance(value, str) and value.startswith("/") and not Path(value).exists():
            found.append(f"{path}: {value} does not exist here")

    for file in sorted(folder.rglob("*.yaml")):
        walk(yaml.safe_load(file.read_text(encoding="utf-8")), "")
    return found
