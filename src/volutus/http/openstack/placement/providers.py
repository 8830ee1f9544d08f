"""`/resource_providers` and what is below them."""

from typing import Any

from starlette.responses import Response

from volutus import placement
from volutus.errors import NotFound
from volutus.http.kernel import Request, Version, document
from volutus.http.openstack.placement import resources
from volutus.placement import Host
from volutus.placement.hosts import HostQuery

NESTED = Version(1, 14)
# What a provider links to, and since when.
_LINKS = {
    "inventories": Version(1, 0),
    "usages": Version(1, 0),
    "aggregates": Version(1, 1),
    "traits": Version(1, 6),
    "allocations": Version(1, 11),
}


def list_(request: Request) -> Response:
    """`GET /resource_providers`."""
    found = [host for host in placement.hosts.search(request.tx, _query(request)) if _passes(request, host)]
    return document({"resource_providers": [_provider(request, host) for host in found]})


def show(request: Request) -> Response:
    """`GET /resource_providers/ID`."""
    return document(_provider(request, _host(request)))


def inventories(request: Request) -> Response:
    """`GET …/inventories`."""
    host = _host(request)
    found = {name: resources.inventory(host, name) for name in resources.COLUMNS}
    return document({"inventories": found, "resource_provider_generation": host.generation})


def inventory(request: Request) -> Response:
    """`GET …/inventories/CLASS`."""
    host, name = _host(request), request.params["resource_class"]
    if name not in resources.COLUMNS:
        raise NotFound(f"No inventory of class {name} for {host.id}")
    return document({**resources.inventory(host, name), "resource_provider_generation": host.generation})


def usages(request: Request) -> Response:
    """`GET …/usages`."""
    host = _host(request)
    return document({"usages": resources.used(host), "resource_provider_generation": host.generation})


def aggregates(request: Request) -> Response:
    """`GET …/aggregates`: hosts are not grouped."""
    host = _host(request)
    body: dict[str, Any] = {"aggregates": []}
    if request.microversion >= Version(1, 19):
        body["resource_provider_generation"] = host.generation
    return document(body)


def traits(request: Request) -> Response:
    """`GET …/traits`."""
    host = _host(request)
    return document({"traits": resources.traits(host), "resource_provider_generation": host.generation})


def allocations(request: Request) -> Response:
    """`GET …/allocations`: who claimed what of it."""
    host = _host(request)
    rows = placement.claims_of_host(request.tx, host.id)
    found = {row.consumer_id: {"resources": resources.claimed(row)} for row in rows}
    return document({"allocations": found, "resource_provider_generation": host.generation})


def _host(request: Request) -> Host:
    try:
        return placement.hosts.get(request.tx, request.params["provider_id"])
    except NotFound as error:
        raise NotFound(f"No resource provider with uuid {request.params['provider_id']} found") from error


def _query(request: Request) -> HostQuery:
    asked, tree = request.query.get("uuid"), request.query.get("in_tree")
    if asked and tree and asked != tree:
        asked = ""
    return HostQuery(
        id=asked if asked is not None else tree,
        hostname=request.query.get("name"),
        free=resources.free(request),
    )


def _passes(request: Request, host: Host) -> bool:
    # Hosts are in no aggregate: asked for members of one, there are none; of none, all.
    if any(not text.startswith("!") for text in request.query.getlist("member_of")):
        return False
    return resources.has_traits(request, host)


def _provider(request: Request, host: Host) -> dict[str, Any]:
    root = f"/placement/resource_providers/{host.id}"
    links = [{"rel": "self", "href": root}]
    links += [
        {"rel": name, "href": f"{root}/{name}"}
        for name, since in _LINKS.items()
        if request.microversion >= since
    ]
    body: dict[str, Any] = {
        "uuid": host.id,
        "name": host.hostname,
        "generation": host.generation,
        "links": links,
    }
    if request.microversion >= NESTED:
        body.update(parent_provider_uuid=None, root_provider_uuid=host.id)
    return body
