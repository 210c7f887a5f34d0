"""Knows whether the dashboards that alerts link to can be opened: Grafana need not run beside Nightdesk."""

import socket
import threading
import time
from collections.abc import Callable

from stack.settings import Settings

_EVERY, _WITHIN = 30.0, 2.0  # seconds between two looks, and for one


class Dashboards:
    """Lets links to dashboards pass that lead somewhere; it looks in the background, and no page waits."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.monotonic) -> None:
        grafana = settings.services.grafana
        # Where settings name an address for browsers, a person says that it is there.
        self._own = None if settings.links.grafana else settings.link("grafana")
        self._place = (grafana.host, grafana.port)
        self._now = now
        self._answers = False
        self._looked_at = -_EVERY

    def there(self, address: str | None) -> str | None:
        """Return the address, None where it is that of a Grafana that does not run."""
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
