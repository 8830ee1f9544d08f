"""Queries of lists as Neutron has them, from the wire's attribute names to the domain's and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from volutus.db.paging import PAGE_MAX, Page, SortKey
from volutus.http.kernel import Request, document, next_links, parse_page
from volutus.network.errors import InvalidInput
from volutus.network.listing import Query, parse_boolean

_CONTROLS = frozenset({"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"})

# The attributes of every object, by their names on the wire.
COMMON_NAMES = {
    "id": "id",
    "name": "name",
    "description": "description",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "revision_number": "revision",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "changed_since": "changed_since",
    "tags": "tags",
    "tags-any": "tags_any",
    "not-tags": "not_tags",
    "not-tags-any": "not_tags_any",
}


@dataclass(frozen=True)
class Asked:
    """A list query: what the domain is asked, and how the answer is cut."""

    query: Query
    fields: tuple[str, ...]
    backwards: bool


def parse(request: Request, names: Mapping[str, str]) -> Asked:
    """The query of a list. `names` maps attributes of the wire to those of the domain."""
    filters: dict[str, list[str]] = {}
    for name, value in request.query.multi_items():
        if name in _CONTROLS:
            continue
        if name not in names:
            raise InvalidInput(f"['{name}'] is invalid attribute for filtering", field=name)
        filters.setdefault(names[name], []).append(value)
    backwards = parse_boolean(request.query.get("page_reverse", "false"))
    page = parse_page(request, fields=dict(names))
    if backwards:
        turned = tuple(SortKey(key.name, not key.descending) for key in page.sort)
        page = replace(page, sort=turned or (SortKey("id", True),))
    return Asked(Query(filters, page), tuple(request.query.getlist("fields")), backwards)


def answer(request: Request, plural: str, asked: Asked, views: Sequence[dict[str, Any]]) -> Response:
    """The list with the link to its next page, each object cut to the fields asked for."""
    if asked.backwards:
        return document({plural: [cut(view, asked.fields) for view in reversed(views)]})
    links = next_links(request, plural, _linking(request, asked), [view["id"] for view in views])
    return document({plural: [cut(view, asked.fields) for view in views], **links})


def cut(view: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Only the fields asked for; all when none is."""
    wanted = [field for field in fields if field]
    return {name: value for name, value in view.items() if name in wanted} if wanted else view


def one(request: Request, noun: str, view: dict[str, Any]) -> Response:
    """A single object, cut to the fields asked for."""
    return document({noun: cut(view, request.query.getlist("fields"))})


def many(plural: str, noun: str, views: Sequence[dict[str, Any]], *, bulk: bool) -> dict[str, Any]:
    """What was made, in the form in which it was ordered."""
    return {plural: views} if bulk else {noun: views[0]}


def _linking(request: Request, asked: Asked) -> Page:
    # Without a limit of the client's a full page means that ours was met.
    return asked.query.page if "limit" in request.query else replace(asked.query.page, limit=PAGE_MAX)
