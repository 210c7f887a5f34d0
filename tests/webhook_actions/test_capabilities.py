"""Nightdesk reports what a bot cannot do, from its adapter and its version."""

import asyncio
import itertools
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from clients.http import Answer, Ask, Request, Unsent
from stack.settings import Settings, load
from tests.conftest import eventually
from tests.webhook_actions.bot_doubles import Clock, FaultyTransport, Freqtrade, Held
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.harness import Harness
from tests.webhook_actions.visitor import Visitor, words
from webhook_actions.actions import load_actions
from webhook_actions.bots import Environment as Reached
from webhook_actions.web.capabilities import ASK_AGAIN, KEPT, Capabilities, Capability

Load = Callable[[dict[str, Any]], Settings]
FREQTRADE = {
    "type": "freqtrade",
    "url": "http://127.0.0.1:9",
    "username": "u",
    "password_file": "bot_token",
}
CONTROLLED = sorted(name for name, each in load_actions().items() if each.verbs)


@pytest.fixture
def settings_of(tmp_path: Path) -> Load:
    def loaded(source: dict[str, Any]) -> Settings:
        (tmp_path / "bot_token").write_text("secret")
        file = tmp_path / "monitoring.yaml"
        settings = {"bots": {"alpha": {"source": source}}, "collection": {"timeout": "1s"}}
        file.write_text(yaml.safe_dump(settings))
        return load([file])

    return loaded


def freqtrade(version: str) -> tuple[FaultyTransport, list[str]]:
    """Return a connection to a strict double of a version, and the called paths."""
    clock, asked = Clock(), []
    double = Freqtrade(clock, [Held(1, "BTC/USDT", "long", 4.0)], version=version)

    def serve(method: str, path: str, body: Any, key: str | None) -> tuple[int, Any]:
        asked.append(f"{method} {path}")
        return double.serve(method, path, body, key)

    return FaultyTransport(serve, clock, itertools.repeat("none")), asked  # type: ignore[arg-type]


def made(settings: Settings, ask: Ask, clock: Clock) -> Capabilities:
    return Capabilities(settings, load_actions(), Reached(ask, clock.sleep, clock.read))


def told(capabilities: Capabilities, bot: str = "alpha") -> Capability:
    return asyncio.run(capabilities.told([bot]))[bot]


def why(capability: Capability) -> dict[str, str]:
    return {each.action: each.why for each in capability.cannot}


@pytest.mark.parametrize(("version", "reduces"), [("2022.7", False), ("2022.8", True), ("2026.9", True)])
def test_a_freqtrade_cannot_what_its_api_and_its_version_lack(
    settings_of: Load, version: str, reduces: bool
) -> None:
    wire, asked = freqtrade(version)
    found = told(made(settings_of(FREQTRADE), wire.ask, wire.clock))
    assert (found.adapter, found.version, found.unknown) == ("freqtrade", version, None)
    assert ("reduce_position_sizes" not in why(found)) is reduces
    assert reduces or "Freqtrade 2022.7 exits only whole trades" in why(found)["reduce_position_sizes"]
    assert why(found)["clear_cache"] == "Freqtrade's API has no clear_cache"
    assert not {"restart_bot", "stop_entries", "close_positions", "check_network"} & set(why(found))
    assert asked == ["GET show_config"]


def test_a_bot_is_asked_once_and_again_when_its_answer_is_old(settings_of: Load) -> None:
    wire, asked = freqtrade("2026.9")
    capabilities = made(settings_of(FREQTRADE), wire.ask, wire.clock)
    for _ in range(3):
        assert told(capabilities).version == "2026.9"
    assert len(asked) == 1
    wire.clock.sleep(KEPT)
    assert told(capabilities).version == "2026.9"
    assert len(asked) == 2


def test_of_a_bot_that_does_not_answer_the_version_stays_unknown_until_it_does(settings_of: Load) -> None:
    wire, _ = freqtrade("2022.7")
    down = True

    def ask(request: Request) -> Answer:
        if down:
            raise Unsent("refused")
        return wire.ask(request)

    capabilities = made(settings_of(FREQTRADE), ask, wire.clock)
    found = told(capabilities)
    assert (found.adapter, found.version, found.unknown) == ("freqtrade", None, "GET show_config: refused")
    assert "clear_cache" in why(found)
    assert "reduce_position_sizes" not in why(found)  # unknown
    down = False
    wire.clock.sleep(ASK_AGAIN)
    assert told(capabilities).version == "2022.7"


def test_a_bot_that_hangs_holds_up_no_answer(settings_of: Load) -> None:
    wire, asked = freqtrade("2022.7")
    go_on, in_time = threading.Event(), list[bool]()

    def ask(request: Request) -> Answer:
        in_time.append(go_on.wait(10))
        return wire.ask(request)

    capabilities = made(settings_of(FREQTRADE), ask, wire.clock)
    for found in (capabilities.known("alpha"), told(capabilities)):
        assert found.version is None
        assert found.unknown == "GET show_config: it has not answered yet"
        assert "clear_cache" in why(found)
    go_on.set()
    eventually(lambda: capabilities.known("alpha").version == "2022.7", what="its answer")
    assert asked == ["GET show_config"]
    assert in_time == [True]


