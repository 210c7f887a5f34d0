"""Bots come and go with reloads of the running exporter; invalid settings change nothing."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml

from tests.conftest import binary, eventually, free_port
from tests.exporter.harness import ScriptedBot, parsed, serve
from tests.exporter.test_http import STATE, trade
from tests.exporter.test_service import Exporter, http, running

RELOAD = "reload-token"


@dataclass
class Desk:
    """An exporter whose bots lie in a directory, and the scripted bot that answers for all of them."""

    exporter: Exporter
    root: Path
    bot: ScriptedBot
    url: str

    def put(self, name: str, **more: object) -> None:
        (self.root / f"bots/{name}.yaml").write_text(yaml.safe_dump({name: http(self.url) | more}))

    def reload(self, token: str = RELOAD) -> requests.Response:
        return requests.post(
            f"{self.exporter.url}/-/reload", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def metric(self, name: str) -> float:
        text = self.exporter.get("/metrics?collect[]=exporter")[1]
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))

    def polls(self, bot: str) -> float:
        series = parsed(self.exporter.get(f"/metrics?collect[]=exporter&bot[]={bot}")[1])
        return sum(count for (name, _), count in series.items() if name.endswith("polls_total"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    bot = ScriptedBot(STATE, [trade(1, 150.0)])
    (tmp_path / "bots").mkdir()
    (tmp_path / "reload").write_text(RELOAD)
    with ExitStack() as stack:
        url = stack.enter_context(serve(bot))
        more = {"bots_directory": "bots", "webhook_actions": {"tokens": {"reload_file": "reload"}}}
        exporter = stack.enter_context(running(tmp_path, {"stays": http(url)}, **more))
        eventually(lambda: exporter.up("stays") == 1, what="the first poll")
        yield Desk(exporter, tmp_path, bot, url)


def test_a_file_adds_a_bot_and_its_loss_removes_it_while_the_others_are_not_disturbed(desk: Desk):
    desk.put("comes")
    asked = [call for call in desk.bot.calls if "since_id=0" in call]
    assert desk.reload().status_code == 200
    eventually(lambda: desk.exporter.up("comes") == 1, what="the first poll of the new bot")
    # The exporter asked only the new bot for its history.
    again = [call for call in desk.bot.calls if "since_id=0" in call]
    assert len(again) == len(asked) + 1
    (desk.root / "bots/comes.yaml").unlink()
    before = desk.polls("stays")
    os.kill(desk.exporter.process.pid, signal.SIGHUP)
    eventually(lambda: desk.exporter.up("comes") is None, what="the end of the watch over the removed bot")
    assert 'bot="comes"' not in desk.exporter.get("/metrics")[1]
    eventually(lambda: desk.polls("stays") > before, what="another poll of the bot that stays")
    assert desk.metric("nightdesk_exporter_bots") == 1


def test_settings_that_cannot_be_used_are_named_and_those_before_stay(desk: Desk):
    good_at = desk.metric("nightdesk_exporter_config_last_reload_success_timestamp_seconds")
    desk.put("comes", colour="blue")
    refused = desk.reload()
    assert refused.status_code == 422
    assert "bots.comes.colour: is not a setting" in refused.text
    assert "bots.comes.colour" in desk.exporter.log.read_text()
    assert desk.metric("nightdesk_exporter_config_last_reload_successful") == 0
    assert desk.metric("nightdesk_exporter_config_last_reload_success_timestamp_seconds") == good_at
    before = desk.polls("stays")
    eventually(lambda: desk.polls("stays") > before, what="another poll by the old settings")
    desk.put("comes")
    assert desk.reload().status_code == 200
    assert desk.metric("nightdesk_exporter_config_last_reload_successful") == 1
    assert desk.metric("nightdesk_exporter_config_last_reload_success_timestamp_seconds") > good_at


def test_a_bot_in_two_places_is_refused_with_both(desk: Desk):
    desk.put("stays")
    assert "bots/stays.yaml: stays is in bots already" in desk.reload().text


def test_nobody_reloads_without_the_token(desk: Desk):
    desk.put("comes")
    assert [desk.reload(token).status_code for token in ("", "wrong", RELOAD + "x")] == [401, 401, 401]
    assert requests.post(f"{desk.exporter.url}/-/reload", timeout=10).status_code == 401
    assert desk.exporter.get("/metrics?bot[]=comes")[0] == 400


def test_a_bot_that_changed_is_read_by_its_new_settings(desk: Desk):
    desk.put("comes", max_exposure=1000)
    desk.reload()

    def limit() -> float | None:
        status, text = desk.exporter.get("/metrics?collect[]=trading&bot[]=comes")
        found = [line for line in text.splitlines() if line.startswith("trading_bot_max_exposure{")]
        return float(found[0].split()[-1]) if status == 200 and found else None

    eventually(lambda: limit() == 1000, what="the first limit")
    desk.put("comes", max_exposure=2000)
    desk.reload()
    eventually(lambda: limit() == 2000, what="the new limit")


def test_a_bot_that_pushes_keeps_its_history_when_its_settings_change(desk: Desk):
    (desk.root / "push_token").write_text("push")
    source = {"source": {"type": "push", "token_file": "push_token"}}
    file = desk.root / "bots/pushes.yaml"
    file.write_text(yaml.safe_dump({"pushes": source}))
    desk.reload()
    url, bearer = f"{desk.exporter.url}/api/v1/bots/pushes/trades", {"Authorization": "Bearer push"}
    times = {"opened_at": time.time() - 60, "closed_at": time.time() - 30}
    body = {"trades": [trade(1, 5.0, **times), trade(2, 7.0, **times)]}
    taken = requests.post(url, json=body, headers=bearer, timeout=10)
    assert taken.json()["accepted"] == 2, taken.text
    file.write_text(yaml.safe_dump({"pushes": source | {"currency": "EUR"}}))
    assert desk.reload().status_code == 200
    assert requests.post(url, json=body, headers=bearer, timeout=10).json()["duplicates"] == 2


def test_prometheus_discovers_bots_as_they_come_and_go(desk: Desk, tmp_path: Path):
    prometheus = binary("prometheus")
    port = free_port()
    config = tmp_path / "prometheus.yml"
    job = {
        "job_name": "bots", "scrape_interval": "1s", "params": {"collect[]": ["trading"]},
        "http_sd_configs": [{"url": f"{desk.exporter.url}/sd", "refresh_interval": "1s"}],
        "relabel_configs": [{"source_labels": ["__meta_nightdesk_bot"], "target_label": "discovered"}],
    }  # fmt: skip
    config.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    process = subprocess.Popen(
        [str(prometheus), f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
         f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def up() -> set[tuple[str, str]]:
        url = f"http://127.0.0.1:{port}/api/v1/query"
        try:
            answer = requests.get(url, params={"query": "trading_bot_up == 1"}, timeout=5)
            found = answer.json()["data"]["result"]
        except (requests.RequestException, KeyError, json.JSONDecodeError):
            return set()
        return {(each["metric"]["discovered"], each["metric"]["bot"]) for each in found}

    try:
        eventually(lambda: up() == {("stays", "stays")}, within=60, what="the first target")
        desk.put("comes")
        desk.reload()
        eventually(lambda: up() == {("stays", "stays"), ("comes", "comes")}, within=60, what="both")
    finally:
        process.terminate()
        process.wait(timeout=30)
