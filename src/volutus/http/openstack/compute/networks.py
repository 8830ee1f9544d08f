"""Networks in the forms Nova had before 2.36: `os-networks` and `os-tenant-networks`, to be read."""

from typing import Any

from starlette.responses import Response

from volutus.http.kernel import Request, document, parse_page
from volutus.http.openstack.compute.security_groups import check_version
from volutus.network import networks
from volutus.network.listing import Query
from volutus.network.networks import Network


def index(request: Request) -> Response:
    """All networks that the caller sees."""
    check_version(request)
    found = networks.list_(request.tx, request.caller, Query({}, parse_page(request)))
    return document({"networks": [_view(one) for one in found]})


def show(request: Request) -> Response:
    """One network."""
    check_version(request)
    return document({"network": _view(networks.get(request.tx, request.caller, request.params["id"]))})


def _view(one: Network) -> dict[str, Any]:
    """A network has several subnets, or none: Nova's one `cidr` never said anything of Neutron's."""
    return {"id": one.id, "label": one.name, "cidr": None}
