"""Shortens a text to a service's limit, and keeps the alert and the link."""

_LINE = 600  # characters of a line when not all fits: six of the longest leave room for the links


def units(text: str) -> int:
    """Return the length in Telegram's units: UTF-16, in which rare characters count twice."""
    return len(text.encode("utf-16-le")) // 2


def fitting(text: str, longest: int) -> str:
    """Return a text of at most `longest` units: long lines are cut, too long links are left out."""
    if units(text) <= longest:
        return text
    lines = (line if units(line) <= _LINE else _shortened(line) for line in text.split("\n"))
    return cut("\n".join(lines), longest)


def cut(text: str, longest: int) -> str:
    """Return the beginning of a text, at most `longest` units long; a cut text ends with …."""
    if units(text) <= longest:
        return text
    whole = text.encode("utf-16-le")[: 2 * max(longest - 1, 0)]
    return whole.decode("utf-16-le", "ignore") + "…"


def _shortened(line: str) -> str:
    # half a link is useless
    words = (word for word in line.split(" ") if "://" not in word or units(word) <= _LINE)
    return cut(" ".join(words), _LINE)
