"""Makes the screenshots of docs/oncall.md: `python -m tests.webhook_actions.screenshots`."""

import tempfile
from pathlib import Path

from tests.conftest import eventually
from tests.webhook_actions.chromium import Browser
from tests.webhook_actions.harness import ROOT, Harness
from tests.webhook_actions.rota import desk
from tests.webhook_actions.test_browser import log_in
from tests.webhook_actions.test_signed_page import link

IMAGES = ROOT / "docs/img"
DOWN = {
    "summary": "alpha is down: no sign of life for 5m",
    "verify": 'trading_bot_up{bot="alpha"} == 1',
    "runbook_url": "https://example.org/runbooks/TradingBotDown.md",
    "dashboard_url": "https://example.org/d/trading-bot",
}
HELD = [
    {"symbol": "BTC/USDT", "side": "long", "size": 0.05, "price": 100_000.0, "profit": -182.4},
    {"symbol": "ETH/USDT", "side": "long", "size": 1.2, "price": 3_000.0, "profit": 41.7},
]
ALSO_DOWN = {"summary": "beta is down: no sign of life for 6m", "verify": 'trading_bot_up{bot="beta"} == 1'}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        given = desk()
        given["contacts"] = {name: one | {"role": "operator"} for name, one in given["contacts"].items()}
        tokens = {f"{name}_file": f"{name}_token" for name in ("receive", "read", "act", "reload")}
        # The alerts come only by webhook, with their own texts.
        given["webhook_actions"] = {"tokens": tokens, "heartbeat": "1s", "reconcile_interval": "10m"}
        harness = Harness(Path(scratch), "alpha", "beta", **given)
        try:
            with Browser(Path(scratch) / "chromium") as browser:
                shoot(harness, browser)
        finally:
            harness.close()


def shoot(harness: Harness, browser: Browser) -> None:
    IMAGES.mkdir(exist_ok=True)
    harness.start_prometheus()
    harness.start_engine()
    for bot in ("alpha", "beta"):
        harness.bots.by_name[bot].comes_back = False
    harness.bots.by_name["alpha"].positions = HELD
    harness.goes_down("alpha")
    harness.goes_down("beta")
    harness.deliver(harness.alert("alpha", annotations=DOWN), harness.alert("beta", annotations=ALSO_DOWN))
    eventually(lambda: harness.incident("alpha")["handed_over_at"], within=60, what="giving up")
    browser.size(390, 844)
    browser.go(link(harness, "anna"))
    browser.shoot(IMAGES / "link-phone.png", whole=False)
    browser.size(1100, 800)
    log_in(browser, harness)
    browser.click("#incident-2 > summary")
    browser.fill("#incident-2 input[name=comment]", "the exchange is slow")
    browser.click("#incident-2 button.main")
    browser.reads("acknowledged")
    browser.go(harness.url("/"))
    browser.click("#cards > details:first-child > summary")
    browser.shoot(IMAGES / "oncall.png")
    browser.go(harness.url("/bots"))
    browser.shoot(IMAGES / "bots.png", whole=False)
    browser.go(harness.url("/schedule"))
    browser.shoot(IMAGES / "schedule.png", whole=False)
    browser.size(360, 740)
    browser.click("#kill-switch summary")
    browser.fill("#reason", "the exchange is in maintenance")
    browser.click("#kill-switch button")
    browser.reads("All actions are paused")
    browser.go(harness.url("/"))
    browser.shoot(IMAGES / "oncall-phone.png", whole=False)


if __name__ == "__main__":
    main()
