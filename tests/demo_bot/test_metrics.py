"""The demo bot yields every metric that its settings and faults allow, from the start."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from exporter.catalogue import METRICS
from tests.conftest import eventually, free_port
from tests.demo_bot.conftest import Bot, Start

ROOT = Path(__file__).parents[2]
_TROUBLE = "there is no such trouble"
_NOT_SET = "nothing asks for it in these settings"
_UNLEVERED = "it trades without leverage"
_NOT_ASKED = "no account at an exchange is set"
# Metrics that are absent here, and why; each may exist.
RIGHTLY_ABSENT = {
    "trading_bot_source_error": _TROUBLE,
    "trading_bot_order_age_seconds": "orders wait for less than a second",
    "trading_bot_position_liquidation_distance_ratio": _UNLEVERED,
    "trading_bot_position_margin_ratio": _UNLEVERED,
    "trading_bot_guard_position_liquidation_distance_ratio": _UNLEVERED,
    "trading_bot_guard_position_margin_ratio": _UNLEVERED,
    "trading_bot_network_latency_seconds": "a rule makes it of blackbox_exporter's",
    "trading_bot_log_slow_operation_seconds": _TROUBLE,
    "trading_bot_log_messages_total": _TROUBLE,
    "trading_bot_log_matches_total": _NOT_SET,
    "trading_bot_log_value": _NOT_SET,
    "trading_bot_books_at_exchange": _NOT_ASKED,
    "trading_bot_books_by_bots": _NOT_ASKED,
    "trading_bot_books_compared": _NOT_ASKED,
    "trading_bot_books_difference": _NOT_ASKED,
    "trading_bot_books_differences": _NOT_ASKED,
    "trading_bot_exchange_error": _NOT_ASKED,
    "trading_bot_exchange_up": _NOT_ASKED,
    "nightdesk_exporter_edge_errors_total": _TROUBLE,
    "nightdesk_report_start_timestamp_seconds": "webhook_actions serves it",
    "nightdesk_exporter_rejected_input_total": _TROUBLE,
    "nightdesk_exporter_pushes_total": _NOT_SET,
    "nightdesk_exporter_over_cap": _TROUBLE,
    "nightdesk_exporter_log_errors_total": _TROUBLE,
    "nightdesk_exporter_file_writes_total": _NOT_SET,
}


@pytest.fixture
def metrics(start: Start, tmp_path: Path) -> Iterator[str]:
    """Start a demo bot with a history and its exporter; return the address of the metrics."""
    bot = start(demo={"history": "200d"})
    port, config = free_port(), tmp_path / "watched.yaml"
    config.write_text(yaml.safe_dump(_settings(bot, port)))
    command = [sys.executable, "-m", "exporter", "--config", str(config), "--data", str(bot.data)]
    exporter = subprocess.Popen(command, cwd=ROOT)
    yield f"http://127.0.0.1:{port}/metrics"
    exporter.terminate()
    exporter.wait(30)


def _settings(bot: Bot, port: int) -> dict[str, object]:
    interval = {"interval": "5s"}
    return {
        "demo": {
            "enabled": True,
            "token_file": "token",
            "edge": {"reference": {"type": "own", "trades": 500}},
        },
        "services": {"demo_bot": {"port": bot.port}, "exporter": {"port": port}},
        "collection": dict.fromkeys(("trading", "model", "market", "system", "logs"), interval),
    }


def test_every_metric_of_the_catalogue_is_reported_from_the_first_start(metrics: str) -> None:
    wanted = {metric.full_name for metric in METRICS}
    assert wanted >= RIGHTLY_ABSENT.keys(), "the list names what there is"

    def missing() -> list[str]:
        try:
            pages = [requests.get(f"{metrics}{asked}", timeout=10) for asked in ("", "?collect[]=guard")]
        except requests.ConnectionError:
            return ["all"]
        lines = [line.split() for page in pages for line in page.text.splitlines()]
        told = {line[2] for line in lines if line[:2] == ["#", "TYPE"]}
        lost = sorted(wanted - told - RIGHTLY_ABSENT.keys())
        print(lost)
        return lost

    eventually(lambda: not missing(), within=90, what="every metric")
