"""A server from order to deletion in a real Chromium, on a cloud of real processes with simulated hosts."""

import json

import pytest

from bench.cloud import Cloud
from bench.tenant import Tenant
from tests.console.webdriver import Chromium
from volutus.setup import console_assets
from volutus.setup.progress import Progress

pytestmark = pytest.mark.machine

PHONE_WIDTH = 500  # Chromium makes no window narrower; the pages' own bound is wider.
PAGES = ("/", "/servers", "/servers/new", "/volumes", "/networks", "/routers", "/security-groups")


@pytest.fixture(scope="module")
def cloud():
    made = Cloud.make(1, api_workers=1)
    unset = pytest.MonkeyPatch()
    # The tests' own variable is no setting of a cloud.
    unset.delenv("VOLUTUS_TEST_POSTGRES", raising=False)
    try:
        console_assets.bring(made.settings, Progress(quiet=True))
        made.start()
        unset.undo()
        Tenant.make(made)
        yield made
    finally:
        unset.undo()
        made.stop()


def sign_in(browser: Chromium, cloud: Cloud) -> None:
    browser.open(f"{cloud.url}/")
    browser.type("#user", "demo")
    browser.type("#password", cloud.password("demo"))
    browser.click(".gate button")
    browser.wait_for(lambda: "Overview" in browser.text("h1"), "the overview")


def test_a_server_is_watched_becoming_active_and_deleted(cloud):
    with Chromium.run() as browser:
        sign_in(browser, cloud)
        browser.click("a[href='/servers/new']")
        browser.type("#name", "watched")
        browser.run_script("document.querySelector('#key').value = ''")
        browser.click(".order button")
        browser.wait_for(lambda: browser.text("h1") == "watched", "the page of the server")
        # A mark on the document shows that the state came without the page being loaded again.
        browser.run_script("window.marked = true")
        browser.wait_for(lambda: "ACTIVE" in browser.text("#live"), "the server is active")
        browser.click("button.quiet")
        browser.wait_for(lambda: "SHUTOFF" in browser.text("#live"), "the server is stopped")
        browser.click("summary.danger")
        assert "Delete watched" in browser.text("button.danger")
        browser.click("button.danger")
        browser.wait_for(lambda: "Deletion ordered" in browser.text(), "the list")
        browser.wait_for(lambda: "watched" not in browser.text("#live"), "the server is gone from the list")
        assert not browser.complaints()


def test_a_page_refreshes_itself_without_being_loaded(cloud):
    with Chromium.run() as browser:
        sign_in(browser, cloud)
        browser.run_script("window.marked = true; document.querySelector('#live').dataset.old = 'yes'")
        browser.wait_for(
            lambda: browser.run_script("return !document.querySelector('#live').dataset.old"), "a refresh"
        )
        assert browser.run_script("return window.marked") is True


def test_nothing_is_wider_than_a_phone_and_nothing_comes_from_elsewhere(cloud):
    with Chromium.run(width=PHONE_WIDTH) as browser:
        sign_in(browser, cloud)
        for page in PAGES:
            browser.open(f"{cloud.url}{page}")
            wide = browser.run_script(
                "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
            assert not wide, page
            loaded = browser.run_script("return performance.getEntries().map(e => e.name)")
            foreign = [name for name in loaded if "://" in name and not name.startswith(cloud.url)]
            assert not foreign, json.dumps(foreign)
        assert not browser.complaints()
