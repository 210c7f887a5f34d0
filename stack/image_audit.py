"""Asks OSV whether container images have known vulnerabilities: `python -m stack.image_audit FILE…`."""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from clients.http import NoAnswer, Request, ask

OSV: Final = "https://api.osv.dev"
# OSV's name for each image's program; OSV has Bitnami's list, which uses the programs' own versions.
_ECOSYSTEM: Final = "Bitnami"
_PACKAGES: Final = {
    "prom/prometheus": "prometheus",
    "prom/alertmanager": "alertmanager",
    "prom/blackbox-exporter": "blackbox-exporter",
    "grafana/grafana": "grafana",
    "grafana/loki": "grafana-loki",
    "grafana/alloy": "grafana-alloy",
    "postgres": "postgresql",
}
_IMAGE: Final = re.compile(r"^\s*(?:- )?image:\s*\"?([\w./-]+):v?([\w.]+)", re.MULTILINE)
_WHOLE: Final = re.compile(r"\d+\.\d+(\.\d+)*")
_TIMEOUT: Final = 30.0


class NotAudited(Exception):
    """OSV could not be asked. The message says why."""


def images(files: Iterable[Path]) -> dict[str, str]:
    """Return the version of each image that files name, without our own."""
    named = (found for file in files for found in _IMAGE.findall(file.read_text(encoding="utf-8")))
    return {name: version for name, version in named if version != "local"}


def holes(url: str, image: str, version: str) -> Iterator[str]:
    """Yield a line for each known vulnerability of an image. Raises NotAudited."""
    package = {"name": _PACKAGES[image], "ecosystem": _ECOSYSTEM}
    request = Request("POST", f"{url}/v1/query", _TIMEOUT, json={"package": package, "version": version})
    try:
        answer = ask(request)
        if not answer.ok:
            raise NotAudited(f"{image} could not be audited: {url} answered {answer.status}")
        said: Any = answer.json()
    except (NoAnswer, ValueError) as error:
        raise NotAudited(f"{image} could not be audited: {url}: {error}") from None
    for hole in said.get("vulns", []):
        names = ", ".join((hole["id"], *hole.get("aliases", [])))
        fixed = ", ".join(_fixed(hole)) or "nowhere yet"
        yield f"{image} {version}: {names}: {hole.get('summary') or 'no summary'}; fixed in {fixed}"


def _fixed(hole: dict[str, Any]) -> list[str]:
    ranges = (each for affected in hole.get("affected", []) for each in affected.get("ranges", []))
    events = (event for each in ranges for event in each.get("events", []))
    return list(dict.fromkeys(event["fixed"] for event in events if "fixed" in event))


def main(words: list[str] | None = None) -> int:
    """Print the result; return 1 if an image has a vulnerability, or could not be checked."""
    parser = argparse.ArgumentParser(prog="stack.image_audit", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="compose files or manifests")
    parser.add_argument("--osv", default=OSV, metavar="URL", help=f"default: {OSV}")
    arguments = parser.parse_args(words)
    found: list[str] = []
    for image, version in images(arguments.files).items():
        if image not in _PACKAGES:
            print(f"{image} {version}: not checked, because OSV does not list it")
        elif not _WHOLE.fullmatch(version):
            print(f"{image} {version}: not checked, because its tag always names the newest of {version}")
        else:
            try:
                found += holes(arguments.osv.rstrip("/"), image, version)
            except NotAudited as problem:
                found.append(str(problem))
    print("\n".join(found) or "no image has a known vulnerability")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
