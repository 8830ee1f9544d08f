"""A tenant's day in a browser, on a running cloud with a real guest: from signing in with a one-time code to
deleting all. Run as a program in the cloud's network: `python -m tests.console.journey STATE-DIRECTORY`."""

import base64
import hashlib
import hmac
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.console.webdriver import Chromium
from volutus.settings import load
from volutus.setup import keys

CLICKS_MAX = 6
# A guest is emulated: its boot is slow, the console is not.
BOOT_S = 240.0
_ENTER = "\ue007"
# The share of a text screen that is drawn at all: a login prompt is a few letters on black.
_LIT_MIN = 200
_SSH_RULES = (
    "[...document.querySelectorAll('#live details[id^=do-delete]')]"
    ".filter((one) => one.textContent.includes('in IPv4 tcp 22'))"
)
_DELETABLE = "return document.querySelectorAll('#live details[id^=do-delete]').length"
_DELETE_ONE = """
const found = document.querySelectorAll('#live details[id^=do-delete]');
if (found.length) found[0].querySelector('form').requestSubmit();
return found.length;
"""
_LIT = """
const canvas = document.querySelector('#screen canvas');
if (!canvas || !canvas.width) return 0;
const found = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
let lit = 0;
for (let at = 0; at < found.length; at += 4) if (found[at] + found[at + 1] + found[at + 2] > 300) lit += 1;
return lit;
"""


