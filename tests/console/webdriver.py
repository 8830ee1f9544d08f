"""Just enough of the WebDriver protocol to use a real Chromium through Debian's chromedriver."""

import base64
import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from bench.cloud import _free_port

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_WITHIN_S = 30.0
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


CLICKS = 5
# Whether the focus is where it should be, and whether people see where it is.
_FOCUS = """
const at = document.activeElement, style = getComputedStyle(at);
return [at.matches({selector}), at === document.body || style.outlineStyle !== 'none'];
"""


class Replaced(Exception):
    """The element is no longer part of the page."""


class Chromium:
    """One window. Elements are named by CSS selectors."""

    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http = http
        self._session = session

    @classmethod
    @contextlib.contextmanager
    def run(cls, *, width: int = 1280, height: int = 800) -> Iterator["Chromium"]:
        port = _free_port()
        driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
        try:
            with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as directory:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
                    flags = [*_FLAGS, f"--window-size={width},{height}", f"--user-data-dir={directory}"]
                    browser = cls(http, _begin(http, flags))
                    yield browser
                    browser._call("DELETE", "")
        finally:
            driver.terminate()
            driver.wait(timeout=20)

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        return str(self._call("GET", "/url"))

    def type(self, selector: str, text: str) -> None:
        self._call("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        """A page that refreshes itself may replace the element between being found and being clicked."""
        for _ in range(CLICKS):
            with contextlib.suppress(Replaced):
                self._call("POST", f"/element/{self._find(selector)}/click", {})
                return
        raise AssertionError(f"{selector} was replaced again and again")

    def text(self, selector: str = "body") -> str:
        return str(self.run_script(f"return document.querySelector({json.dumps(selector)})?.innerText || ''"))

    def resize(self, width: int, height: int = 800) -> None:
        """A page's width, which may be a phone's: no window is as narrow."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)
        self.command("Emulation.setScrollbarsHidden", hidden=True)

    def picture(self) -> bytes:
        """The whole page as PNG."""
        taken = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def command(self, name: str, /, **values: Any) -> Any:
        """A command of the browser's own protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": name, "params": values})

    def press(self, keys: str) -> None:
        """Keys to whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def tab_to(self, selector: str, within: int = 80) -> None:
        """The focus to an element by the keyboard alone, each on the way being shown as focused."""
        for _ in range(within):
            self.press("\ue004")
            here, shown = self.run_script(_FOCUS.format(selector=json.dumps(selector)))
            assert shown, "what has the focus does not show it"
            if here:
                return
        raise AssertionError(f"the keyboard does not get to {selector}")

    def run_script(self, script: str) -> Any:
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def run_script_later(self, script: str) -> Any:
        """One that calls its last argument when it is done."""
        return self._call("POST", "/execute/async", {"script": script, "args": []})

    def complaints(self) -> list[str]:
        """What the browser wrote to its console: refused scripts, lost files."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def wait_for(
        self, condition: Callable[[], Any], what: str, within_s: float = _WITHIN_S, every_s: float = 0.1
    ) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, (
                f"{what}: not within {within_s} s; the page says {self.text()}"
            )
            time.sleep(every_s)

    def _find(self, selector: str) -> str:
        found = self._call("POST", "/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, f"/session/{self._session}{path}", json=body)
        value = answer.json()["value"]
        if answer.status_code != 200 and value["error"] == "stale element reference":
            raise Replaced
        assert answer.status_code == 200, value
        return value


def _begin(http: httpx.Client, flags: list[str]) -> str:
    wanted = {
        "browserName": "chrome",
        "goog:chromeOptions": {"args": flags, "binary": "/usr/bin/chromium"},
        "goog:loggingPrefs": {"browser": "ALL"},
    }
    deadline = time.monotonic() + _WITHIN_S
    while True:
        try:
            answer = http.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
            return str(answer.json()["value"]["sessionId"])
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
