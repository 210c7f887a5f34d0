"""The archive of a backup: its files, and a manifest with their checksums that is verified before use."""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from stack.failure import Failure

FORMAT = 1
_MANIFEST = "manifest.json"
_SETTINGS, _SECRETS, _DATA = "settings", "secrets", "data"


class Unusable(Failure):
    """A file that is no backup, or is damaged. The message says what is wrong."""


@dataclass(frozen=True)
class Manifest:
    """The contents of a backup.

    `schema` is the number of the database's schema, None without a database; `config` lists the settings
    files in order, `files` maps each name to its SHA-256.
    """

    version: str
    made_at: str
    schema: int | None
    history: bool
    secrets: bool
    config: list[str]
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


def write(file: Path, manifest: Manifest, contents: Iterable[tuple[str, Path]]) -> int:
    """Write an archive that only its owner may read, whole or not at all; return its size in bytes.

    `contents` yields names and files. A file that grows while it is read is stored at the size it had at
    first; a file that has vanished is left out. Raises OSError.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        with (
            os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out,
            gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for name, source in contents:
                try:
                    opened = source.open("rb")
                except FileNotFoundError:
                    continue
                with opened:
                    info = tarfile.TarInfo(name)
                    info.size, info.mode = os.fstat(opened.fileno()).st_size, source.stat().st_mode & 0o777
                    counted = _Counted(opened)
                    tar.addfile(info, cast(IO[bytes], counted))
                    manifest.files[name] = counted.sum.hexdigest()
            told = json.dumps(asdict(manifest), indent=1).encode()
            info = tarfile.TarInfo(_MANIFEST)
            info.size = len(told)
            tar.addfile(info, io.BytesIO(told))
        os.link(part, file)  # unlike a rename, a link never replaces an existing file
    finally:
        part.unlink(missing_ok=True)
    return file.stat().st_size


class _Counted:
    """A file whose checksum is computed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sum = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size)
        self.sum.update(found)
        return found


def unpack(file: Path, target: Path) -> Manifest:
    """Unpack an archive into a new directory and return its manifest. Raises Unusable, OSError.

    The checksums are verified, and no name leads out of the directory.
    """
    found: dict[str, str] = {}
    manifest: dict[str, Any] | None = None
    try:
        with tarfile.open(file, "r:gz") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or path.is_absolute() or ".." in path.parts:
                    raise Unusable(f"{file}: {member.name} does not belong in a backup")
                if member.name == _MANIFEST:
                    manifest = json.load(content)
                    continue
                into = target / path
                into.parent.mkdir(parents=True, exist_ok=True)
                counted = _Counted(content)
                with os.fdopen(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                    shutil.copyfileobj(counted, out)
                into.chmod(member.mode & 0o777)
                found[member.name] = counted.sum.hexdigest()
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError) as error:
        raise Unusable(f"{file}: is not a backup, or is incomplete: {error}") from None
    if manifest is None or manifest.get("format") != FORMAT:
        raise Unusable(
            f"{file}: is not a backup for this Nightdesk: its manifest is absent or has another format"
        )
    if wrong := sorted(
        name for name in {*found, *manifest["files"]} if found.get(name) != manifest["files"].get(name)
    ):
        raise Unusable(f"{file}: is damaged: {', '.join(wrong[:5])} differ from the manifest")
    return Manifest(**manifest)
