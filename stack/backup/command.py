"""The commands `nightdesk backup` and `nightdesk restore`."""

import json
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from stack import VERSION
from stack.backup.archive import Manifest, unpack, write
from stack.backup.contents import absolute_paths, of_data, of_history, of_secrets, of_settings
from stack.instance import Instance, is_held, on_instance
from stack.oncall import NotDone
from stack.printing import say
from stack.settings import Settings, load

_DUMP = "database.sql"


def make(file: Path, config: list[Path], data: Path, *, history: bool, secrets: bool) -> list[str]:
    """Write a backup, whether Nightdesk runs or not; return the lines to print.

    Raises NotDone, SettingsError, OSError.
    """
    if file.exists():
        raise NotDone(f"{file} exists; name another")
    settings, root = load(config), config[0].absolute().parent
    if outside := [one for one in config if not one.absolute().is_relative_to(root)]:
        raise NotDone(f"{outside[0]} is not below {root}, where {config[0].name} is; move it there")
    running = is_held(data)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=data if data.is_dir() else None) as scratch:
        room, contents = Path(scratch), list(of_settings(config, root, settings))
        schema = _dump(settings, data, room / _DUMP)
        if schema is not None:
            contents.append((_DUMP, room / _DUMP))
        inside, elsewhere = of_secrets(settings, root)
        contents += inside if secrets else []
        contents += of_data(data, room)
        contents += of_history(data, room, running) if history else []
        now = datetime.now(UTC).isoformat(timespec="seconds")
        names = [str(one.absolute().relative_to(root)) for one in config]
        manifest = Manifest(VERSION, now, schema, history, secrets, names)
        size = write(file, manifest, contents)
    told = [f"wrote {file}: {size / 1e6:.1f} MB, {len(manifest.files)} files, schema {schema}"]
    if secrets:
        told.append(
            "with unencrypted secrets: its reader can act as you; keep it where nobody else can read it"
        )
    else:
        told.append(f"without secrets (--secrets): {len(inside)} files are not in it; keep them yourself")
    if secrets and elsewhere:
        told.append(f"without files outside {root}: {', '.join(map(str, elsewhere))}")
    if history and running:
        told.append(
            "with history up to Prometheus's last block, at most two hours old; a stopped Nightdesk gives all"
        )
    elif not history:
        told.append("without Prometheus's history (--history)")
    return told


def bring_back(file: Path, to: Path, data: Path, *, force: bool) -> list[str]:
    """Restore a backup into empty places, or with `force` over existing files; return the lines to print.

    Existing files are moved aside; the contents of an external database are replaced. Raises NotDone,
    Unusable, SettingsError, OSError.
    """
    if is_held(data):
        raise NotDone(f"{data} is in use by `nightdesk up`; stop that first")
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=to) as scratch:
        room = Path(scratch)
        manifest = unpack(file, room)
        placed = {
            to / each.relative_to(room / kind): each
            for kind in ("settings", "secrets")
            for each in sorted((room / kind).rglob("*"))
            if each.is_file()
        }
        url_file = _accepted(manifest, room, to, force=force)
        moved = _moved_aside([*placed, data], force=force)
        for target, source in placed.items():
            _put(source, target)
        data.mkdir(parents=True, exist_ok=True)
        for each in (room / "data").iterdir() if (room / "data").is_dir() else ():
            shutil.move(each, data / each.name)
        if manifest.schema is not None:
            words = ["restore", "--file", str(room / _DUMP), "--schema", str(manifest.schema)]
            _program(data, url_file and to / url_file, [*words, *(["--force"] if force else [])])
        strange = absolute_paths(room / "settings")
    return _told(manifest, moved, strange, to)


