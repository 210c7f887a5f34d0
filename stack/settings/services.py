"""Where each part of the stack listens and is reached, one or several of it."""

from hashlib import blake2b
from typing import Annotated

from pydantic import PrivateAttr, StringConstraints

from stack.settings.types import Port, Section

Host = Annotated[str, StringConstraints(pattern=r"^[^\s/@]+$")]


class Address(Section):
    """Where one process is reached."""

    host: Host
    port: Port
    _scheme: str = PrivateAttr("http")

    def speak(self, scheme: str) -> None:
        """Be reached by `http` or `https`, as the settings of `web` say."""
        self._scheme = scheme

    @property
    def address(self) -> str:
        """`host:port`, as the other parts reach it."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as a URL without a trailing slash."""
        return f"{self._scheme}://{self.address}"


class Service(Address):
    """Where one part listens, and where the others reach it."""

    bind: str


class Replicated(Service):
    """A part that may run several times: `replicas` are then all of it, and `host` any of them."""

    replicas: list[Address]

    @property
    def all(self) -> tuple[Address, ...]:
        """Every process of the part, in the order of their numbers, which begin at 1."""
        return tuple(self.replicas) or (self,)

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of all as URLs: whoever needs one of them asks the next where one does not answer."""
        return tuple(each.url for each in self.all)


class Exporter(Replicated):
    """The exporters; each watches its share of the bots."""

    def watching(self, bot: str) -> Address:
        """Return the one that watches a bot; another number of them moves as few bots as can be."""

        # Rendezvous hashing: https://en.wikipedia.org/wiki/Rendezvous_hashing
        def rank(each: Address) -> bytes:
            return blake2b(f"{each.address} {bot}".encode(), digest_size=8).digest()

        return max(self.all, key=rank)


class Services(Section):
    """The parts of the stack."""

    exporter: Exporter
    demo_bot: Service
    webhook_actions: Replicated
    prometheus: Replicated
    alertmanager: Replicated
    blackbox_exporter: Service
    grafana: Service

    def speak(self, scheme: str) -> None:
        """Have every part reached so; the demo bot stands for a bot of yours, which speaks as it does."""
        for name, part in self:
            for each in (part, *getattr(part, "replicas", ())):
                each.speak("http" if name == "demo_bot" else scheme)
