"""Cuts a text to what a service takes, so that the alert and the link to answer it arrive."""

_LINE = 600  # characters of a line, where not all fits: six of the longest leave room for the links


def units(text: str) -> int:
    """Return the length as Telegram counts it: in UTF-16, where a sign beyond the usual counts twice."""
    return len(text.encode("utf-16-le")) // 2


def fitting(text: str, longest: int) -> str:
    """Return a text of at most `longest` units: long lines are cut, links that are too long are left out."""
    if units(text) <= longest:
        return text
    lines = (line if units(line) <= _LINE else _shortened(line) for line in text.split("\n"))
    return cut("\n".join(lines), longest)


def cut(text: str, longest: int) -> str:
    """Return the beginning of a text, in at most `longest` units, that ends with … where some is missing."""
    if units(text) <= longest:
        return text
    whole = text.encode("utf-16-le")[: 2 * max(longest - 1, 0)]
    return whole.decode("utf-16-le", "ignore") + "…"


def _shortened(line: str) -> str:
    # Half a link leads nowhere.
    words = (word for word in line.split(" ") if "://" not in word or units(word) <= _LINE)
    return cut(" ".join(words), _LINE)
