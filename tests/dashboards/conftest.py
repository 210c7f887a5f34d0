"""Settings of two bots with two currencies, their dashboards, and a Prometheus with their samples."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from stack.settings import Settings, load
from tests.conftest import binary, eventually, free_port
from tests.dashboards.reading import every

END = 1_700_006_400  # the time at which the tests read every dashboard
ALERT = 'alertname="TradingBotHighDrawdown",bot="my.bot",condition="drawdown",severity="critical"'
WATCHDOG = 'alertname="TradingBotWatchdog",condition="watchdog",severity="meta"'
BLIND = 'alertname="TradingBotExporterDown",condition="exporter_down",severity="meta"'

# The exporter's samples at END: name and labels, value.
SERIES: dict[str, float] = {
    'trading_bot_up{bot="demo"}': 1,
    'trading_bot_up{bot="my.bot"}': 1,
    'trading_bot_up{bot="gone"}': 0,
    'trading_bot_state{bot="demo",state="running"}': 1,
    'trading_bot_state{bot="demo",state="paused"}': 0,
    'trading_bot_state{bot="my.bot",state="paused"}': 1,
    'trading_bot_profit_loss{bot="demo"}': 1234.5,
    'trading_bot_profit_loss{bot="my.bot"}': -0.25,
    'trading_bot_pnl{bot="demo",window="day"}': 12.25,
    'trading_bot_pnl{bot="demo",window="week"}': 99,
    'trading_bot_pnl{bot="my.bot",window="day"}': -0.125,
    'trading_bot_pnl_all{bot="demo",window="day"}': 46.75,
    'trading_bot_pnl_all{bot="my.bot",window="day"}': 0.125,
    'trading_bot_equity{bot="demo"}': 11234.5,
    'trading_bot_equity{bot="my.bot"}': 1.75,
    'trading_bot_win_rate{bot="demo"}': 0.625,
    'trading_bot_win_rate{bot="my.bot"}': 0.375,
    'trading_bot_active_positions{bot="demo",symbol="BTC/USDT"}': 1,
    'trading_bot_active_positions{bot="demo",symbol="ETH/USDT"}': 2,
    'trading_bot_active_positions{bot="my.bot",symbol="ETH/BTC"}': 0,
    'trading_bot_trades_total{bot="demo",outcome="won",side="long",symbol="BTC/USDT"}': 50,
    'trading_bot_trades_total{bot="demo",outcome="lost",side="long",symbol="BTC/USDT"}': 30,
    'trading_bot_trades_total{bot="my.bot",outcome="lost",side="short",symbol="ETH/BTC"}': 8,
    'trading_bot_sharpe_ratio{bot="demo"}': 1.5,
    'trading_bot_sharpe_ratio{bot="my.bot"}': -0.5,
    'trading_bot_drawdown_ratio{bot="demo"}': 0.025,
    'trading_bot_drawdown_ratio{bot="my.bot"}': 0.125,
    'trading_bot_error_rate{bot="demo"}': 0.0625,
    'trading_bot_error_rate{bot="my.bot"}': 0.0,
    'trading_bot_uptime_seconds{bot="demo"}': 90_000,
    'trading_bot_uptime_seconds{bot="my.bot"}': 7200,
    'bot:trading_bot_equity:known{bot="demo"}': 11234.5,
    'bot:trading_bot_equity:known{bot="my.bot"}': 1.75,
    'bot:trading_bot_profit_loss:known{bot="demo"}': 1234.5,
    'bot:trading_bot_profit_loss:known{bot="my.bot"}': -0.25,
    'bot_window:trading_bot_pnl:known{bot="demo",window="day"}': 12.25,
    'bot_window:trading_bot_pnl_all:known{bot="demo",window="day"}': 46.75,
    'bot_window:trading_bot_pnl:known{bot="my.bot",window="day"}': -0.125,
    'bot_window:trading_bot_pnl_all:known{bot="my.bot",window="day"}': 0.125,
    'bot:trading_bot_drawdown_ratio:known{bot="demo"}': 0.025,
    'bot:trading_bot_drawdown_ratio:known{bot="my.bot"}': 0.125,
    'bot:trading_bot_active_positions:known{bot="demo"}': 3,
    'bot:trading_bot_active_positions:known{bot="my.bot"}': 0,
    'bot:trading_bot_trades:known{bot="demo"}': 80,
    'bot:trading_bot_trades:known{bot="my.bot"}': 8,
    'bot:trading_bot_answered_timestamp_seconds:known{bot="gone"}': END - 7200,
    'up{job="webhook_actions"}': 1,
    'nightdesk_incidents_open{bot="my.bot",severity="critical",acknowledged_by=""}': 2,
    'nightdesk_incidents_open{bot="demo",severity="warning",acknowledged_by=""}': 1,
    'nightdesk_incidents_open{bot="demo",severity="critical",acknowledged_by="anna"}': 1,
    'nightdesk_incidents_open{bot="demo",severity="info",acknowledged_by=""}': 4,
    'bot:trading_bot_health:min{bot="demo"}': 1,
    'bot:trading_bot_health:min{bot="my.bot"}': 0,
    'bot:trading_bot_performance:score{bot="demo"}': 0.75,
    'bot:trading_bot_performance:score{bot="my.bot"}': 0.25,
    f'ALERTS{{alertstate="firing",{ALERT}}}': 1,
    f"ALERTS_FOR_STATE{{{ALERT}}}": END - 300,
    f'ALERTS{{alertstate="firing",{WATCHDOG}}}': 1,
    f"ALERTS_FOR_STATE{{{WATCHDOG}}}": END - 9000,
    f'ALERTS{{alertstate="firing",{BLIND}}}': 1,
    f"ALERTS_FOR_STATE{{{BLIND}}}": END - 60,
    'ALERTS{alertname="TradingBotDown",alertstate="pending",bot="gone",severity="critical"}': 1,
    'ALERTS{alertname="TradingBotMilestoneReached",alertstate="firing",bot="demo",severity="info"}': 1,
}


def settings_of(folder: Path, **changes: Any) -> Settings:
    """Return the defaults with two bots of two currencies, and the changes."""
    source = {"type": "http", "url": "http://127.0.0.1:1", "token_file": "token"}
    edge = {"reference": {"type": "own", "trades": 100}}
    bots = {
        "demo": {"source": source, "logs": ["/var/log/demo.log"]},
        "my.bot": {"source": source, "currency": "BTC", "edge": edge},
    }
    file = folder / "monitoring.yaml"
    file.write_text(yaml.safe_dump({"bots": bots} | changes), encoding="utf-8")
    return load([file])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_of(tmp_path_factory.mktemp("settings"))


@pytest.fixture(scope="module")
def overview(settings: Settings) -> dict[str, Any]:
    return every(settings)["overview"]


@pytest.fixture(scope="package")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a Prometheus that holds an hour of SERIES, the last sample at END."""
    samples = {
        series: [(at, value) for at in range(END - 3600, END + 1, 60)] for series, value in SERIES.items()
    }
    with serving(samples, tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@contextmanager
def serving(samples: Mapping[str, Sequence[tuple[int, float]]], folder: Path) -> Iterator[str]:
    """Run a Prometheus that holds these samples (time, value) while in the block; gives its address."""
    (folder / "series.om").write_text(_open_metrics(samples), encoding="utf-8")
    blocks = ["tsdb", "create-blocks-from", "openmetrics", folder / "series.om", folder / "data"]
    subprocess.run([binary("promtool"), *blocks], check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("{}", encoding="utf-8")
    port = free_port()
    process = subprocess.Popen(
        [
            binary("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--storage.tsdb.retention.time=100y",
        ],
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _ready(url), what="Prometheus being ready")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _open_metrics(samples: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    lines, known = [], set()
    for series, points in sorted(samples.items()):
        name = series.partition("{")[0]
        if name not in known:
            known.add(name)
            kind = "counter" if name.endswith("_total") else "gauge"
            lines.append(f"# TYPE {name.removesuffix('_total')} {kind}")
        lines += [f"{series} {value} {at}" for at, value in points]
    return "\n".join([*lines, "# EOF\n"])


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=1).ok
    except requests.ConnectionError:
        return False
