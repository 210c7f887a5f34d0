"""Every page and the mail of alerts, and axe-core's findings on it in a real Chromium."""

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from exporter.status_page import Row
from exporter.status_page import page as status_page
from stack.render import render
from stack.settings import load
from stack.settings.load import DEFAULTS
from tests.conftest import binary
from tests.webhook_actions.chromium import Browser
from tests.webhook_actions.harness import ROOT
from tests.webhook_actions.report.sample_reports import empty, full
from webhook_actions.report.desk import Desk
from webhook_actions.report.html import desk_html, page

DESK = (
    "/",
    "/bots",
    "/schedule?alert=Down&bot=alpha#preview",
    "/history",
    "/reports",
    "/audit",
    "/incidents/1",
    "/docs/",
    "/docs/limits.md",
    "/docs/runbooks/TradingBotDown.md",
    "/a/0123456789abcdef",
    "/nowhere",
)
_AXE = (ROOT / "tests/fixtures/axe/axe.min.js").read_text(encoding="utf-8")
# The rules that depend on theme or width; all others give the same result in each.
_LOOK = ("color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable")
LOOKS = ((390, "light", ()), (390, "dark", _LOOK), (1280, "dark", _LOOK), (1280, "light", _LOOK))
_CHECK = """(async (rules) => {
  document.querySelectorAll("details").forEach((one) => (one.open = true));
  const only = rules.length ? {runOnly: {type: "rule", values: rules}} : {};
  const found = await axe.run(document, {resultTypes: ["violations"], ...only});
  return found.violations.flatMap((fault) => fault.nodes.map((node) => `${fault.id}: ${node.html}`));
})"""


def check(browser: Browser, rules: Sequence[str] = ()) -> list[str]:
    """Return axe's findings on the page in the browser, with every foldable part open.

    Without `rules` it uses all rules of axe.
    """
    if browser.run("typeof axe") == "undefined":
        browser.call("Runtime.evaluate", expression=_AXE)
    ask = f"{_CHECK}({json.dumps(rules)})"
    said = browser.call("Runtime.evaluate", expression=ask, awaitPromise=True, returnByValue=True)
    found = said["result"]["value"]
    assert isinstance(found, list), said
    return found


def look(browser: Browser, width: int, theme: str) -> None:
    """Set the width and the theme of the page in the browser."""
    browser.size(width, 900)
    wish = {"name": "prefers-color-scheme", "value": theme}
    browser.call("Emulation.setEmulatedMedia", features=[wish])


def static_pages() -> dict[str, str]:
    """Return the HTML of the pages that need no engine."""
    settings = load([DEFAULTS])
    desk = Desk([full(), full().model_copy(update={"bot": "second"}), empty()], 2)
    rows = [
        Row("alpha", "http", "http://127.0.0.1:8081", "running", "healthy", (), 3.0, 12.0, "", ""),
        Row(
            "beta", "freqtrade", "http://127.0.0.1:8082/" + "long/" * 20, "unknown", "unhealthy",
            ("bot_running", "data_freshness"), 300.0, None, "connection refused", "its capital is unknown",
        ),
        Row("gamma", "push", "POST /api/v1/push/gamma", "paused", "unknown", (), None, None, "", ""),
    ]  # fmt: skip
    return {
        "/exporter": status_page(rows, {"On call": "http://127.0.0.1:9099"}),
        "/no-bots": status_page([], {}),
        "/report": page(settings, full()),
        "/empty-report": page(settings, empty()),
        "/desk-report": desk_html(settings, desk, [{}] * len(desk.pages)),
    }


def alert_mail(directory: Path) -> str:
    """Return the HTML of Alertmanager's mail with an alert of each severity and a resolved one, by amtool."""
    render(load([DEFAULTS]), directory / "build")
    kinds = [("critical", "firing"), ("warning", "firing"), ("info", "firing"), ("critical", "resolved")]
    notes = {
        "summary": "alpha is down: no sign of life for 5m",
        "description": "It answers nothing.\nIts log is at https://example.org/" + "long/" * 20,
        "recommended_actions": "- Look at its log.\n- Start it by hand.",
        "runbook_url": "https://example.org/runbooks/TradingBotDown.md",
        "dashboard_url": "https://example.org/d/trading-bot",
    }
    times = {"startsAt": "2026-11-25T20:00:00Z", "endsAt": "2026-11-25T21:00:00Z"}
    alerts = [
        {"status": status, "labels": {"bot": "alpha", "severity": severity}, "annotations": notes}
        | {"fingerprint": f"{number:016x}", **times}
        for number, (severity, status) in enumerate(kinds)
    ]
    common = {"commonLabels": {"alertname": "TradingBotDown"}, "commonAnnotations": {}, "groupLabels": {}}
    data = directory / "mail.json"
    data.write_text(json.dumps({"status": "firing", "alerts": alerts, **common}), encoding="utf-8")
    command = [str(binary("amtool")), "template", "render", "--template.type=html"]
    command += [f"--template.glob={directory}/build/alertmanager/templates/*.tmpl"]
    command += ['--template.text={{ template "nightdesk.email.html" . }}', f"--template.data={data}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Served:
    """Pages on a loopback port. Use it as a context."""

    def __init__(self, pages: Mapping[str, str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path in pages else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(pages.get(self.path, "").encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
