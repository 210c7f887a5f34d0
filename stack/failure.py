"""The errors that end a command of `nightdesk`, each with its exit code."""


class Failure(Exception):
    """Why a command failed. The message says how to fix it."""

    exit_code = 1
