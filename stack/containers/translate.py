"""Translates this machine's settings for the containers: paths, addresses, secrets, mounts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack.containers.network import Container, Place, is_loopback, place
from stack.settings import Bot, CommandRestart, DockerRestart, FileBot, OwnReference, Settings
from stack.settings.bots import DOCKER, Answering
from stack.settings.load import lay_over
from stack.settings.secrets import secret_files
from stack.settings.web import Tls

TLS = "/run/tls"
PROXY = "tcp://docker-proxy:2375"
_MOUNTED = Path("/run")  # docker-compose.yml already mounts the files below it
_OURS = "demo"
_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
# The readers of a secret, by its path in the settings; the longest matching path counts.
_READERS: Mapping[str, tuple[str, ...]] = {
    "": ("webhook_actions",),
    "bots": ("exporter", "webhook_actions"),
    "accounts": ("exporter",),
    "storage": ("prometheus",),
    "integrations.newrelic": ("prometheus", "webhook_actions"),
    "channels.email": ("alertmanager", "webhook_actions"),
    "channels.telegram": ("alertmanager", "webhook_actions"),
    "channels.slack": ("alertmanager", "webhook_actions"),
}
_LISTED = re.compile(r"^(.+?)\[(\d+)\](?:\.(\w+))?$")


@dataclass
class Inside:
    """The settings inside the containers. `secrets` are files by name, `readers` services by name of a
    secret. `settings` override the user's. `directories` are the mounts by target, `networks` the networks to
    join, `restarted` the containers that may be restarted. `problems` are errors, `warnings` possible ones.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Path] = field(default_factory=dict)
    readers: dict[str, set[str]] = field(default_factory=dict)
    directories: dict[str, Path] = field(default_factory=dict)
    networks: set[str] = field(default_factory=set)
    restarted: set[str] = field(default_factory=set)
    certificates: Path | None = None  # the certificate's directory, if it is not secrets/tls
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def readable(self) -> list[Path]:
        """The files that another user must be able to read: single mounts and certificates."""
        kept = (self.settings.get("web") or {}).get("tls", {}).values() if self.certificates else ()
        folder = self.certificates or Path()
        return [*self.secrets.values(), *(folder / Path(one).name for one in kept)]


def translate(settings: Settings, containers: Mapping[str, Container], taken: frozenset[str]) -> Inside:
    """Return the settings inside. `containers` has Docker's data on the bots' containers, by name; `taken`
    has the names of secrets in docker-compose.yml.
    """
    inside = Inside()
    secrets = _Secrets(inside, taken)
    if settings.bots_directory is not None:  # not mounted: the translated settings contain its bots
        inside.settings["bots_directory"] = None
    for name, bot in settings.bots.items():
        if name == _OURS and settings.demo.enabled:
            if isinstance(bot.restart, DockerRestart):
                inside.restarted.add(bot.restart.container)
            continue
        own = _bot(inside, secrets, settings, name, containers)
        if settings.bots_directory is not None:
            own = lay_over(bot.model_dump(mode="json", by_alias=True, exclude_unset=True), own)
        inside.settings.setdefault("bots", {})[name] = own
    whole = settings.model_dump(mode="json", by_alias=True)
    for key, part in settings:
        if key in ("bots", "demo", "web"):
            continue
        for path, file in secret_files(part, key):
            if not file.is_relative_to(_MOUNTED):
                _set(inside.settings, whole, path, secrets.name(path, file))
    for path, url in _addresses(settings):
        if is_loopback(url):
            inside.warnings.append(f"{path}: {url} is the container itself; write an address of this machine")
    return inside


def certificates(inside: Inside, tls: Tls) -> None:
    """Give the containers the certificate, key and authority of the settings."""
    files = {"cert_file": tls.cert_file, "key_file": tls.key_file, "ca_file": tls.ca_file}
    if len(folders := {file.parent for file in files.values()}) > 1:
        inside.problems.append(
            "web.tls: the containers mount the directory of its three files; put them into one"
        )
        return
    (inside.certificates,) = folders
    names = {key: f"{TLS}/{file.name}" for key, file in files.items()}
    inside.settings["web"] = {"tls": names}


class _Secrets:
    """Gives each secret file a unique name, and gives the file to each of its readers."""

    def __init__(self, inside: Inside, taken: frozenset[str]) -> None:
        self._inside, self._taken = inside, taken

    def name(self, path: str, file: Path) -> str:
        """Return the secret's path inside; `path` is the setting that names its file."""
        known, stem, number = self._inside.secrets, re.sub(r"[^a-zA-Z0-9_.-]", "_", file.name), 1
        name = stem
        while name in self._taken or known.get(name, file) != file:
            number += 1
            name = f"{stem}_{number}"
        known[name] = file
        here = max((part for part in _READERS if path.startswith(part)), key=len)
        self._inside.readers.setdefault(name, set()).update(_READERS[here])
        return f"/run/secrets/{name}"


