"""`/resource_classes` and `/traits`: the words in which inventories are told."""

from typing import Any

from starlette.responses import Response

from volutus.errors import Invalid, NotFound
from volutus.http.kernel import HttpProblem, Request, Version, document, no_content
from volutus.http.openstack.placement import resources

CLASSES = Version(1, 2)
TRAITS = Version(1, 6)


def list_(request: Request) -> Response:
    """`GET /resource_classes`: those that hosts have."""
    _since(request, CLASSES)
    return document({"resource_classes": [_class(name) for name in resources.COLUMNS]})


def show(request: Request) -> Response:
    """`GET /resource_classes/NAME`."""
    _since(request, CLASSES)
    name = request.params["name"]
    if name not in resources.COLUMNS:
        raise NotFound(f"No such resource class: {name}.")
    return document(_class(name))


def list_traits(request: Request) -> Response:
    """`GET /traits`, with `name=startswith:PREFIX` or `name=in:A,B`."""
    _since(request, TRAITS)
    kind, _, value = request.query.get("name", "startswith:").partition(":")
    if kind == "startswith":
        found = [name for name in resources.TRAITS if name.startswith(value)]
    elif kind == "in":
        found = [name for name in resources.TRAITS if name in value.split(",")]
    else:
        raise Invalid("Badly formatted name parameter. Expected name query string parameter in form: ?name=")
    return document({"traits": found})


def show_trait(request: Request) -> Response:
    """`GET /traits/NAME`: whether there is one."""
    _since(request, TRAITS)
    if request.params["name"] not in resources.TRAITS:
        raise NotFound(f"No such trait: {request.params['name']}.")
    return no_content()


def _class(name: str) -> dict[str, Any]:
    return {"name": name, "links": [{"rel": "self", "href": f"/placement/resource_classes/{name}"}]}


def _since(request: Request, version: Version) -> None:
    if request.microversion < version:
        raise HttpProblem(404, "The resource could not be found.")
