"""A check's finding: green, yellow or red, and how to fix it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The level of a finding: red is broken now, yellow is a risk or unknown."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True)
class Finding:
    """The result for one thing; `way_out` says how to fix it if it is not green."""

    level: Level
    about: str
    says: str
    way_out: str = ""


def green(about: str, says: str) -> Finding:
    """Return that something is well."""
    return Finding(Level.GREEN, about, says)


def yellow(about: str, says: str, way_out: str) -> Finding:
    """Return that something is a risk, or unknown."""
    return Finding(Level.YELLOW, about, says, way_out)


def red(about: str, says: str, way_out: str) -> Finding:
    """Return that something is broken."""
    return Finding(Level.RED, about, says, way_out)


def of_problem(level: Level, about: str, problem: str) -> Finding:
    """Return a finding from a line that ends with its way out, after the last semicolon."""
    says, _, way_out = problem.rpartition("; ")
    return Finding(level, about, says or way_out, way_out if says else "")
