"""Pages of lists: which part a request asks for, and the link to the next one."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from volutus.db import Page
from volutus.db.paging import PAGE_MAX
from volutus.http.kernel import Request, whole_number
from volutus.http.openstack.billing import queries


def page(request: Request) -> Page:
    """By `limit` and `marker`, an id."""
    limit = queries.number(request, "limit", PAGE_MAX, PAGE_MAX)
    return Page(limit, request.query.get("marker"))


def numbered_page(request: Request) -> Page:
    """The same of a list whose markers are numbers, from 1 on. Behind what is none there is nothing, as there
    is behind an id that nobody has."""
    asked = page(request)
    if asked.marker is None:
        return asked
    return Page(asked.limit, str(whole_number(asked.marker) or 0))


def next_page(
    request: Request, name: str, lines: Sequence[dict[str, Any]], limit: int, key: str = "id"
) -> dict[str, Any]:
    """`{"NAME_links": [{"rel": "next", …}]}` where there may be more. The marker is the last line's key."""
    if len(lines) < limit or not lines:
        return {}
    pairs = [(name, value) for name, value in request.query.multi_items() if name != "marker"]
    href = f"{request.url}?{urlencode([*pairs, ('marker', lines[-1][key])])}"
    return {f"{name}_links": [{"rel": "next", "href": href}]}


def listed(
    request: Request, name: str, lines: Sequence[dict[str, Any]], asked: Page, key: str = "id"
) -> dict[str, Any]:
    """A page of a list with its link."""
    return {name: lines, **next_page(request, name, lines, asked.limit, key)}
