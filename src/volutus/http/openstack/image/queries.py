"""From the query of a list to the domain's filter and page."""

import re
from datetime import UTC, datetime

from volutus.db import Page, SortKey
from volutus.errors import Invalid
from volutus.http.kernel import Request, parse_page
from volutus.image import VISIBILITIES, ImageFilter, TimeBound

# Glance's own default; a client that wants more says so.
LIMIT_DEFAULT = 25
_PAGING = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir"})
_EXACT = {
    "id": "id",
    "name": "name",
    "status": "status",
    "owner": "owner",
    "container_format": "container_format",
    "disk_format": "disk_format",
    "checksum": "md5",
    "os_hash_value": "sha256",
}
_NUMBERS = {"size": "size_bytes", "min_disk": "min_disk_gib", "min_ram": "min_ram_mib"}
_SORTED = {"size": "size_bytes", "min_disk": "min_disk_gib", "min_ram": "min_ram_mib", "os_hidden": "hidden"}
_MEMBER_STATUSES = ("accepted", "pending", "rejected", "all")
_BOUND = re.compile(r"(?:(gt|gte|lt|lte|eq|neq):)?(.*)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"(?:,|$)|([^,"]*)(?:,|$)')
# More alternatives than this in one `in:` are not a filter but a dump.
_VALUES_MAX = 200


def page(request: Request) -> Page:
    """The part of the list that is asked for: newest first unless said otherwise."""
    query = request.query
    if "sort" in query and ("sort_key" in query or "sort_dir" in query):
        raise Invalid("Old and new sorting syntax cannot be combined.", field="sort")
    newest = (SortKey("created_at", True),)
    return parse_page(
        request, default_sort=newest, direction="desc", default_limit=LIMIT_DEFAULT, fields=_SORTED
    )


def image_filter(request: Request) -> ImageFilter:
    """Everything else in the query; what is not Glance's is looked for in the properties."""
    query = {name: value for name, value in request.query.items() if name not in _PAGING}
    tags = request.query.getlist("tag")
    query.pop("tag", None)
    exact = {column: _values(name, query.pop(name)) for name, column in _EXACT.items() if name in query}
    numbers = {column: _number(name, query.pop(name)) for name, column in _NUMBERS.items() if name in query}
    times = [_bound(name, query.pop(name)) for name in ("created_at", "updated_at") if name in query]
    return ImageFilter(
        exact=exact,
        numbers=numbers,
        times=times,
        tags=tags,
        visibility=_choice("visibility", query.pop("visibility", None), (*VISIBILITIES, "all")),
        member_status=_choice("member_status", query.pop("member_status", None), _MEMBER_STATUSES)
        or "accepted",
        size_least=_optional_number("size_min", query.pop("size_min", None)),
        size_most=_optional_number("size_max", query.pop("size_max", None)),
        protected=_flag("protected", query.pop("protected", None)),
        hidden=_flag("os_hidden", query.pop("os_hidden", None)) or False,
        properties=query,
    )


def _values(name: str, text: str) -> list[str]:
    if not text.startswith("in:"):
        return [text]
    rest, values = text.removeprefix("in:"), []
    at = 0
    while at < len(rest):
        match = _QUOTED.match(rest, at)
        if match is None or match.end() == at:
            raise Invalid(f"Invalid filter value for {name}: {text}", field=name)
        values.append(re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2])
        at = match.end()
    if not 0 < len(values) <= _VALUES_MAX:
        raise Invalid(f"A filter has from 1 to {_VALUES_MAX} values.", field=name)
    return values


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(f"{name} must be a whole number, not {text!r}", field=name)
    return int(text)


def _optional_number(name: str, text: str | None) -> int | None:
    return None if text is None else _number(name, text)


def _flag(name: str, text: str | None) -> bool | None:
    if text is None:
        return None
    words = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in words:
        raise Invalid(f"{name} must be true or false, not {text!r}", field=name)
    return words[text.lower()]


def _choice(name: str, text: str | None, choices: tuple[str, ...]) -> str | None:
    if text is not None and text not in choices:
        raise Invalid(f"{name} must be one of {', '.join(choices)}, not {text!r}", field=name)
    return text


def _bound(name: str, text: str) -> TimeBound:
    match = _BOUND.fullmatch(text)
    try:
        moment = datetime.fromisoformat(match[2] if match else text)
    except ValueError:
        raise Invalid(f"{name} must be a time in ISO 8601, not {text!r}", field=name) from None
    column = "created_at" if name == "created_at" else "updated_at"
    operator = (match[1] if match else None) or "eq"
    return TimeBound(column, operator, moment if moment.tzinfo else moment.replace(tzinfo=UTC))
