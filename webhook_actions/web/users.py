"""The people who log in by name: users of a standard web config of Prometheus and its exporters."""

from pathlib import Path

import bcrypt

from stack.settings.web_config import WebConfigError, users_of

# An unknown user costs as much time as a wrong password, so that time does not tell which names exist.
_NOBODY = bcrypt.hashpw(b"nobody", bcrypt.gensalt(10))
_LONGEST = 72  # bytes that bcrypt looks at


class Users:
    """The users of a web config file, read at use, so that a changed password counts at once."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def hash_of(self, user: str) -> str | None:
        """Return the bcrypt hash of a user's password, None for a user who is not in the file. Raises
        WebConfigError if the file is no web config, or names no user.
        """
        if self._file is None:
            return None
        users = users_of(self._file)
        if not users:
            raise WebConfigError(
                f"{self._file}: basic_auth_users is missing; write name: bcrypt hash below it"
            )
        return users.get(user)

    def verify(self, user: str, password: str) -> bool:
        """Return whether the file names the user with this password, in tens of milliseconds.

        Raises WebConfigError.
        """
        known = self.hash_of(user)
        given = password.encode()[:_LONGEST]
        same = bcrypt.checkpw(given, known.encode() if known else _NOBODY)
        return same and known is not None
