"""Generates Nightdesk's own secrets where they are absent; it never overwrites one."""

import argparse
import os
import secrets
import stat
import sys
import tempfile
from pathlib import Path

from stack.settings import Settings, SettingsError, add_arguments, from_arguments, own_secrets

_SOCKET = Path("/var/run/docker.sock")


def generate(settings: Settings) -> list[Path]:
    """Write the absent tokens that the settings name; return the new files."""
    return [file for file in own_secrets(settings) if write(file, secrets.token_urlsafe(32))]


def generate_for_compose(root: Path) -> list[Path]:
    """Write the other absent files that docker-compose.yml in `root` needs; return the new ones."""
    folder = root / "secrets"
    password_file = folder / "postgres_password"
    new = [
        file
        for file in (
            password_file,
            folder / "grafana_admin_password",
            folder / "web_password",
            folder / "demo_bot_token",  # compose mounts it, even without the demo bot
        )
        if write(file, secrets.token_urlsafe(32))
    ]
    (folder / "tls").mkdir(mode=0o755, exist_ok=True)  # compose mounts it; it is empty without TLS
    password = password_file.read_text(encoding="utf-8").strip()
    url_file = folder / "database_url"
    if write(url_file, f"postgresql://nightdesk:{password}@postgres:5432/nightdesk"):
        new.append(url_file)
    environment = root / ".env"
    if write(environment, f"DOCKER_GID={_docker_group()}"):
        new.append(environment)
    return new


def write(file: Path, text: str) -> bool:
    """Write a file, whole or not at all, unless it exists; return whether it was written.

    Only the owner can enter its directory. The file itself is readable by all, because a container mounts
    only that file and runs as another user.
    """
    if file.exists():
        return False
    if not file.parent.exists():
        file.parent.mkdir(parents=True)
        file.parent.chmod(0o700)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent) as scratch:
        scratch.write(text + "\n")
        scratch.flush()
        os.fchmod(scratch.fileno(), 0o644)
        try:
            Path(file).hardlink_to(scratch.name)
        except FileExistsError:  # another process has written it meanwhile: its content counts
            return False
    return True


def _docker_group() -> int:
    """Return the group that may use Docker's socket, which the proxy needs because it runs as nobody."""
    try:
        found = _SOCKET.stat()
    except OSError:
        return 0
    return found.st_gid if stat.S_ISSOCK(found.st_mode) else 0


def main() -> int:
    """Generate all absent secrets; return the exit code of `python -m stack.keys`."""
    parser = argparse.ArgumentParser(prog="python -m stack.keys", description=__doc__)
    add_arguments(parser)
    try:
        settings = from_arguments(parser.parse_args())
        new = generate(settings) + generate_for_compose(Path.cwd())
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"secrets cannot be written: {error}", file=sys.stderr)
        return 1
    for file in new:
        print(f"generated {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
