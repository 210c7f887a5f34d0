"""Names and sentences use the terms of docs/glossary.md, and none of the words that it retires."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
TERMS, RETIRED = GLOSSARY.read_text(encoding="utf-8").split("## Retired words\n")
NAMES, PHRASES = RETIRED.split("It refuses these phrases")
ANY_NAME, MODULE_NAME = (set(re.findall(r"`([a-z]+)`", part)) for part in NAMES.split("as names of modules"))
PHRASE = re.compile(
    "|".join(
        rf"\b{re.escape(phrase)}\b"
        for row in re.findall(r"^\| (?!retired|-)([^|]+?) \|", PHRASES, re.MULTILINE)
        for phrase in row.split(", ")
    ),
    re.IGNORECASE,
)
DEFINED = re.compile(r"^ *(?:async def|def|class) (\w+)", re.MULTILINE)
READ = (".py", ".md", ".html", ".tmpl", ".jsonnet", ".libsonnet", ".yaml", ".yml", ".toml", ".js")
ABOUT_WORDS = (GLOSSARY, Path(__file__))


def retired_names(path: str, source: str) -> Iterator[str]:
    """Yield the module's own name, its classes and its functions, as far as they are retired."""
    stem = Path(path).stem.removeprefix("test_").split(".")[0]
    if stem in ANY_NAME | MODULE_NAME:
        yield stem
    for name in DEFINED.findall(source):
        if name.replace("_", "").lower() in ANY_NAME:
            yield name


def retired_phrases(text: str) -> list[str]:
    """Return the retired phrases, also those that a line or a comment breaks."""
    return PHRASE.findall(re.sub(r"\s*\n\s*(?:#\s*|//\s*)?", " ", text))


def found(path: str, text: str) -> list[str]:
    names = list(retired_names(path, text)) if path.endswith(".py") else []
    return [f"{path}: {one}" for one in names + retired_phrases(text)]


def sources() -> Iterator[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        path = ROOT / name
        ours = path.suffix in READ and path not in ABOUT_WORDS and not name.startswith("tests/fixtures/")
        if ours and path.is_file():
            yield path


def test_no_source_has_a_retired_name_or_phrase():
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sources()}
    assert len(texts) > 500
    assert [one for path, text in texts.items() for one in found(path, text)] == []


def test_a_planted_name_or_phrase_is_found():
    assert found("exporter/landing.py", "") == ["exporter/landing.py: landing"]
    assert found("tests/exporter/test_past.py", "") == ["tests/exporter/test_past.py: past"]
    assert found("stack/a.py", "class _World: ...") == ["stack/a.py: _World"]
    assert found("stack/a.py", "async def tally(): ...") == ["stack/a.py: tally"]
    assert found("stack/a.py", '"""Told\n    nobody: sorry."""') == ["stack/a.py: Told nobody"]
    assert found("docs/a.md", "over a channel that\nis set.") == ["docs/a.md: that is set"]


def test_a_name_that_only_contains_a_retired_word_is_not_refused():
    assert found("stack/a.py", "def overdue(): ...\ndef stage_of(): ...") == []


def test_the_glossary_has_at_most_forty_terms_in_order():
    terms = re.findall(r"^\| (?!term \||-)([^|]+?) \|", TERMS, re.MULTILINE)
    assert 20 < len(terms) <= 40
    assert terms == sorted(terms)
