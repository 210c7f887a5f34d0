"""Turns settings into build/: configuration of Prometheus, Alertmanager, blackbox_exporter and Grafana."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import _jsonnet
import click
import yaml
from pydantic import BaseModel
from pydantic.networks import AnyUrl

from exporter.catalogue import METRICS
from grafana.build import build as build_dashboards
from stack.binaries import MissingBinary, alertmanager_command, find
from stack.datadog import write_datadog
from stack.drill.fast_settings import quick, stay
from stack.drill.rules import drill_groups
from stack.failure import Failure
from stack.files import ROOT
from stack.flags import write_flags
from stack.influxdb import write_database
from stack.instance import Instance, on_instance
from stack.kubernetes import write_kubernetes
from stack.logrotate import write_rotation
from stack.loki import write_loki
from stack.newrelic import write_newrelic
from stack.routes import routes
from stack.settings import Settings
from stack.web import write_web

# In a checkout `../stack` and `../../stack` lead to the package; an installation needs these paths.
_LIBRARIES = [str(ROOT), str(ROOT / "prometheus")]
SOURCES = ("prometheus/prometheus.jsonnet", "alertmanager/alertmanager.jsonnet", "blackbox/blackbox.jsonnet")
TEMPLATES = "alertmanager/templates"

Link = Literal["runbooks", "prometheus", "grafana", "webhook_actions"]


class RenderError(Failure):
    """A configuration that cannot be made, or that its program refuses. `problems` says why."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def render(settings: Settings, out: Path) -> None:
    """Replace `out` by the rendered configuration, checked by promtool and amtool if they are installed.

    All or nothing: raises RenderError and leaves `out` as it was. The same settings make the same bytes.
    """
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
            new = Path(scratch, "new")
            _write(settings, new, out)
            if problems := _check(new):
                raise RenderError(problems)
            _swap(new, out, Path(scratch, "old"))
    except OSError as error:
        raise RenderError(
            [f"{out}: cannot be written: {error}; choose a directory that can be replaced"]
        ) from error


@click.command("render")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("build"),
    metavar="DIR",
    help="Default: build",
)
@on_instance
def render_build(instance: Instance, out: Path) -> None:
    """Write the configuration of Prometheus, Alertmanager, blackbox_exporter and Grafana."""
    render(instance.settings(), out)
    print(f"rendered {out}")


def as_data(settings: Settings) -> dict[str, Any]:
    """Return the settings for jsonnet: keys as in YAML, durations as seconds, links as addresses.

    `plan` says who is notified of what; only Python decides that.
    """
    data: dict[str, Any] = _plain(settings)
    links = data["links"] | {service: settings.link(service) for service in get_args(Link)}
    return data | {"links": links, "plan": routes(settings)}


def _plain(value: Any) -> Any:  # noqa: ANN401 - walks whatever the settings hold
    match value:
        case BaseModel():
            fields = type(value).model_fields
            return {fields[name].alias or name: _plain(part) for name, part in value}
        case dict():
            return {key: _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case float():  # plain numbers, so that a Duration is not written as text
            return float(value)
        case Path() | AnyUrl():
            return str(value)
        case _:
            return value


def _write(settings: Settings, new: Path, out: Path) -> None:
    data = json.dumps(as_data(settings))
    for source in SOURCES:
        for name, content in evaluate(ROOT / source, data).items():
            file = new / Path(source).parent / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_text(content, source), encoding="utf-8")
    for name, content in drill_rules(settings).items():
        file = new / "prometheus" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(_text(content, f"{SOURCES[0]} and stack/drill/rules.py"), encoding="utf-8")
    for template in sorted((ROOT / TEMPLATES).glob("*.tmpl")):
        text = _text(template.read_text(encoding="utf-8"), f"{TEMPLATES}/{template.name}")
        (new / TEMPLATES / template.name).write_text(text, encoding="utf-8")
    build_dashboards(settings, {metric.full_name: metric.help for metric in METRICS}, new / "grafana")
    write_web(settings, new, out)
    write_flags(settings, new, out)
    write_database(settings, new)
    write_datadog(settings, new)
    write_newrelic(settings, new)
    write_rotation(settings, new)
    write_kubernetes(settings, new)
    write_loki(settings, new)


def drill_rules(settings: Settings) -> dict[str, Any]:
    """Return the drill's rules by file: with shortened waits, over the synthetic bot's series."""
    made = evaluate(ROOT / SOURCES[0], json.dumps(as_data(quick(settings))))
    groups = [group for name, file in made.items() if name.startswith("rules/") for group in file["groups"]]
    return {
        f"drill/{group['name']}.yml": {"groups": [group]} for group in drill_groups(groups, stay(settings))
    }


def rendered(settings: Settings) -> dict[str, Any]:
    """Return the rendered files of Prometheus and Alertmanager."""
    data = json.dumps(as_data(settings))
    return {
        **evaluate(ROOT / SOURCES[0], data),
        **evaluate(ROOT / SOURCES[1], data),
        **drill_rules(settings),
    }


def evaluate(source: Path, data: str) -> Any:  # noqa: ANN401 - whatever the source makes
    """Return the JSON that a jsonnet source makes of the settings. Raises RenderError."""
    try:
        made = _jsonnet.evaluate_file(str(source), ext_codes={"settings": data}, jpathdir=_LIBRARIES)
        return json.loads(made)
    except RuntimeError as error:
        raise RenderError([f"{source.relative_to(ROOT)}: {error}"]) from error


def _text(content: object, source: str) -> str:
    """Return a file's text, with a first line that names its source."""
    says = f"Generated by `nightdesk render` from {source} and the settings: change those."
    if isinstance(content, str):
        return f"{{{{/* {says} */}}}}\n{content}"
    return (
        f"# {says}\n{yaml.dump(content, Dumper=_Readable, sort_keys=False, width=1000, allow_unicode=True)}"
    )


class _Readable(yaml.CSafeDumper):
    """Writes YAML as a person does: text of several lines as a block."""


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _represent_text)


def _check(new: Path) -> list[str]:
    """Return the errors of promtool and amtool; none if they are not installed.

    Files that the configuration names are not checked: a container's files are not here.
    """
    prometheus, alertmanager = new / "prometheus", new / "alertmanager/alertmanager.yml"
    problems = []
    try:
        promtool = str(find("promtool"))
        rules = sorted(str(file) for file in prometheus.glob("*/*.yml"))
        problems += _complaints(
            new, [promtool, "check", "config", "--syntax-only", f"{prometheus}/prometheus.yml"]
        )
        problems += _complaints(new, [promtool, "check", "rules", *rules])
        problems += _complaints(
            new, alertmanager_command("check-config", str(alertmanager), program="amtool")
        )
    except MissingBinary:
        return problems
    return problems


def _complaints(new: Path, command: Sequence[str]) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    return [(done.stderr + done.stdout).replace(f"{new}/", "").strip()]


def _swap(new: Path, out: Path, old: Path) -> None:
    if out.exists():
        out.rename(old)
    try:
        new.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