@dataclass
class Journey:
    """`clicks` are counted where their number matters."""

    browser: Chromium
    url: str
    password: str
    clicks: int = 0

    def walk(self) -> None:
        """All of it, in the order of a day."""
        secret = self._use_totp()
        self._sign_in(secret)
        self._create()
        self._look_at_screens()
        self._keep_data()
        self._open_port()
        self._read_charges()
        self._delete_all()
        assert not (said := self.browser.complaints()), f"the browser refused something: {said}"

    def _use_totp(self) -> str:
        """The user has a one-time code from now on; the secret of it."""
        secret = base64.b32encode(hashlib.sha256(self.password.encode()).digest()[:20]).decode()
        identity: dict[str, Any] = {
            "methods": ["password"],
            "password": {"user": {"name": "demo", "domain": {"name": "Default"}, "password": self.password}},
        }
        with httpx.Client(base_url=f"{self.url}/identity/v3") as http:
            answer = http.post("/auth/tokens", json={"auth": {"identity": identity}})
            user_id = answer.json()["token"]["user"]["id"]
            http.headers["X-Auth-Token"] = answer.headers["x-subject-token"]
            credential = {"type": "totp", "blob": secret, "user_id": user_id}
            made = http.post("/credentials", json={"credential": credential})
            assert made.status_code == 201, made.text
        return secret

    def _sign_in(self, secret: str) -> None:
        browser = self.browser
        browser.open(f"{self.url}/")
        browser.type("#user", "demo")
        browser.type("#password", self.password)
        browser.type("#code", _code(secret))
        browser.click(".gate button")
        self._wait(lambda: browser.text("h1") == "Overview", "the overview")

    def _create(self) -> None:
        browser = self.browser
        self._click("a[href='/servers/new']")
        browser.type("#name", "day")
        quoted = float(browser.text("#price .number").split()[0])
        assert quoted > 0
        self._click(".order button")
        # The private part of the new key pair is shown once.
        self._wait(lambda: "PRIVATE KEY" in browser.text("pre.key"), "the key")
        self._click("main a.quiet")
        self._wait(lambda: browser.text("h1") == "day", "the server's page")
        assert self.clicks <= CLICKS_MAX
        browser.run_script("window.marked = true")
        self._wait(lambda: "ACTIVE" in browser.text("#live [role=status]"), "active")
        assert browser.run_script("return window.marked") is True, "without a reload"

    def _look_at_screens(self) -> None:
        browser, server = self.browser, self.browser.url
        # Each look loads a page, for which the guest that boots has to wait.
        browser.wait_for(
            lambda: self._log_has(server, "login:"), "the guest's login prompt", BOOT_S, every_s=2
        )
        browser.open(server)
        browser.click("button[data-act=vnc]")
        self._wait(lambda: browser.run_script(_LIT) > _LIT_MIN, "something on the screen")
        used = browser.url
        browser.open(server)
        browser.click("button[data-act=serial]")
        self._wait(lambda: "Connected" in browser.text("#status"), "the serial console")
        browser.press("rosebud" + _ENTER)
        self._wait(lambda: "rosebud" in self._terminal(), "the echo")
        browser.open(used)
        self._wait(lambda: "Not connected" in browser.text("#status"), "a used token opens nothing")
        self._wait(lambda: any("WebSocket" in one for one in browser.complaints()), "the socket was refused")
        browser.open(server)

    def _keep_data(self) -> None:
        browser = self.browser
        server = browser.url
        browser.open(f"{self.url}/volumes")
        self._form("#make-1", {"name": "data", "size": "1"})
        self._wait(lambda: "available" in browser.text("#live"), "the volume")
        browser.open(server)
        self._form("#do-attach", {})
        self._wait(lambda: "Detach data" in browser.text("#live"), "attached")
        browser.open(f"{self.url}/volumes")
        self._wait(lambda: "in use" in browser.text("#live"), "in use")
        self._form("details[id^=do-snapshot]", {})
        self._wait(lambda: "data-snapshot" in browser.text("#live"), "the snapshot")
        self._wait(lambda: "available" in browser.text("#live"), "the snapshot is there")
        browser.open(f"{self.url}/volumes")
        self._form("details[id^=do-export]", {})
        self._wait(lambda: "data-export" in browser.text("#live"), "the export")
        self._wait(lambda: browser.text("#live").count("Download") >= 2, "the export is there", 240.0)
        href = browser.run_script(
            "const links = [...document.querySelectorAll('a[download]')];"
            "return links.find((link) => link.download.includes('export')).href"
        )
        status = browser.run_script_later(
            "const done = arguments[arguments.length - 1];"
            f"fetch({href!r}).then(async a => done([a.status, (await a.arrayBuffer()).byteLength]))"
        )
        assert status[0] == 200
        assert status[1] > 0
        browser.open(server)

    def _open_port(self) -> None:
        """A floating IP leads to the guest's SSH server as soon as a rule lets it in, and only then."""
        browser = self.browser
        server = browser.url
        browser.open(f"{self.url}/floating-ips")
        self._form("#make-1", {})
        self._form("details[id^=do-assign]", {})
        self._wait(lambda: "day" in browser.text("#live table"), "the address leads to the server")
        address = browser.text("#live code")
        browser.open(f"{self.url}/security-groups")
        browser.click("#live table a")
        self._wait(lambda: bool(browser.text("h1")), "the group")
        while browser.run_script(f"return {_SSH_RULES}.length"):
            left = browser.run_script(f"{_SSH_RULES}[0].querySelector('form').requestSubmit(); return 1")
            assert left
            self._wait(lambda: "done=" in browser.url, "the rule is deleted")
            browser.open(browser.url.partition("?")[0])
        self._wait(lambda: not _answers(address), "nobody gets in")
        browser.run_script("document.querySelector('input[value=ssh]').form.requestSubmit()")
        self._wait(lambda: "22" in browser.text("#live table"), "the rule")
        self._wait(lambda: _answers(address), "SSH gets in")
        browser.open(f"{self.url}/floating-ips")
        self._form("details[id^=do-delete]", {})
        self._wait(lambda: address not in browser.text("#live"), "the address is given back")
        browser.open(server)

    def _read_charges(self) -> None:
        browser = self.browser
        server = browser.url
        browser.open(f"{self.url}/costs")
        assert "MHz" in browser.text("#live"), "what runs is in use"
        browser.open(server)

    def _delete_all(self) -> None:
        browser = self.browser
        self._form("#do-delete", {})
        self._wait(lambda: "day" not in browser.text("#live"), "no server")
        for page in ("snapshots", "volumes", "images", "key-pairs"):
            browser.open(f"{self.url}/{page}")
            while left := browser.run_script(_DELETE_ONE):
                self._wait(lambda old=left: browser.run_script(_DELETABLE) < old, f"fewer {page}")

    def _form(self, fold: str, values: dict[str, str]) -> None:
        """Open a fold, fill in what is given, send it."""
        browser = self.browser
        self._wait(lambda: browser.run_script(f"return !!document.querySelector({fold!r})"), fold)
        browser.click(f"{fold} summary")
        for name, value in values.items():
            browser.run_script(f"document.querySelector({fold + ' [name=' + name + ']'!r}).value = {value!r}")
        browser.click(f"{fold} form button")

    def _log_has(self, server: str, text: str) -> bool:
        self.browser.open(f"{server.partition('?')[0]}/log")
        return text in self.browser.text("#live")

    def _terminal(self) -> str:
        return self.browser.text(".xterm-accessibility") + self.browser.text(".xterm-rows")

    def _click(self, selector: str) -> None:
        self.clicks += 1
        self.browser.click(selector)

    def _wait(self, condition: Any, what: str, within_s: float = 60.0) -> None:
        self.browser.wait_for(condition, what, within_s)


def _answers(address: str) -> bool:
    """Whether the guest's SSH server says who it is."""
    try:
        with socket.create_connection((address, 22), timeout=3) as connection:
            connection.settimeout(10)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _code(secret: str) -> str:
    """The one-time code of this moment (RFC 6238, SHA-1, six digits, thirty seconds)."""
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


def main() -> None:
    """Walk, on the cloud of a state directory."""
    settings = load(Path(sys.argv[1]), {}, {})
    with Chromium.run() as browser:
        Journey(browser, settings.url, keys.password(settings, "demo")).walk()
    sys.stdout.write("walked\n")


if __name__ == "__main__":
    main()
