"""`/v2.0/network-ip-availabilities`: how many addresses are left, for administrators."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from volutus.http.kernel import Request, document
from volutus.http.openstack.network import lists
from volutus.network import ip_availability
from volutus.network.ip_availability import NetworkUsage, SubnetUsage
from volutus.network.listing import Query

_NAMES = {
    "network_id": "id",
    "network_name": "name",
    "tenant_id": "project_id",
    "project_id": "project_id",
    "ip_version": "ip_version",
}


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    filters = dict(asked.query.filters)
    versions = filters.pop("ip_version", ("4", "6"))
    found = ip_availability.list_(request.tx, request.caller, Query(filters, asked.query.page))
    return document({"network_ip_availabilities": [_view(one, versions) for one in found]})


def show(request: Request) -> Response:
    found = ip_availability.get(request.tx, request.caller, request.params["id"])
    return document({"network_ip_availability": _view(found, ("4", "6"))})


def _view(it: NetworkUsage, versions: Any) -> dict[str, Any]:
    subnets = [one for one in it.subnets if str(one.ip_version) in versions]
    return {
        "network_id": it.network_id,
        "network_name": it.network_name,
        "tenant_id": it.project_id,
        "project_id": it.project_id,
        "total_ips": sum(one.total for one in subnets),
        "used_ips": sum(one.used for one in subnets),
        "ip_availability_details": _details(subnets),
        "subnet_ip_availability": [
            {
                "subnet_id": one.subnet_id,
                "subnet_name": one.name,
                "cidr": one.cidr,
                "ip_version": one.ip_version,
                "total_ips": one.total,
                "used_ips": one.used,
                "ip_availability_details": _details([one]),
            }
            for one in subnets
        ],
    }


def _details(subnets: Sequence[SubnetUsage]) -> dict[str, int]:
    return {
        "total_ips_in_subnet": sum(one.all for one in subnets),
        "total_ips_in_allocation_pool": sum(one.total for one in subnets),
        "used_ips_in_subnet": sum(one.used for one in subnets),
        "used_ips_in_allocation_pool": sum(one.used_of_pools for one in subnets),
    }
