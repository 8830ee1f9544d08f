"""Two languages, both complete; nothing on a page that did not go through a catalogue."""

import re
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from tests.console.tour import ADMIN_PAGES, OPEN_PAGES, PAGES
from tools import messages
from volutus.console import language

_PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")
# What is data: names of objects, units, the product, words of the API.
_DATA = re.compile(
    r"[0-9a-f]{1,4}(?::[0-9a-f]{0,4})+|Volutus|English|中文|demo|admin|default|private|public|router|micro|https?|GiB|MiB|MHz|qcow2|raw|iso|vmdk"
    r"|vdi|vhd|TCP|UDP|SCTP|ICMP|IPv[46]|USD|GHz|RegionOne|Mbit"
    r"|VLAN|test|member|reader|manager|load-balancer|First|first|project|The|For|the|cloud|operators|UTC|showback"
    r"|Bootstrap|image|Ctrl|Alt|Del|nova|nvme|standard|compute|host|openstack|regionone|usd|Default|group|security|\w*-\w*"
)


class _Texts(HTMLParser):
    """What a page says to its reader, without code."""

    _QUIET = frozenset(("code", "pre", "script", "style", "textarea", "noscript", "title"))

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._quiet = 0

    def handle_starttag(self, tag, attrs):
        self._quiet += tag in self._QUIET
        self.found += [
            value for name, value in attrs if name in ("aria-label", "title", "placeholder") and value
        ]

    def handle_endtag(self, tag):
        self._quiet -= tag in self._QUIET

    def handle_data(self, data):
        if not self._quiet:
            self.found.append(data)


@pytest.mark.parametrize("name", messages.LANGUAGES)
def test_a_catalogue_has_every_message_and_no_other(name):
    used = {message.id for message in messages.used() if message.id}
    kept = {message.id: message.string for message in messages.kept(name) if message.id}
    assert used - kept.keys() == set(), "run `make messages` and translate what is new"
    assert kept.keys() - used == set(), "run `make messages`: these are used no more"
    for source, text in kept.items():
        texts = [text] if isinstance(text, str) else list(text)
        assert all(texts), f"{source!r} has no translation"
        wanted = set(_PLACEHOLDER.findall(source if isinstance(source, str) else source[0]))
        assert all(set(_PLACEHOLDER.findall(one)) == wanted for one in texts), source


def test_every_word_of_every_page_comes_from_a_catalogue(visitor):
    """In the pseudo-locale each message is in brackets; what is outside them nobody could translate."""
    visitor.http.cookies.set("volutus_look", f"{language.PSEUDO}.auto")
    left = {}
    for user, pages in (("", OPEN_PAGES), ("demo", PAGES), ("admin", ADMIN_PAGES)):
        if user:
            visitor.sign_in(user, project=user)
        for path in pages.values():
            texts = _Texts()
            texts.feed(visitor.get(path).text)
            bare = re.sub(r"⟦[^⟦⟧]*⟧", "", "\n".join(texts.found))
            words = re.findall(r"[A-Za-z]{3,}", _DATA.sub("", bare))
            if words:
                left[path] = words
    assert not left


def test_the_browsers_language_is_spoken_until_one_is_chosen(visitor):
    accepting = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
    page = visitor.http.get("/sign-in", headers=accepting)
    assert '<html lang="zh">' in page.text
    assert "登录" in page.text
    visitor.http.post("/look", data={"language": "en", "next": "/sign-in"}, headers=accepting)
    assert '<html lang="en">' in visitor.http.get("/sign-in", headers=accepting).text
    assert "Sign in" in visitor.http.get("/sign-in", headers={"Accept-Language": "fr"}).text


def test_a_theme_stays_and_nonsense_changes_nothing(visitor):
    page = visitor.http.post("/look", data={"theme": "dark", "next": "/sign-in"})
    assert 'data-theme="dark"' in page.text
    page = visitor.http.post("/look", data={"theme": '"><script>', "language": "xx", "next": "/sign-in"})
    assert 'data-theme="dark"' in page.text
    assert "<script>" not in page.text
    sent_on = visitor.http.post(
        "/look", data={"theme": "light", "next": "//evil.example"}, follow_redirects=False
    )
    assert sent_on.headers["location"] == "/"


def test_a_choice_is_kept_with_the_user(app, browser):
    for chosen in ({"language": "zh"}, {"theme": "dark"}, {"language": "xx"}):
        browser.http.post("/look", data={**chosen, "next": "/"})
    for user, spoken, theme in (("demo", "zh", 'data-theme="dark"'), ("admin", "en", "")):
        with TestClient(app, headers={"Accept": "text/html,*/*"}) as http:
            elsewhere = type(browser)(http)
            assert '<html lang="en">' in elsewhere.get("/sign-in").text
            assert f'<html lang="{spoken}" {theme}'.strip() in elsewhere.sign_in(user).text


def test_a_number_chooses_its_form():
    language.speak("en")
    assert language.ngettext("%(count)s core", "%(count)s cores", 1) == "%(count)s core"
    assert language.ngettext("%(count)s core", "%(count)s cores", 2) == "%(count)s cores"
    language.speak("zh")
    assert "核" in language.ngettext("%(count)s core", "%(count)s cores", 2)
    language.speak("no such")
    assert language.spoken() == "en"
