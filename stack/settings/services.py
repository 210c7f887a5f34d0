"""The addresses of each part of the stack, which has one process or several."""

from hashlib import blake2b
from typing import Annotated

from pydantic import PrivateAttr, StringConstraints

from stack.settings.types import Port, Section

Host = Annotated[str, StringConstraints(pattern=r"^[^\s/@]+$")]


class Address(Section):
    """The address of one process."""

    host: Host
    port: Port
    _scheme: str = PrivateAttr("http")

    def speak(self, scheme: str) -> None:
        """Set the scheme, `http` or `https`, by the settings of `web`."""
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
    """The address on which a part listens, and the address that others use."""

    bind: str


class Replicated(Service):
    """A part that may have replicas: `replicas` lists all, and `host` reaches any of them."""

    replicas: list[Address]

    @property
    def all(self) -> tuple[Address, ...]:
        """Every process of the part, in the order of their numbers from 1."""
        return tuple(self.replicas) or (self,)

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs of all replicas: if one does not answer, callers try the next."""
        return tuple(each.url for each in self.all)


class Exporter(Replicated):
    """The exporters; each watches its share of the bots."""

    def watching(self, bot: str) -> Address:
        """Return the exporter that watches a bot; a new number of exporters moves as few bots as possible."""

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
        """Set the scheme of every part, except of the demo bot, which stands for a user's bot."""
        for name, part in self:
            for each in (part, *getattr(part, "replicas", ())):
                each.speak("http" if name == "demo_bot" else scheme)
