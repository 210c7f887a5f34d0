"""The errors that end a command of `nightdesk`, each with its exit code."""


class Failure(Exception):
    """Why a command could not do what was asked; the message says the way out."""

    exit_code = 1
