"""`/v2.0/{resources}/{id}/tags`, the same for all kinds of objects."""

from collections.abc import Callable, Mapping

from starlette.responses import Response

from volutus.http.kernel import Request, document, empty, no_content
from volutus.http.openstack.network.schemas import TagsBody
from volutus.network import tags

# The plural in the path to the domain's kind.
RESOURCES: Mapping[str, str] = {
    "networks": "network",
    "subnets": "subnet",
    "subnetpools": "subnetpool",
    "ports": "port",
    "routers": "router",
    "floatingips": "floatingip",
    "security-groups": "security_group",
    "security-group-rules": "security_group_rule",
    "address-scopes": "address_scope",
    "address-groups": "address_group",
    "policies": "qos_policy",
    "trunks": "trunk",
}
_CREATED = 201

Handler = Callable[[Request], Response]


def index(kind: str) -> Handler:
    """Handler: all tags of an object."""
    return lambda request: document(
        {"tags": tags.get(request.tx, request.caller, kind, request.params["id"])}
    )


def replace(kind: str) -> Handler:
    """Handler: have exactly these."""

    def handle(request: Request) -> Response:
        body = request.read(TagsBody)
        wanted = tags.replace(request.tx, request.caller, kind, request.params["id"], body.tags)
        return document({"tags": wanted})

    return handle


def clear(kind: str) -> Handler:
    """Handler: have none."""

    def handle(request: Request) -> Response:
        tags.replace(request.tx, request.caller, kind, request.params["id"], [])
        return no_content()

    return handle


def show(kind: str) -> Handler:
    """Handler: whether it has one."""

    def handle(request: Request) -> Response:
        tags.require(request.tx, request.caller, kind, request.params["id"], request.params["tag"])
        return no_content()

    return handle


def add(kind: str) -> Handler:
    """Handler: one more."""

    def handle(request: Request) -> Response:
        tags.add(request.tx, request.caller, kind, request.params["id"], request.params["tag"])
        return empty(_CREATED)

    return handle


def remove(kind: str) -> Handler:
    """Handler: one less."""

    def handle(request: Request) -> Response:
        tags.remove(request.tx, request.caller, kind, request.params["id"], request.params["tag"])
        return no_content()

    return handle
