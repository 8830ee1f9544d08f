"""Namespaces of metadata definitions, and which types of resources they are for."""

from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from volutus.db import SortKey
from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.image import definition_views as views
from volutus.http.openstack.image.definition_bodies import NewAssociation, NewNamespace
from volutus.image.definitions import NamespaceFilter, items, namespaces, resource_types

_PLURALS = {"object": "objects", "property": "properties", "tag": "tags"}


def create(request: Request) -> Response:
    """A new namespace with what it contains."""
    body = request.read(NewNamespace)
    tx, caller = request.tx, request.caller
    made = namespaces.create(tx, caller, body.fields())
    associations = [
        resource_types.associate(tx, caller, made.name, one.parsed())
        for one in body.resource_type_associations
    ]
    for kind, content in body.content().items():
        items.add(tx, caller, made.name, kind, content)
    location = f"{request.service_url}{views.ROOT}/{quote(made.name)}"
    return created(_with_content(request, views.namespace(made, associations)), {"Location": location})


def listed(request: Request) -> Response:
    """One page of those that the caller sees."""
    page = parse_page(
        request, default_sort=(SortKey("created_at", True),), direction="desc", fields={"namespace": "name"}
    )
    types = tuple(one for one in request.query.get("resource_types", "").split(",") if one)
    wanted = NamespaceFilter(request.query.get("visibility"), types)
    found = namespaces.page(request.tx, request.caller, wanted, page)
    types_of = resource_types.of_namespaces(request.tx, [one.name for one in found])
    answer: dict[str, Any] = {
        "namespaces": [views.namespace(one, types_of[one.name]) for one in found],
        "first": _link(request, None),
        "schema": "/v2/schemas/metadefs/namespaces",
    }
    if found and len(found) == page.limit:
        answer["next"] = _link(request, found[-1].name)
    return document(answer)


def show(request: Request) -> Response:
    """A namespace with all that is in it."""
    found = namespaces.get(request.tx, request.caller, request.params["namespace"])
    types_of = resource_types.of_namespaces(request.tx, [found.name])[found.name]
    shown = _with_content(request, views.namespace(found, types_of))
    prefix = next((one.prefix for one in types_of if one.name == request.query.get("resource_type")), None)
    if prefix and "properties" in shown:
        shown["properties"] = {f"{prefix}{name}": one for name, one in shown["properties"].items()}
    return document(shown)


def change(request: Request) -> Response:
    """Set all fields of a namespace; its content is changed by itself."""
    changed = namespaces.change(
        request.tx, request.caller, request.params["namespace"], request.read(NewNamespace).fields()
    )
    types_of = resource_types.of_namespaces(request.tx, [changed.name])
    return document(views.namespace(changed, types_of[changed.name]))


def remove(request: Request) -> Response:
    namespaces.remove(request.tx, request.caller, request.params["namespace"])
    return no_content()


def types(request: Request) -> Response:
    """All types of resources."""
    return document(
        {"resource_types": [views.resource_type(one) for one in resource_types.known(request.tx)]}
    )


def associate(request: Request) -> Response:
    """Say that a namespace is for a type of resource."""
    wanted = request.read(NewAssociation).parsed()
    made = resource_types.associate(request.tx, request.caller, request.params["namespace"], wanted)
    return created(views.association(made))


def associations(request: Request) -> Response:
    """The types that a namespace is for."""
    found = namespaces.get(request.tx, request.caller, request.params["namespace"])
    types_of = resource_types.of_namespaces(request.tx, [found.name])[found.name]
    return document({"resource_type_associations": [views.association(one) for one in types_of]})


def dissociate(request: Request) -> Response:
    resource_types.dissociate(
        request.tx, request.caller, request.params["namespace"], request.params["resource_type"]
    )
    return no_content()


def _with_content(request: Request, shown: dict[str, Any]) -> dict[str, Any]:
    """What is empty is left out, as Glance does."""
    found = items.of_namespace(request.tx, shown["namespace"])
    content = {
        _PLURALS[kind]: views.listed(shown["namespace"], kind, ones) for kind, ones in found.items() if ones
    }
    if not shown["resource_type_associations"]:
        del shown["resource_type_associations"]
    return shown | content


def _link(request: Request, marker: str | None) -> str:
    """Relative to the service, as Glance's are."""
    pairs = [(name, value) for name, value in request.query.multi_items() if name != "marker"]
    query = urlencode([*pairs, *([("marker", marker)] if marker else [])])
    return f"{views.ROOT}?{query}" if query else views.ROOT
