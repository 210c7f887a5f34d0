"""Finds the address under which a container reaches a bot of this machine."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import docker
import requests
from docker.errors import DockerException, NotFound

from stack.settings import DockerRestart

HOST = "host.docker.internal"
_LOOK = 5  # seconds for Docker's answer
_UNNAMED = ("bridge", "host", "none")  # networks without names for containers


@dataclass(frozen=True)
class Container:
    """Docker's view of a container: its networks with names, and its own port by published port."""

    networks: tuple[str, ...] = ()
    ports: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A URL as a container must write it; `network` is one to join, None if it needs none."""

    url: str
    network: str | None = None


def look(restart: DockerRestart) -> Container | None:
    """Return Docker's view of a bot's container, None if it is unknown or Docker unreachable."""
    try:
        client = docker.APIClient(restart.url, version="auto", timeout=_LOOK)
        found = client.inspect_container(restart.container)
    except (NotFound, DockerException, requests.RequestException):
        return None
    networks = found["NetworkSettings"]["Networks"] or {}
    published = found["HostConfig"]["PortBindings"] or {}
    ports = {
        int(each["HostPort"]): int(inside.partition("/")[0])
        for inside, bindings in published.items()
        for each in bindings or []
        if each["HostPort"]
    }
    return Container(tuple(sorted(set(networks) - set(_UNNAMED))), ports)


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to the machine that uses it."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def place(url: str, name: str | None, container: Container | None) -> Place:
    """Return the place of this machine's URL as seen from a container. A container cannot reach a port that
    is published on 127.0.0.1; then it uses the name of the bot's container.
    """
    if not is_loopback(url):
        return Place(url)
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if name and container and container.networks and port in container.ports:
        there = parts._replace(netloc=f"{name}:{container.ports[port]}")
        return Place(urlunsplit(there), container.networks[0])
    return Place(urlunsplit(parts._replace(netloc=f"{HOST}:{port}")))
