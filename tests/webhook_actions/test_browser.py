"""The on-call page in a real Chromium: live, by keyboard, on a phone, and from a link in a mail."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.webhook_actions.chromium import Browser
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.harness import Harness


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "chromium") as tab:
        tab.size(1280, 900)
        yield tab


def log_in(browser: Browser, harness: Harness) -> None:
    browser.go(harness.url("/"))
    browser.fill("#name", "anna")
    browser.fill("#secret", "act-secret")
    browser.click("button.main")
    browser.reads("Log out")


def test_an_incident_is_seen_live_acknowledged_and_seen_to_close(browser: Browser, harness: Harness) -> None:
    log_in(browser, harness)
    browser.reads("Nothing is open")
    harness.bots.by_name["alpha"].comes_back = False
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha", annotations={"summary": "alpha is down", **verify("alpha")}))
    browser.reads("1 open incident")
    browser.reads("restart_bot")
    assert browser.run("document.title").startswith("(1)")
    browser.fill("#incident-1 input[name=comment]", "I am on it")
    time.sleep(6)  # after one live update the typed text stays
    assert browser.run("document.querySelector('#incident-1 input[name=comment]').value") == "I am on it"
    browser.click("#incident-1 button.main")
    browser.reads("wakes nobody else")
    browser.reads("acknowledged: by anna (act token): I am on it")
    harness.bots.by_name["alpha"].up = 1.0
    browser.reads("Nothing is open", within=40)


def test_all_is_reached_and_done_by_the_keyboard_and_the_focus_is_seen(
    browser: Browser, make_harness: Make
) -> None:
    harness = make_harness("alpha")
    harness.start_engine()
    harness.deliver(harness.alert("alpha"))
    log_in(browser, harness)
    reached, outlines = [], []
    while "Pause all actions…" not in reached and len(reached) < 30:
        browser.press("Tab")
        reached.append(browser.run("document.activeElement.innerText || document.activeElement.name"))
        outlines.append(browser.run("getComputedStyle(document.activeElement).outlineStyle"))
    wanted = [
        "Skip to the content",
        "Log out",
        "critical",
        "comment",
        "Acknowledge",
        "Snooze…",
        "Run an action…",
    ]
    reached = [each.partition(" ")[0] if each.startswith("critical") else each for each in reached]
    assert [each for each in reached if each in wanted] == wanted
    assert "Pause all actions…" in reached
    assert set(outlines) == {"solid"}
    browser.run("document.querySelector('#kill-switch summary').focus()")
    browser.press("Enter")
    browser.press("Tab")
    browser.press("Tab")
    browser.press("Enter")
    browser.reads("All actions are paused")


@pytest.mark.parametrize("path", ["/", "/bots", "/history", "/audit", "/incidents/1", "/login", "/nowhere"])
def test_on_a_phone_nothing_is_cut_off_and_what_is_touched_is_large(
    browser: Browser, phone_world: Harness, path: str
) -> None:
    browser.size(360, 740)
    if path != "/login":
        log_in(browser, phone_world)
    browser.go(phone_world.url(path))
    assert browser.run("document.documentElement.scrollWidth") <= 360
    small = browser.run(
        "[...document.querySelectorAll('button, summary, select, input:not([type=hidden])')]"
        ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 40 && e.type != 'checkbox')"
        ".map(e => e.outerHTML)"
    )
    assert [each for each in small if "Labels" not in each] == []


@pytest.fixture(scope="module")
def phone_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    made = Harness(tmp_path_factory.mktemp("phone"), "alpha")
    made.start_engine()
    long = {"summary": "x" * 300, "description": "no space " * 80}
    made.deliver(made.alert("alpha", annotations=long), made.alert("a-bot-with-" + "a-very-long-name-" * 8))
    yield made
    made.close()


def test_no_script_is_broken_nothing_is_blocked_and_silence_is_said(
    browser: Browser, make_harness: Make
) -> None:
    harness = make_harness("alpha")
    harness.start_engine()
    log_in(browser, harness)
    assert browser.run("document.getElementById('live').textContent") == "live"
    assert browser.run("document.getElementById('silent').hidden") is True
    assert browser.run("getComputedStyle(document.body).fontFamily").startswith("Inter"), (
        "the style is loaded"
    )
    harness.stop(harness.engine)
    browser.reads("Nightdesk has not answered since", within=40)
    harness.start_engine()
    eventually(lambda: browser.run("document.getElementById('silent').hidden"), within=40, what="an answer")


def test_a_link_in_a_mail_needs_no_second_login(browser: Browser, make_harness: Make) -> None:
    harness = make_harness("alpha")
    harness.start_engine()
    harness.deliver(harness.alert("alpha"))
    log_in(browser, harness)
    with mail(f'<a id="link" href="{harness.url("/a/f-alpha")}">Acknowledge</a>') as address:
        browser.go(address)
        browser.click("#link")
        browser.reads("Incident 1, opened")
        assert browser.run("location.pathname") == "/incidents/1"


def verify(bot: str) -> dict[str, str]:
    return {"verify": f'trading_bot_up{{bot="{bot}"}} == 1'}


class mail:  # noqa: N801 - reads as what it is
    """A page of another site, like that of a mail client."""

    def __init__(self, content: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(content.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://localhost:{self.server.server_address[1]}/"  # a site other than 127.0.0.1

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
