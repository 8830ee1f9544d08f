"""The console in a real Chromium, on a cloud of real processes with simulated hosts: a server watched from
order to deletion, and every page checked in both languages and themes."""

import hashlib
import json
import os

import pytest

from tests.console import tour
from tests.console.webdriver import Chromium
from volutus.setup import console_assets
from volutus.setup.progress import Progress

pytestmark = pytest.mark.machine

PHONE, DESKTOP = 375, 1280
# Each language and each theme once: what axe looks at depends on one of them, never on both.
LOOKS = ("en.light", "zh.dark")
# Rules of WCAG 2.2 at level AA and below, and axe's own of good practice.
_CHECK = """
const done = arguments[arguments.length - 1];
axe.run(document).then(
  (found) => done(found.passes.length < 10 ? ["hardly anything was checked"] :
    found.violations.map((one) => [one.id, one.nodes.slice(0, 3).map((node) => node.html)])),
  (error) => done([String(error)]));
"""
# How far things moved after they were drawn, by the browser's own reckoning; below 0.1 is called good.
_SHIFT = """
const done = arguments[arguments.length - 1];
let moved = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) moved += one.value;
}).observe({ type: "layout-shift", buffered: true });
requestAnimationFrame(() => setTimeout(() => done(moved), 20));
"""
SHIFT_MAX = 0.02
# What an upload said on its way is kept over the page that follows.
_WATCH_UPLOAD = """
const status = document.querySelector("#up-status");
new MutationObserver(() => { sessionStorage.said = (sessionStorage.said || "") + status.textContent + ","; })
  .observe(status, { childList: true });
"""
_WIDE = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def served():
    with tour.cloud_for_browsers() as made:
        yield made


@pytest.fixture(scope="module")
def axe():
    script = console_assets.checker(Progress(quiet=True))
    assert script is not None, "npm brings axe-core, which checks the pages"
    return script.read_text()


def test_a_server_is_watched_becoming_active_and_deleted(served):
    cloud, _ = served
    with Chromium.run() as browser:
        tour.sign_in(browser, cloud)
        browser.click("a[href='/servers/new']")
        browser.type("#name", "watched")
        browser.run_script("document.querySelector('#key').value = ''")
        before = browser.text("#price .number")
        browser.run_script("document.querySelector('#free').click()")
        browser.wait_for(lambda: browser.text("#price .number") not in ("", before), "the price follows")
        assert "mhz-1c-512m-2g" in browser.run_script("return document.querySelector('#command').textContent")
        browser.run_script("document.querySelector('#preset').click()")
        browser.wait_for(lambda: browser.text("#price .number") == before, "the price is back")
        browser.click(".order button")
        browser.wait_for(lambda: browser.text("h1") == "watched", "the page of the server")
        # A mark on the document shows that the state came without the page being loaded again.
        browser.run_script("window.marked = true")
        browser.wait_for(lambda: "ACTIVE" in browser.text("#live"), "the server is active")
        assert browser.run_script("return window.marked") is True
        browser.click("button.quiet[data-act=stop]")
        browser.wait_for(lambda: "SHUTOFF" in browser.text("#live"), "the server is stopped")
        browser.click("#do-delete summary")
        assert "Delete watched" in browser.text("#do-delete button.danger")
        browser.click("#do-delete button.danger")
        browser.wait_for(lambda: "Deletion ordered" in browser.text(), "the list")
        browser.wait_for(lambda: "watched" not in browser.text("#live"), "the server is gone from the list")
        assert not browser.complaints()


def test_an_image_is_uploaded_with_its_progress(served, tmp_path):
    cloud, tenant = served
    content = os.urandom(1 << 20) * 40
    (tmp_path / "disk.raw").write_bytes(content)
    with Chromium.run() as browser:
        tour.sign_in(browser, cloud)
        browser.open(f"{cloud.url}/images")
        browser.click("#make-upload summary")
        browser.type("#up-name", "brought")
        browser.run_script("document.querySelector('#up-format').value = 'raw'")
        browser.type("#up-file", str(tmp_path / "disk.raw"))
        browser.run_script(_WATCH_UPLOAD)
        browser.click("#make-upload button")
        browser.wait_for(lambda: "done=changed" in browser.url, "the upload")
        said = [
            int(one.removesuffix(" %"))
            for one in browser.run_script("return sessionStorage.said").split(",")
            if one
        ]
        assert said == sorted(said) and said[-1] == 100 and len(said) > 1, said
        browser.wait_for(lambda: "brought" in browser.text("#live"), "the list")
    (made,) = tenant.client.call("GET", "/image/v2/images?name=brought").json()["images"]
    assert (made["status"], made["size"]) == ("active", len(content))
    assert made["os_hash_value"] == hashlib.sha256(content).hexdigest()