def _accepted(manifest: Manifest, room: Path, to: Path, *, force: bool) -> Path | None:
    """Return the file with the database's address, relative to the settings if it lies there, or None.

    Raises NotDone if the database refuses the backup; nothing has changed then.
    """
    if manifest.schema is None:
        return None
    root = room / "settings"
    url_file = load([root / name for name in manifest.config]).webhook_actions.database_url_file
    if url_file and url_file.is_relative_to(root):
        url_file = url_file.relative_to(root)
    given = url_file and next(
        (each for each in (room / "secrets" / url_file, to / url_file) if each.is_file()), None
    )
    if url_file and not given:
        raise NotDone(f"{to / url_file} does not exist; write the address of the database into it")
    words = ["accepts", "--schema", str(manifest.schema), *(["--force"] if force else [])]
    _program(to, given, words)
    return url_file


def _moved_aside(targets: list[Path], *, force: bool) -> list[Path]:
    """Move existing files aside and return their new places. Raises NotDone without `force`."""
    taken = [each for each in targets if each.exists() and not (each.is_dir() and not any(each.iterdir()))]
    if taken and not force:
        raise NotDone(
            f"{', '.join(map(str, taken[:5]))}: exists; --force moves it aside, or name another "
            "directory: --to DIR --data DIR"
        )
    now = datetime.now().astimezone().strftime("before-%Y%m%d-%H%M%S")
    return [each.rename(each.with_name(f"{each.name}.{now}")) for each in taken]


def _put(source: Path, target: Path) -> None:
    if not target.parent.exists():
        target.parent.mkdir(parents=True)
        target.parent.chmod(0o700)  # containers' users may be able to read its files, but not the directory
    shutil.copy2(source, target)


def _told(manifest: Manifest, moved: list[Path], strange: list[str], to: Path) -> list[str]:
    told = [f"restored what Nightdesk {manifest.version} had on {manifest.made_at}"]
    told += [f"moved aside: {', '.join(map(str, moved))}"] if moved else []
    if not manifest.secrets:
        told.append(f"it has no secrets: write them into {to}; `nightdesk check` names what is missing")
    told += [f"warning: {line}" for line in strange]
    if manifest.schema:
        told.append(
            "it is paused; the Nightdesk that made the backup must not run: both would act on the same bots"
        )
        told.append(
            "then: `nightdesk check`, `nightdesk up`, look at the incidents, `nightdesk pause --resume`"
        )
    return told


def _dump(settings: Settings, data: Path, file: Path) -> int | None:
    """Dump the database into a file; return its schema number, None without a database."""
    if settings.webhook_actions.database_url_file is None and not (data / "postgres").is_dir():
        return None
    said = _program(data, settings.webhook_actions.database_url_file, ["dump", "--file", str(file)])
    return int(json.loads(said)["schema"])


def _program(data: Path, url_file: Path | None, words: list[str]) -> str:
    """Run the engine's program for its database. Raises NotDone with its error."""
    # A separate program, because the stack imports no service.
    command = [sys.executable, "-m", "webhook_actions.store.backup", *words, "--data", str(data)]
    command += ["--url-file", str(url_file)] if url_file else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NotDone(done.stderr.strip() or f"the database's program ended with {done.returncode}")
    return done.stdout


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--history", is_flag=True, help="With Prometheus's history, which is large")
@click.option("--secrets", is_flag=True, help="With the secrets, unencrypted")
@on_instance
def backup(instance: Instance, file: Path | None, history: bool, secrets: bool) -> None:
    """Write one file with all that Nightdesk keeps: database, trades and limits, settings; more by options.

    FILE is nightdesk-DATE-TIME.tar.gz by default. Nightdesk may keep running.
    """
    file = file or Path(f"nightdesk-{datetime.now().astimezone():%Y%m%d-%H%M%S}.tar.gz")
    config = list(instance.config)
    say("\n".join(make(file, config, instance.data.absolute(), history=history, secrets=secrets)))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), default=".", metavar="DIR", help="Of the settings")
@click.option("--force", is_flag=True, help="Move existing files aside")
@on_instance
def restore(instance: Instance, file: Path, to: Path, force: bool) -> None:
    """Restore a backup, here or on another machine; Nightdesk is then paused.

    The settings below --to name the data directory.
    """
    to = to.absolute()
    say("\n".join(bring_back(file, to, to / instance.data, force=force)))
