"""The rules of each profile, and of settings that change their limits and intervals."""

from pathlib import Path

import pytest

from stack.render import render
from stack.settings import Settings, load

CHANGED = """
profile: production
collection:
  evaluation_interval: 10s
  trading: {interval: 20s}
thresholds:
  critical:
    {down_after: 90s, crash_loop_restarts: 4, crash_loop_window: 7m, max_drawdown: 0.07, error_rate: 0.02}
alerts:
  Down: {cooldown: 2m}
  HighDrawdown: {for: 3m, cooldown: 1m}
  ApiErrorRate: {for: 5m}
  ExporterDown: {for: 1m}
"""
WRITTEN = {
    "starter": "profile: starter",
    "experienced": "profile: experienced",
    "production": "profile: production",
    "changed": CHANGED,
}


@pytest.fixture(scope="session", params=WRITTEN)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    file = tmp_path_factory.mktemp("settings") / "monitoring.yaml"
    file.write_text(WRITTEN[request.param])
    return load([file])


@pytest.fixture(scope="session")
def rules(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rendered")
    render(settings, out / "build")
    return out / "build/prometheus/rules"
