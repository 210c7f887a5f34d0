"""Reads the standard web config of Prometheus and its exporters, for its users and their passwords."""

from pathlib import Path

import bcrypt
import yaml

# An unknown user costs as much time as a wrong password, so that time does not tell which names exist.
_NOBODY = bcrypt.hashpw(b"nobody", bcrypt.gensalt(10))
_LONGEST = 72  # bytes that bcrypt looks at


class WebConfigError(Exception):
    """A web config that cannot be used; the message names the file and what is wrong, never a hash."""


class WebConfig:
    """The users of a web config file, read at use, so that a changed password counts at once."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def hash_of(self, user: str) -> str | None:
        """Return the bcrypt hash of a user's password, None for one that the file does not name.

        Raises WebConfigError where the file cannot be read as a web config.
        """
        if self._file is None:
            return None
        try:
            content = yaml.safe_load(self._file.read_text(encoding="utf-8")) or {}
        except (OSError, yaml.YAMLError) as error:
            raise WebConfigError(f"{self._file} cannot be read: {type(error).__name__}") from None
        users = content.get("basic_auth_users") if isinstance(content, dict) else None
        if not isinstance(users, dict):
            raise WebConfigError(
                f"{self._file}: basic_auth_users is missing; write name: bcrypt hash below it"
            )
        found = users.get(user)
        return found if isinstance(found, str) else None

    def verify(self, user: str, password: str) -> bool:
        """Return whether the file names the user with this password, in tens of milliseconds.

        Raises WebConfigError.
        """
        known = self.hash_of(user)
        given = password.encode()[:_LONGEST]
        try:
            same = bcrypt.checkpw(given, known.encode() if known else _NOBODY)
        except ValueError:
            raise WebConfigError(f"{self._file}: the password of {user} is not a bcrypt hash") from None
        return same and known is not None
