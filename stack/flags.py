"""Writes command-line options that follow from settings, for `nightdesk up` and compose."""

from pathlib import Path

from stack.settings import Duration, Settings
from stack.web import CLUSTER, gossips_by_tls

# Twice the longest cooldown and repeat_interval that settings accept: Alertmanager sends again what it has
# forgotten.
ALERTMANAGER_RETENTION = "336h"
# Prometheus drops an alert while it knows no Alertmanager, and sends it again only after this delay.
# Alertmanager resolves an alert after four such delays without news: shorter delays would resolve alerts
# while Prometheus restarts.
SHORTEST_RESEND = 15.0  # seconds
_SOONER = 0.001  # seconds: a delay as long as the evaluation interval would skip every second evaluation
GOSSIP = 1  # above its own port; Alertmanagers gossip there


def resend_delay(settings: Settings) -> Duration:
    """Return how long Prometheus waits before it resends a firing alert: until the next evaluation."""
    return Duration(max(settings.collection.evaluation_interval, SHORTEST_RESEND) - _SOONER)


def write_flags(settings: Settings, build: Path, out: Path) -> None:
    """Write `prometheus/flags` and `alertmanager/flags` below `build`; both programs take them as `@FILE`.

    `out` is where the build will be.
    """
    alertmanagers = settings.services.alertmanager.all
    flags = {
        "prometheus": [
            f"--storage.tsdb.retention.time={settings.storage.retention}",
            f"--web.external-url={settings.link('prometheus')}/",
            "--web.route-prefix=/",
            f"--rules.alert.resend-delay={resend_delay(settings)}",
        ],
        "alertmanager": [f"--data.retention={ALERTMANAGER_RETENTION}"],
    }
    if len(settings.services.prometheus.all) > 1:
        # targets of its own /metrics, since Prometheus 3
        flags["prometheus"].append("--enable-feature=expand-external-labels")
    if len(alertmanagers) > 1:
        flags["alertmanager"] += [f"--cluster.peer={one.host}:{one.port + GOSSIP}" for one in alertmanagers]
    else:
        flags["alertmanager"].append("--cluster.listen-address=")
    if gossips_by_tls(settings):
        flags["alertmanager"].append(f"--cluster.tls-config={out / CLUSTER}")
    for program, lines in flags.items():
        file = build / program / "flags"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