def test_the_keyboard_does_all(served):
    cloud, _ = served
    enter, escape = "\ue007", "\ue00c"
    with Chromium.run() as browser:
        tour.sign_in(browser, cloud)
        browser.open(f"{cloud.url}/security-groups")
        browser.tab_to(".skip", within=1)
        browser.press(enter)
        browser.tab_to("#make-1 > summary", within=1)
        browser.press(enter)
        browser.tab_to("#make-1 [name=name]", within=1)
        browser.press("typed")
        browser.tab_to("#make-1 button")
        browser.press(enter)
        browser.wait_for(lambda: browser.text("h1") == "typed", "the page of the group")
        browser.tab_to(".menu a[href='/security-groups']")
        browser.press(enter)
        browser.wait_for(lambda: browser.text("h1") == "Security groups", "the list")
        browser.tab_to("[id^=do-delete] > summary")
        browser.press(enter)
        browser.tab_to("[id^=do-delete] button", within=1)
        assert "Delete typed" in browser.run_script("return document.activeElement.innerText")
        browser.press(enter)
        browser.wait_for(lambda: "Deletion ordered" in browser.text(), "the order")
        browser.resize(PHONE)
        browser.tab_to(".fold")
        browser.press(enter)
        opened = "return document.querySelector('#menu').matches(':popover-open')"
        assert browser.run_script(opened)
        browser.tab_to("#menu a[href='/volumes']")
        browser.press(escape)
        assert not browser.run_script(opened)
        assert browser.run_script("return document.activeElement.matches('.fold')"), "back where it was"


@pytest.mark.parametrize("lost", ["*.js*", "*idiomorph*"])
def test_forms_are_taken_though_scripts_are_lost(served, lost):
    cloud, _ = served
    page = f"{cloud.url}/security-groups"
    with Chromium.run() as browser:
        browser.command("Network.enable")
        browser.command("Network.setBlockedURLs", urls=[lost])
        tour.sign_in(browser, cloud)
        browser.open(page)
        browser.click("#make-1 summary")
        browser.type("#make-1 [name=name]", "scriptless")
        browser.click("#make-1 form button")
        browser.wait_for(lambda: "scriptless" in browser.text(), "the page of the group")
        browser.open(page)
        rows = "[...document.querySelectorAll('#live tr')]"
        row = f"{rows}.find((one) => one.innerText.includes('scriptless'))"
        browser.run_script(f"{row}.querySelector('details').id = 'chosen'")
        browser.click("#chosen summary")
        browser.click("#chosen form button")
        browser.wait_for(lambda: "Deletion ordered" in browser.text(), "the order")

        def gone():
            browser.open(page)
            return "scriptless" not in browser.text("#live")

        browser.wait_for(gone, "the group is gone")


def test_every_page_is_usable_by_everybody_and_on_a_phone(served, axe):
    cloud, tenant = served
    stops = tour.fill(tenant)
    faults: dict[str, object] = {}
    with Chromium.run() as browser:
        user = ""
        for stop in stops:
            if stop.user != user:
                tour.sign_in(browser, cloud, stop.user)
                user = stop.user
            for look, width in zip(LOOKS, (DESKTOP, PHONE), strict=True):
                browser.command("Network.setCookie", name="volutus_look", value=look, url=cloud.url)
                browser.resize(width)
                browser.open(f"{cloud.url}{stop.path}")
                if (moved := browser.run_script_later(_SHIFT)) > SHIFT_MAX:
                    faults[f"{stop.name} {look} moved"] = moved
                browser.run_script(axe)
                if found := browser.run_script_later(_CHECK):
                    faults[f"{stop.name} {look}"] = found
                if browser.run_script(_WIDE):
                    faults[f"{stop.name} {width}"] = "wider than the window"
        loaded = browser.run_script("return performance.getEntries().map(e => e.name)")
        foreign = [name for name in loaded if "://" in name and not name.startswith(cloud.url)]
        assert not foreign
        refused = [line for line in browser.complaints() if "Content Security Policy" in line]
    assert not faults, json.dumps(faults, indent=1, ensure_ascii=False)
    assert not refused
