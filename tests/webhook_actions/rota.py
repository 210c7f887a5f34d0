"""A rota for tests: anna's week began yesterday, ben is next, carol is in none."""

from datetime import UTC, datetime, timedelta
from typing import Any

PEOPLE = {name: {"email": [f"{name}@example.org"]} for name in ("anna", "ben", "carol")}


def desk() -> dict[str, Any]:
    """Return settings with people, a rota named desk, and a mail server that does not run."""
    start = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    week = {"start": start, "handover": "00:00", "timezone": "UTC", "contacts": ["anna", "ben"]}
    mail = {"enabled": True, "host": "127.0.0.1", "port": 9, "starttls": False, "from": "n@example.org"}
    return {
        "contacts": PEOPLE,
        "escalation": {"first": "desk", "rotas": {"desk": week}},
        "channels": {"email": mail | {"to": ["desk@example.org"]}},
    }
