"""The adapter that restarts a bot's container through a Docker API."""

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from stack.settings import DockerRestart
from webhook_actions.bots.protocol import Guard
from webhook_actions.outcome import Outcome


class DockerAdapter:
    """Restarts one container. It makes only that one call, so that a proxy may forbid everything else."""

    def __init__(self, restart: DockerRestart, timeout: float, guard: Guard) -> None:
        self._container = restart.container
        self._url = restart.url
        self._timeout = timeout
        self._guard = guard

    def longest_restart(self, wait: float) -> float:
        """Return the longest seconds for Docker's version, and then the stop and start."""
        return 2 * self._patience(wait) + wait

    def restart(self, wait: float, key: str) -> Outcome:
        """Stop the container, killing it after `wait` seconds, and start it."""
        orders = 0
        try:
            # Not `containers.get(…).restart()`: that asks for details first, which a proxy may forbid.
            client = docker.APIClient(self._url, version="auto", timeout=self._patience(wait))
            self._guard()
            orders = 1
            client.restart(self._container, timeout=int(wait))
        except NotFound:
            return Outcome.failed(f"there is no container {self._container}")
        except APIError as error:
            refused = error.response is not None and error.response.status_code in (401, 403)
            said = f"restart of {self._container}: {error.explanation or error}"
            return Outcome.failed(said) if refused else Outcome.retry(said, orders)
        except (DockerException, requests.RequestException) as error:
            said = f"restart of {self._container}: {type(error).__name__}: {error}"[:300]
            return Outcome.retry(said, orders)
        return Outcome.ok(f"container {self._container} restarted", orders)

    def _patience(self, wait: float) -> int:
        return int(self._timeout + wait) + 1
