"""From where images are fetched: the operator's hosts, and no inner address by whatever way."""

import ipaddress
import socket

import pytest

from tests.image.web import serving
from volutus.clock import SystemClock
from volutus.errors import Invalid
from volutus.image import Reach, faults
from volutus.image.fetching import fetch
from volutus.image.reach import is_inner

ALL = Reach(("*",))


def get(reach, url):
    pieces: list[bytes] = []
    fetch(reach, url, SystemClock(), pieces.append)
    return b"".join(pieces)


@pytest.fixture(scope="module")
def web():
    with serving({"/disk": b"a disk" * 1000}) as url:
        yield url


@pytest.fixture
def reach(web):
    """Loopback alone counts as outside, so that there is something to fetch from."""
    port = web.rpartition(":")[2]
    return Reach((f"127.0.0.1:{port}",), is_inner=lambda address: not address.is_loopback)


INNER = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1"),
    *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001::1"),
]


@pytest.mark.parametrize("address", INNER)
def test_inner_addresses(address):
    assert is_inner(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.2.132", "2a04:4e42::644", "::ffff:8.8.8.8"])
def test_outer_addresses(address):
    assert not is_inner(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://localhost/",
        ),
        *("http://[::1]/", "http://[::ffff:7f00:1]/", "http://0/", "http://169.254.169.254/latest/meta-data"),
    ],
)
def test_inner_addresses_are_not_reached_though_every_host_is_allowed(url):
    with pytest.raises(Invalid, match=r"not a public address|could not be found"):
        get(ALL, url)


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        (("example.org",), "https://example.org/disk", True),
        (("example.org",), "http://EXAMPLE.org./disk", True),
        (("example.org",), "https://example.org:8443/disk", False),
        (("example.org:8443",), "https://example.org:8443/disk", True),
        (("example.org",), "https://www.example.org/disk", False),
        (("*.example.org",), "https://www.example.org/disk", True),
        (("*.example.org",), "https://example.org/disk", False),
        (("*.example.org",), "https://badexample.org/disk", False),
        (("*",), "https://anything.test/disk", True),
        (("*",), "https://anything.test:22/disk", False),
        (("*",), "https://user:secret@anything.test/disk", False),
        (("*",), "ftp://anything.test/disk", False),
        (("*",), "file:///etc/shadow", False),
        (("*",), "gopher://anything.test/", False),
        (("*",), "https:///disk", False),
        (("*",), "http://[::1/", False),
        (("*",), "http://host:999999/", False),
        ((), "https://example.org/disk", False),
    ],
)
def test_only_hosts_on_the_list(hosts, url, allowed):
    reach = Reach(hosts)
    if allowed:
        reach.check(url)
        return
    with pytest.raises(Invalid) as caught:
        reach.check(url)
    assert caught.value.field == "uri"
    assert "secret" not in caught.value.message


def test_what_is_there_is_fetched(web, reach):
    assert get(reach, f"{web}/disk") == b"a disk" * 1000
    assert get(reach, f"{web}/to//disk") == b"a disk" * 1000


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/none", "answered 404"),
        ("/short", "could not be fetched|fewer bytes"),
        ("/packed", "compresses"),
        ("/to//to//to//to//to//to//to//disk", "more than 5 times"),
    ],
)
def test_what_is_not_there_is_told(web, reach, path, reason):
    with pytest.raises(faults.FetchFailed, match=reason):
        get(reach, f"{web}{path}")


@pytest.mark.parametrize("to", ["http://169.254.169.254/", "file:///etc/shadow", "http://127.0.0.1:1/"])
def test_a_redirect_is_checked_like_the_first_url(web, reach, to):
    with pytest.raises(Invalid, match=r"has not allowed|http or https"):
        get(reach, f"{web}/to/{to}")


def test_a_name_that_answers_differently_later_gains_nothing(web, monkeypatch):
    """The connection goes to the address that was checked: names are looked up once for it."""
    port, asked = int(web.rpartition(":")[2]), []
    real = socket.getaddrinfo

    def lookup(host, *args, **kw):
        asked.append(host)
        inner = len(asked) > 1
        return (
            real("127.0.0.2" if inner else "127.0.0.1", *args, **kw)
            if host == "shifty.test"
            else real(host, *args, **kw)
        )

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    outside = ipaddress.ip_address("127.0.0.1")
    reach = Reach((f"shifty.test:{port}",), is_inner=lambda address: address != outside)
    assert get(reach, f"http://shifty.test:{port}/disk") == b"a disk" * 1000
    assert asked.count("shifty.test") == 1


def test_one_inner_address_among_several_is_enough(monkeypatch):
    mixed = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: mixed)
    with pytest.raises(Invalid, match="not a public address"):
        ALL.addresses("mixed.test", 80)


def test_the_clouds_own_name_is_not_fetched_from(monkeypatch):
    there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: there)
    with pytest.raises(Invalid, match="not a public address"):
        Reach(("*",), ("cloud.example.org",)).addresses("alias.example.org", 80)
