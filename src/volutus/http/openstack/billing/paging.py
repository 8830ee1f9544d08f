"""The link to the next page of a ledger: its marker is the number of the last line shown."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from volutus.http.kernel import Request


def next_page(request: Request, name: str, lines: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """`{"NAME_links": [{"rel": "next", …}]}` where there may be more."""
    if len(lines) < limit or not lines:
        return {}
    pairs = [(key, value) for key, value in request.query.multi_items() if key != "marker"]
    href = f"{request.url}?{urlencode([*pairs, ('marker', lines[-1]['number'])])}"
    return {f"{name}_links": [{"rel": "next", "href": href}]}
