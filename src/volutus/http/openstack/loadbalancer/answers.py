"""What the handlers of all nouns do alike: lists, single objects, common attributes."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row
from starlette.responses import Response

from volutus.http.kernel import Request, document
from volutus.http.openstack.loadbalancer.schemas import Body
from volutus.http.openstack.network import lists
from volutus.network.loadbalancer import nouns
from volutus.network.loadbalancer.nouns import Noun
from volutus.network.loadbalancer.trees import Tree

View = Callable[[Row[Any], Tree], dict[str, Any]]

COMMON = {
    "id": "id",
    "name": "name",
    "description": "description",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "admin_state_up": "enabled",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "tags": "tags",
    "tags-any": "tags_any",
    "not-tags": "not_tags",
    "not-tags-any": "not_tags_any",
}


def many(
    request: Request, noun: Noun, plural: str, view: View, names: Mapping[str, str], **where: str
) -> Response:
    """A list. `names` maps what it can be filtered by to columns."""
    asked = lists.parse(request, COMMON | dict(names))
    found = nouns.list_(request.tx, request.caller, noun, asked.query, **where)
    return lists.answer(request, plural, asked, [view(row, tree) for row, tree in found])


def one(request: Request, name: str, view: View, row: Row[Any], status: int = 200) -> Response:
    """One object, after it was found, made or changed."""
    return document({name: view(row, nouns.tree_of(request.tx, row))}, status)


def changes(body: Body) -> dict[str, Any]:
    """What every object can have changed; null stands for empty."""
    values: dict[str, str | bool | list[str] | UnsetType | None] = {
        "name": "" if body.name is None else body.name,
        "description": "" if body.description is None else body.description,
        "enabled": body.admin_state_up,
        "tags": body.tags,
    }
    return {name: value for name, value in values.items() if value is not UNSET}


def ordered(body: Body) -> dict[str, Any]:
    """The same for what is new."""
    values = changes(body)
    if "tags" in values:
        values["tags"] = tuple(values["tags"])
    return values
