"""The console's list of servers among many: how long its page takes, and how much a first visit transfers."""

import re
from urllib.parse import urlencode

from bench import copies
from bench.client import Answer, median_ms
from bench.measures import Bench, Figure, cpu

SERVERS, SERVERS_QUICK = 12_000, 600
_ASSET = re.compile(rb'(?:src|href)="(/static/[^"]+)"')


class Page(Answer):
    """An answer that is no JSON."""

    def json(self) -> None:
        """Nothing. Raises for a failure."""
        if self.status != 200:
            raise AssertionError(f"{self.status} {self.body[:300]!r}")


def console(bench: Bench) -> None:
    """The first page of the list, a search, and everything a browser loads for it the first time."""
    count = bench.scaled(SERVERS, SERVERS_QUICK)
    copies.many(bench.cloud, bench.tenant, count, "listed")
    cookie = _sign_in(bench)
    for name, path in (
        (f"the list's first page of {count} servers", "/servers"),
        ("  … searched", "/servers?q=listed-7"),
    ):
        with cpu(bench.cloud) as spent:
            times = bench.scaled(30, 10)
            took = median_ms(lambda path=path: _page(bench, path, cookie), times)
        bench.told(Figure(name, took, "ms", 200, cpu_ms=spent.seconds / times * 1000))
    page = _page(bench, "/servers", cookie)
    page.json()
    assets = {found.decode() for found in _ASSET.findall(page.body)}
    sizes = [_length(_page(bench, path, cookie)) for path in assets]
    bench.told(Figure("  … transferred", _length(page) / 1000, "kB", 100))
    bench.told(Figure("  … with scripts and style, first visit", (_length(page) + sum(sizes)) / 1000, "kB"))


def _sign_in(bench: Bench) -> str:
    form = {"user": "demo", "password": bench.cloud.password("demo"), "project": "demo"}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = bench.tenant.client.call("POST", "/sign-in", urlencode(form).encode(), headers)
    if answer.status != 303:
        raise AssertionError(f"nobody was signed in: {answer.status}")
    return answer.headers["set-cookie"].partition(";")[0]


def _page(bench: Bench, path: str, cookie: str) -> Page:
    headers = {"Accept": "text/html", "Accept-Encoding": "gzip", "Cookie": cookie}
    return Page(**vars(bench.tenant.client.call("GET", path, headers=headers)))


def _length(answer: Answer) -> int:
    return len(answer.body)
