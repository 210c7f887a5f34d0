"""A real Chromium for the tests of the page, driven over its own DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import eventually

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
]


class Browser:
    """One tab. Use it as a context: Chromium ends with it."""

    def __init__(self, directory: Path) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None:
            pytest.skip("chromium is not installed (apt install chromium)")
        self._process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={directory}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._loop = asyncio.new_event_loop()
        self._calls = 0
        port = directory / "DevToolsActivePort"
        eventually(lambda: port.exists() and port.read_text().count("\n") > 0, within=60, what="Chromium")
        self._loop.run_until_complete(self._connect(int(port.read_text().splitlines()[0])))
        self.call("Page.enable")

    async def _connect(self, port: int) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            tab = next(each for each in await answer.json() if each["type"] == "page")
        self._socket = await self._session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._socket.close())
        self._loop.run_until_complete(self._session.close())
        self._process.terminate()
        self._process.wait(30)
        self._loop.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of one command of the protocol."""
        self._calls += 1
        return self._loop.run_until_complete(self._call(self._calls, method, parameters))

    async def _call(self, number: int, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = json.loads((await self._socket.receive(timeout=30)).data)
            if message.get("id") == number:
                return message.get("result", {})

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        eventually(lambda: self.run("document.readyState") == "complete", what=f"loading {url}")

    def run(self, script: str) -> Any:
        """Return the result of some JavaScript; None while the page changes."""
        return (
            self.call("Runtime.evaluate", expression=script, returnByValue=True)
            .get("result", {})
            .get("value")
        )

    def text(self) -> str:
        return str(self.run("document.body ? document.body.innerText : ''"))

    def reads(self, text: str, within: float = 20) -> None:
        eventually(lambda: text in self.text(), within=within, what=f"{text!r} on the page")

    def fill(self, selector: str, text: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        eventually(
            lambda: self.run(
                f"(e => e && (e.click(), true))(document.querySelector({json.dumps(selector)}))"
            ),
            what=selector,
        )

    def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13}[key]
        more = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **more)

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def shoot(self, file: Path, *, whole: bool = True) -> None:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))