def _bot(
    inside: Inside, secrets: _Secrets, settings: Settings, name: str, containers: Mapping[str, Container]
) -> dict[str, Any]:
    bot, own = settings.bots[name], dict[str, Any]()
    container = bot.restart.container if isinstance(bot.restart, DockerRestart) else None
    about = f"bots.{name}"
    for part in ("source", *sorted(bot.model_fields_set & {"control", "restart"})):
        value, changed = getattr(bot, part), dict[str, Any]()
        if isinstance(value, Answering):
            found = place(str(value.url), container, containers.get(container or ""))
            changed |= _reached(inside, f"{about}.{part}", value, found)
        for path, file in secret_files(value, f"{about}.{part}"):
            changed[path.rpartition(".")[2]] = secrets.name(path, file)
        if changed:
            own[part] = changed
    if isinstance(bot.source, FileBot):
        own["source"] = {
            key: _mounted(inside, file)
            for key, file in (("state", bot.source.state), ("trades", bot.source.trades))
            if file
        }
    if bot.edge and not isinstance(bot.edge.reference, OwnReference):
        own["edge"] = {"reference": {"file": _mounted(inside, bot.edge.reference.file)}}
    if bot.logs:
        own["logs"] = [_mounted(inside, file) for file in bot.logs]
    if bot.process:
        own["process"] = None
        inside.warnings.append(f"{about}.process: is not visible from a container, so it is left out")
    return own | _restart(inside, about, bot)


def _restart(inside: Inside, about: str, bot: Bot) -> dict[str, Any]:
    """Return the bot's restart setting inside."""
    match bot.restart:
        case CommandRestart():
            inside.problems.append(
                f"{about}.restart: a container starts no program of this machine; run the bot in a container "
                "and write {type: docker, container: ITS NAME}, or run Nightdesk with `nightdesk up`"
            )
        case DockerRestart(container=container, url=url) if url == DOCKER:
            if not _CONTAINER.fullmatch(container):
                inside.problems.append(
                    f"{about}.restart.container: {container!r} is no valid name of a container; "
                    "`docker ps -a` lists them"
                )
            inside.restarted.add(container)
            return {"restart": {"url": PROXY}}
        case DockerRestart(url=url) if url.startswith("unix:"):
            inside.problems.append(
                f"{about}.restart.url: a container cannot reach the socket {url}; remove the url to use "
                f"{DOCKER}, which a proxy guards"
            )
    return {}


def _reached(inside: Inside, about: str, api: Answering, found: Place) -> dict[str, str]:
    changed = {}
    if found.url != str(api.url):
        changed["url"] = found.url
        if found.network:
            inside.networks.add(found.network)
        else:
            inside.warnings.append(
                f"{about}.url: becomes {found.url}; a bot that listens only on 127.0.0.1 does not "
                "answer there: use Docker's gateway, or a container that `restart` names"
            )
    if api.proxy and is_loopback(str(api.proxy)):
        changed["proxy"] = place(str(api.proxy), None, None).url
    return changed


def _mounted(inside: Inside, file: Path) -> str:
    """Return a file's path inside; its directory is mounted, since the file may be replaced."""
    for target, directory in inside.directories.items():
        if directory == file.parent:
            return f"{target}/{file.name}"
    target = f"/bots/{len(inside.directories) + 1}"
    inside.directories[target] = file.parent
    return f"{target}/{file.name}"


def _addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the other configured network addresses by path."""
    for index, store in enumerate(settings.storage.remote_write):
        yield f"storage.remote_write[{index}].url", str(store.url)
    if settings.storage.influxdb.enabled:
        yield "storage.influxdb.url", str(settings.storage.influxdb.url)
    if settings.channels.email.enabled:
        yield "channels.email.host", f"smtp://{settings.channels.email.host}"
    for index, endpoint in enumerate(settings.channels.webhooks.endpoints):
        yield f"channels.webhooks.endpoints[{index}].url", str(endpoint.url)


def _set(target: dict[str, Any], whole: Mapping[str, Any], path: str, value: str) -> None:
    """Set one setting; a list overrides the other as a whole, so it is copied completely."""
    listed = _LISTED.match(path)
    *steps, last = (listed[1] if listed else path).split(".")
    source: Any = whole
    for step in steps:
        target, source = target.setdefault(step, {}), source[step]
    if not listed:
        target[last] = value
        return
    every = target.setdefault(last, list(source[last]))
    index, key = int(listed[2]), listed[3]
    every[index] = every[index] | {key: value} if key else value