def test_a_bot_without_a_control_can_nothing_that_needs_one(settings_of: Load) -> None:
    capabilities = made(
        settings_of({"type": "push", "token_file": "bot_token"}), freqtrade("2026.9")[0].ask, Clock()
    )
    found = told(capabilities)
    assert (found.adapter, found.version, found.unknown) == (None, None, "it has no API to ask")
    assert [each.action for each in found.cannot] == sorted([*CONTROLLED, "restart_bot"])
    assert "it has no `control`" in why(found)["close_positions"]
    assert "neither `control` nor `restart`" in why(found)["restart_bot"]
    assert told(capabilities, "of no settings").cannot == found.cannot


def test_the_bot_api_has_all_verbs_and_no_version(settings_of: Load) -> None:
    source = {"type": "http", "url": "http://127.0.0.1:9", "token_file": "bot_token"}
    found = told(made(settings_of(source), freqtrade("2026.9")[0].ask, Clock()))
    assert found == Capability("http", None, "the bot API has no version", ())


@pytest.fixture
def old_freqtrade() -> Any:
    """Return the port of a Freqtrade 2022.7."""
    double = Freqtrade(Clock(), [], version="2022.7")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = double.serve("GET", self.path.removeprefix("/api/v1/"), None, None)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_the_api_and_the_run_form_say_what_a_bot_cannot_do(make_harness: Make, old_freqtrade: int) -> None:
    push = {"type": "push", "token_file": "bot_token"}
    old = FREQTRADE | {"url": f"http://127.0.0.1:{old_freqtrade}"}
    harness = make_harness("alpha", bots={"alpha": {"source": old}, "beta": {"source": push}})
    harness.start_engine()
    alpha, beta = harness.get("/api/v1/bots").json()
    assert (alpha["adapter"], alpha["version"], alpha["version_unknown"]) == ("freqtrade", "2022.7", None)
    missing = {each["action"]: each["why"] for each in alpha["cannot"]}
    assert "exits only whole trades" in missing["reduce_position_sizes"]
    assert (beta["adapter"], beta["version"]) == (None, None)
    harness.deliver(harness.alert("alpha"))
    anna = Visitor(harness)
    anna.log_in()
    for page in ("/", "/incidents/1"):
        shown = anna.get(page).text
        assert 'value="stop_entries"' in shown
        assert 'value="reduce_position_sizes"' not in shown
        assert "alpha runs freqtrade 2022.7, and cannot:" in words(shown)
        assert f"reduce_position_sizes: {missing['reduce_position_sizes']}" in words(shown)
    harness.deliver(harness.alert("beta"))
    shown = anna.get("/incidents/2").text
    assert 'value="restart_bot"' not in shown
    assert 'value="check_network"' in shown
    assert "restart_bot: it has neither `control` nor `restart`" in words(shown)


def test_a_request_for_what_a_bots_version_lacks_is_refused_before_anything_is_written(
    make_harness: Make, old_freqtrade: int
) -> None:
    old = FREQTRADE | {"url": f"http://127.0.0.1:{old_freqtrade}"}
    harness = make_harness("alpha", bots={"alpha": {"source": old}})
    harness.start_engine()
    harness.deliver(harness.alert("alpha"))
    asked = {"action": "reduce_position_sizes", "confirm": "alpha"}
    act = {"Authorization": "Bearer act-secret"}
    refused = requests.post(harness.url("/api/v1/incidents/1/run"), json=asked, headers=act, timeout=40)
    assert refused.status_code == 409
    assert "Freqtrade 2022.7 exits only whole trades" in refused.text
    assert "asked" not in harness.kinds("alpha")


def test_a_bots_unknown_capital_is_shown_on_its_entry_and_by_the_api(make_harness: Make) -> None:
    harness = make_harness("alpha")  # the bot is up, but Prometheus has no drawdown of it
    harness.start_prometheus()
    eventually(lambda: query(harness, 'trading_bot_up{bot="alpha"}'), what="a sample")
    harness.start_engine()
    [alpha] = eventually(
        lambda: [bot for bot in harness.get("/api/v1/bots").json() if bot["blind"]], what="what it lacks"
    )
    assert "no drawdown alert can fire" in alpha["blind"]
    harness.deliver(harness.alert("alpha"))
    anna = Visitor(harness)
    anna.log_in()
    assert "alpha: no drawdown alert can fire: its capital is unknown" in words(anna.get("/incidents/1").text)


def query(harness: Harness, expression: str) -> list[Any]:
    url = f"http://127.0.0.1:{harness.ports['prometheus']}/api/v1/query"
    return requests.get(url, params={"query": expression}, timeout=10).json()["data"]["result"]
