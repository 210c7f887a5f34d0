"""Writes the command-line options that follow from settings, which `nightdesk up` and compose both read."""

from pathlib import Path

from stack.settings import Settings

# Twice the longest cooldown and repeat_interval that settings accept: what Alertmanager has forgotten
# sending, it sends again.
ALERTMANAGER_RETENTION = "336h"


def write_flags(settings: Settings, build: Path) -> None:
    """Write `prometheus/flags` and `alertmanager/flags` below `build`; both programs take them as `@FILE`."""
    flags = {
        "prometheus": [
            f"--storage.tsdb.retention.time={settings.storage.retention}",
            f"--web.external-url={settings.link('prometheus')}/",
            "--web.route-prefix=/",
        ],
        "alertmanager": [f"--data.retention={ALERTMANAGER_RETENTION}", "--cluster.listen-address="],
    }
    for program, lines in flags.items():
        file = build / program / "flags"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
