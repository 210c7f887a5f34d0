"""axe finds nothing on any page or mail, in both themes, on a phone and a desktop; none is too wide."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.webhook_actions.accessibility import DESK, LOOKS, Served, alert_mail, check, look, static_pages
from tests.webhook_actions.chromium import Browser
from tests.webhook_actions.harness import ROOT, Harness
from tests.webhook_actions.rota import desk
from tests.webhook_actions.test_browser import log_in
from tests.webhook_actions.test_signed_page import link

STATIC = static_pages()
NOTES = {
    "summary": "alpha is down: no sign of life for 5m",
    "description": "It answers nothing.\nIts positions are held by nobody: https://example.org/x",
    "recommended_actions": "- Look at its log.\n- Start it by hand.",
    "runbook_url": "https://example.org/runbooks/TradingBotDown.md",
    "dashboard_url": "https://example.org/d/trading-bot",
}
HELD = [
    {"symbol": "BTC/USDT", "side": "long", "size": 0.5, "price": 100.0, "profit": -2.5, "stop_price": 98.0}
]


def alerts(world: Harness) -> list[dict[str, object]]:
    """Return alerts of each severity, and enough of one to be a group."""
    kinds = [("WinsMilestone", "info"), *[("DataStale", "warning")] * 3]
    labels = [
        {"alertname": f"TradingBot{kind}", "bot": f"bot-{number}", "severity": severity}
        for number, (kind, severity) in enumerate(kinds)
    ]
    many = [world.alert("beta", labels=each, fingerprint=f"{n:016x}") for n, each in enumerate(labels)]
    return [world.alert("alpha", annotations=NOTES), *many]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, Harness, str]]:
    """Return a logged-in browser, a desk with every kind of content, and the address of static pages."""
    directory = tmp_path_factory.mktemp("accessibility")
    given = desk()
    given["contacts"] = {name: one | {"role": "operator"} for name, one in given["contacts"].items()}
    world = Harness(directory, "alpha", "beta", **given, actions={"dry_run": True})
    world.bots.by_name["alpha"].positions = HELD
    try:
        world.start_engine()
        world.deliver(*alerts(world))
        with Browser(directory / "chromium") as browser, Served(STATIC) as elsewhere:
            browser.size(1280, 900)
            log_in(browser, world)
            yield browser, world, elsewhere
    finally:
        world.close()


def faults(browser: Browser) -> list[str]:
    """Return the faults of the page in every width and theme."""
    found = []
    for width, theme, rules in LOOKS:
        look(browser, width, theme)
        found += [f"{width} {theme}: {fault}" for fault in check(browser, rules)]
        if (wide := browser.run("document.documentElement.scrollWidth")) > width:
            found.append(f"{width}: the page is {wide} wide")
    return found


@pytest.mark.parametrize("path", DESK)
def test_a_page_of_the_desk_is_read_by_everyone(seen: tuple[Browser, Harness, str], path: str) -> None:
    browser, world, _ = seen
    browser.go(world.url(path))
    assert faults(browser) == []


@pytest.mark.parametrize("path", STATIC)
def test_reports_and_the_exporters_page_are_read_by_everyone(
    seen: tuple[Browser, Harness, str], path: str
) -> None:
    browser, _, elsewhere = seen
    browser.go(elsewhere + path)
    assert faults(browser) == []


def test_the_mail_of_alerts_is_read_by_everyone(seen: tuple[Browser, Harness, str], tmp_path: Path) -> None:
    browser, _, _ = seen
    with Served({"/mail": alert_mail(tmp_path)}) as elsewhere:
        browser.go(elsewhere + "/mail")
        assert browser.run("document.querySelectorAll('h1').length") == 4
        assert faults(browser) == []


def test_each_column_of_the_manuals_tables_has_a_heading() -> None:
    headings = {
        f"{file.name}: {row}"
        for file in (ROOT / "docs").rglob("*.md")
        for row in re.findall(r"^(\|.*\|)\n\|[-:| ]+\|$", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(headings) > 40
    assert [one for one in sorted(headings) if re.search(r"\|\s*\|", one)] == []


def test_what_a_person_comes_to_by_acting_is_read_by_everyone(seen: tuple[Browser, Harness, str]) -> None:
    browser, world, _ = seen
    browser.go(link(world, "anna"))
    assert faults(browser) == []
    number = world.incident("alpha")["id"]
    browser.go(world.url(f"/incidents/{number}"))
    browser.run(f"document.querySelector('#action-{number}').value = 'close_positions'")
    browser.click(f"#run-{number} button")
    browser.reads("This moves money")
    assert faults(browser) == []
    browser.go(world.url("/"))
    browser.click("#kill-switch button")
    browser.reads("All actions are paused")
    assert faults(browser) == []
    browser.go(world.url("/"))
    browser.click(".me button")
    eventually(lambda: browser.run("location.pathname") == "/login", what="the login")
    assert faults(browser) == []
    browser.fill("input[name=secret]", "wrong")
    browser.click("main button")
    browser.reads("You are not logged in")
    assert faults(browser) == []


def test_a_planted_fault_is_found(seen: tuple[Browser, Harness, str]) -> None:
    browser, _, elsewhere = seen
    browser.go(elsewhere + "/exporter")
    browser.run(
        "document.querySelector('main').insertAdjacentHTML('beforeend', "
        '\'<p style="color:#777;background:#888">pale</p><input><div style="width:500px">wide</div>\')'
    )
    found = faults(browser)
    for planted in ("color-contrast: <p", "label: <input", "390: the page is "):
        assert any(planted in fault for fault in found), (planted, found)
