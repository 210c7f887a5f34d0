"""Makes a release of the last commit: `make release VERSION=0.2.0`. It pushes and uploads nothing.

The section "Unreleased" of CHANGELOG.md becomes the version's, which is written into stack/__init__.py and
committed. Of that commit, dist/ gets the wheel, its SBOM (CycloneDX) and digests; where a Docker engine runs,
the image is built. The tag comes last: what is tagged was built. A run that failed may be repeated.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_OPEN = "## Unreleased\n"


class Refused(Exception):
    """The release is refused; the message says what to do."""


def cut(changelog: str, version: str, day: str) -> tuple[str, str]:
    """Return the changelog with "Unreleased" turned into a version's section, and that section.

    Raises Refused.
    """
    head, found, rest = changelog.partition(_OPEN)
    said, following, older = rest.partition("\n## ")
    if not found or not said.strip():
        raise Refused(f"CHANGELOG.md: there is nothing below {_OPEN.strip()!r}; write what users notice")
    title = f"## {version} ({day})\n"
    return f"{head}{_OPEN}\n{title}{said}{following}{older}", said.strip()


def section(changelog: str, version: str) -> str | None:
    """Return the changelog's section of a version, None without one."""
    found = re.search(
        rf"^## {re.escape(version)} \([^)]*\)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    return found[1].strip() if found else None


def refusal(version: str, tags: Sequence[str], changed: str) -> str | None:
    """Return why a version cannot be released, given the tags and git's list of changed files."""
    if not _VERSION.fullmatch(version):
        return f"VERSION={version}: is not of the form 1.2.3"
    released = [tuple(map(int, tag[1:].split("."))) for tag in tags if _VERSION.fullmatch(tag[1:])]
    if released and tuple(map(int, version.split("."))) <= max(released):
        return (
            f"VERSION={version}: is not above {'.'.join(map(str, max(released)))}, the last that was tagged"
        )
    if changed:
        return f"these files are changed and not committed; commit them first:\n{changed}"
    return None


def commit(root: Path, version: str) -> str:
    """Commit the version, unless an earlier run has; return its section of the changelog. Raises Refused."""
    changelog, package = root / "CHANGELOG.md", root / "stack/__init__.py"
    text = changelog.read_text(encoding="utf-8")
    if (said := section(text, version)) is None:
        new, said = cut(text, version, f"{datetime.now(UTC):%Y-%m-%d}")
        changelog.write_text(new, encoding="utf-8")
        source = package.read_text(encoding="utf-8")
        package.write_text(
            re.sub(r'(?m)^VERSION = "[^"]*"', f'VERSION = "{version}"', source), encoding="utf-8"
        )
        _run("git", "commit", "--quiet", "-m", f"Release {version}", "--", changelog, package, cwd=root)
    return said


def build(root: Path, version: str, dist: Path) -> None:
    """Build the wheel, its SBOM and, with a Docker engine, the image, from the last commit."""
    dist.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source, tools = Path(scratch, "source"), Path(scratch, "tools")
        source.mkdir()
        _run("sh", "-c", 'git archive HEAD | tar -x -C "$0"', source, cwd=root)
        os.environ["SOURCE_DATE_EPOCH"] = _run("git", "log", "-1", "--format=%ct", cwd=root)  # the same bytes
        wheel = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
        _run(sys.executable, "-c", wheel, dist.absolute(), cwd=source)
        _run(sys.executable, "-m", "venv", tools)
        _run(tools / "bin/pip", "install", "--quiet", "cyclonedx-bom")
        bom = dist / f"nightdesk-{version}.cdx.json"
        lock = source / "deploy/requirements.lock"
        _run(tools / "bin/cyclonedx-py", "requirements", lock, "--of", "JSON", "-o", bom.absolute())
        if _engine():
            _run("docker", "build", "--quiet", "--tag", f"nightdesk:{version}", source)
            print(f"built the image nightdesk:{version}")
        else:
            print("SKIPPED the image: no Docker engine answers")
    files = sorted(file for file in dist.glob(f"nightdesk-{version}[-.]*"))
    digests = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (dist / f"SHA256SUMS-{version}").write_text("".join(digests), encoding="utf-8")


def _engine() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    """Return a program's output. Raises Refused if it fails."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"{command[0]} {command[1]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def main(version: str, root: Path) -> int:
    """Release a version; return the exit code."""
    try:
        tags = _run("git", "tag", "--list", "v*", cwd=root).split()
        if reason := refusal(version, tags, _run("git", "status", "--porcelain", cwd=root)):
            raise Refused(reason)
        said = commit(root, version)
        build(root, version, root / "dist")
        _run(
            "git",
            "tag",
            "--annotate",
            f"v{version}",
            "--cleanup=verbatim",
            "-m",
            f"{version}\n\n{said}\n",
            cwd=root,
        )
    except Refused as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"tagged v{version}; dist/ has the wheel, the SBOM and the digests\n"
        "to publish: git push --follow-tags"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "", Path.cwd()))
