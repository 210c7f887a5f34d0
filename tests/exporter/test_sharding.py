"""Several exporters: each watches its share of the bots, and names the watcher of the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from exporter.sharding import Shard
from stack.settings import Settings, SettingsError, load, replica_of
from tests.conftest import eventually, free_port
from tests.exporter.harness import ScriptedBot, serve
from tests.exporter.test_http import STATE
from tests.exporter.test_service import Exporter, http, running

BOTS = [f"bot{number}" for number in range(300)]


def settings(directory: Path, exporters: int) -> Settings:
    replicas = [{"host": f"exporter-{number}", "port": 8000} for number in range(exporters)]
    file = directory / f"{exporters}.yaml"
    bots = {name: http("http://127.0.0.1:9") for name in BOTS}
    file.write_text(yaml.safe_dump({"bots": bots, "services": {"exporter": {"replicas": replicas}}}))
    return load([file])


def shares(chosen: Settings) -> list[set[str]]:
    return [set(Shard(chosen, each).own.bots) for each in chosen.services.exporter.all]


def test_each_bot_is_watched_by_one_and_the_shares_are_alike(tmp_path: Path):
    parts = shares(settings(tmp_path, 3))
    assert sorted(name for part in parts for name in part) == sorted(BOTS)
    assert min(map(len, parts)) > 70


def test_one_more_exporter_moves_bots_to_it_only(tmp_path: Path):
    for before, after in zip(shares(settings(tmp_path, 3)), shares(settings(tmp_path, 4)), strict=False):
        assert after < before


def test_a_replica_that_settings_do_not_name_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"--replica: 4 is not in 1–3"):
        replica_of(settings(tmp_path, 3).services.exporter, 4)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exporter, dict[str, object]]]:
    """The second of two exporters, and the bots of both: both have bots of each source."""
    port = free_port()
    replicas = [{"host": "127.0.0.1", "port": 9}, {"host": "127.0.0.1", "port": port}]
    with serve(ScriptedBot(STATE)) as url:
        bots: dict[str, object] = {name: http(url) for name in BOTS[:20]}
        bots |= {name: {"source": {"type": "push", "token_file": "token"}} for name in BOTS[20:40]}
        directory = tmp_path_factory.mktemp("second")
        services = {"services": {"exporter": {"port": port, "replicas": replicas}}}
        with running(directory, bots, replica=2, port=port, **services) as exporter:
            yield exporter, bots


def test_it_serves_its_own_and_discovery_names_the_exporter_of_every_bot(second):
    exporter, bots = second
    targets = requests.get(f"{exporter.url}/sd", timeout=10).json()
    watched = {each["labels"]["__param_bot"]: each["targets"][0] for each in targets}
    assert set(watched) == set(bots)
    mine = {name for name, where in watched.items() if where == exporter.url.removeprefix("http://")}
    assert 0 < len(mine) < len(bots)
    polled = next(name for name in mine if bots[name]["source"]["type"] == "http")
    eventually(lambda: exporter.up(polled) == 1, what="the first poll")
    served = exporter.get("/metrics")[1]
    assert {name for name in bots if f'bot="{name}"' in served} <= mine


def test_a_push_to_the_wrong_exporter_gets_the_right_address(second):
    exporter, _ = second
    targets = requests.get(f"{exporter.url}/sd", timeout=10).json()
    other = next(
        each["labels"]["__param_bot"] for each in targets
        if each["targets"] == ["127.0.0.1:9"] and each["labels"]["__meta_nightdesk_source"] == "push"
    )  # fmt: skip
    answer = requests.post(f"{exporter.url}/api/v1/bots/{other}/state", json={}, timeout=10)
    assert answer.status_code == 421
    assert "127.0.0.1:9" in answer.json()["refused"][0]
