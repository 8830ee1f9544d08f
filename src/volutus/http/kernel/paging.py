"""`limit`, `marker`, `sort_key` and `sort_dir` of a query, and the links to the next page."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from volutus.db.paging import PAGE_MAX, Page, SortKey
from volutus.errors import Invalid
from volutus.http.kernel.requests import Request

# Python refuses to read numbers of thousands of digits; any of this length is beyond every page.
DIGITS_MAX = 18
_DIRECTIONS = {"asc": False, "desc": True}


def parse_page(
    request: Request,
    *,
    default_sort: Sequence[SortKey] = (),
    direction: str = "asc",
    default_limit: int = PAGE_MAX,
    fields: dict[str, str] | None = None,
) -> Page:
    """The page asked for. Sorting as `sort_key`/`sort_dir` (repeated; Nova, Glance, Neutron) or
    `sort=key:dir,key` (Cinder, Glance). `fields` renames wire fields to the domain's sort keys. `direction`
    is what a key without one gets. Raises Invalid naming the parameter."""
    limit = _limit(request.query.get("limit"), default_limit)
    keys = request.query.getlist("sort_key")
    directions = request.query.getlist("sort_dir")
    for part in ",".join(request.query.getlist("sort")).split(","):
        if part:
            name, _, way = part.strip().partition(":")
            keys.append(name)
            directions.append(way or direction)
    if len(directions) > len(keys):
        raise Invalid("There are more sort directions than sort keys.", field="sort_dir")
    directions += [directions[-1] if directions else direction] * (len(keys) - len(directions))
    renamed = fields or {}
    sort = tuple(SortKey(renamed.get(k, k), _descending(d)) for k, d in zip(keys, directions, strict=True))
    return Page(limit, request.query.get("marker"), sort or tuple(default_sort))


def next_links(request: Request, name: str, page: Page, ids: Sequence[str]) -> dict[str, Any]:
    """`{"NAME_links": [{"rel": "next", …}]}` when there may be a further page, else nothing."""
    if not ids or len(ids) < page.limit:
        return {}
    pairs = [(k, v) for k, v in request.query.multi_items() if k != "marker"]
    href = f"{request.url}?{urlencode([*pairs, ('marker', ids[-1])])}"
    return {f"{name}_links": [{"rel": "next", "href": href}]}


def whole_number(text: str) -> int | None:
    """The number that a query or a path has as text; None where it is none, or none of 64 bits. Python
    itself refuses to read thousands of digits, with an error that would be ours."""
    if not text.isascii() or not text.isdigit() or len(text) > DIGITS_MAX:
        return None
    return int(text)


def _limit(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise Invalid(f"limit must be a whole number of 0 or more, not {text!r}", field="limit")
    limit = whole_number(text)
    # Zero means "no limit of mine" in Nova, Neutron and Cinder alike.
    return PAGE_MAX if limit is None else min(limit, PAGE_MAX) or PAGE_MAX


def _descending(word: str) -> bool:
    try:
        return _DIRECTIONS[word.lower()]
    except KeyError:
        raise Invalid(f"A sort direction is asc or desc, not {word!r}", field="sort_dir") from None
