"""Checks whether links to dashboards work: Grafana need not run beside Nightdesk."""

import socket
import threading
import time
from collections.abc import Callable

from stack.settings import Settings

_EVERY, _WITHIN = 30.0, 2.0  # seconds between two checks, and for one


class Dashboards:
    """Passes only links to a running Grafana; it checks in the background, so that no page waits."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.monotonic) -> None:
        grafana = settings.services.grafana
        # If settings name an address for browsers, it counts as running.
        self._own = None if settings.links.grafana else settings.link("grafana")
        self._place = (grafana.host, grafana.port)
        self._now = now
        self._answers = False
        self._looked_at = -_EVERY

    def there(self, address: str | None) -> str | None:
        """Return the address, None if it is that of a Grafana that does not run."""
        if address is None or self._own is None or not address.startswith(self._own):
            return address
        if self._now() - self._looked_at >= _EVERY:
            self._looked_at = self._now()
            threading.Thread(target=self._look, daemon=True).start()
        return address if self._answers else None

    def _look(self) -> None:
        try:
            socket.create_connection(self._place, _WITHIN).close()
            self._answers = True
        except OSError:
            self._answers = False
