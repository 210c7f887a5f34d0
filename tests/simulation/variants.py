"""The settings that a simulation runs with, and those that a reload brings."""

import tempfile
from functools import cache
from pathlib import Path

import yaml

from stack.settings import Settings, load

BOTS = ("alpha", "beta", "delta", "ft_gamma", "ft_epsilon")
MONEY = ["close_all_positions", "close_positions", "reduce_position_sizes"]


@cache
def settings(variant: str) -> Settings:
    """Return the settings of a variant: usual, disarmed, maintained, or without the first bot."""
    directory = Path(tempfile.mkdtemp(prefix="simulation-"))
    for token in ("receive", "read", "act", "bot"):
        (directory / token).write_text("secret\n")
    source = {"type": "http", "token_file": "bot"}
    freqtrade = {"type": "freqtrade", "username": "u", "password_file": "bot"}
    bots = {
        name: {"source": (freqtrade if name.startswith("ft") else source) | {"url": f"http://{name}"}}
        for name in BOTS
        if variant != "without" or name != BOTS[0]
    }
    data = {
        "profile": "experienced",
        "bots": bots,
        "collection": {"trading": {"interval": "15s"}},
        "webhook_actions": {
            "tokens": {f"{t}_file": t for t in ("receive", "read", "act")},
            "reconcile_interval": "1m",  # an hour of comparisons every few seconds takes long
        },
        "actions": {"armed": [] if variant == "disarmed" else MONEY, "fleet": {"bots": 1, "ratio": 0.0}},
        "contacts": {"administrator": {"email": ["admin@example.org"]}},
        "channels": {
            "email": {"enabled": True, "host": "127.0.0.1", "from": "a@b.example", "to": ["c@d.example"]}
        },
    }
    if variant == "maintained":
        data["routing"] = {"maintenance": [{"from": "00:00", "to": "00:00"}]}
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump(data))
    return load([config])
