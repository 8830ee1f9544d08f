"""`/v2.0/address-groups`: the groups, and the addresses that join and leave them."""

from starlette.responses import Response

from volutus.http.kernel import Request, document
from volutus.http.openstack.network.resources import Resource
from volutus.http.openstack.network.schemas import AddressesBody, AddressGroupBody
from volutus.network import address_groups
from volutus.network.address_groups import AddressGroupChanges, AddressGroupOrder

GROUPS = Resource(
    noun="address_group",
    plural="address_groups",
    verbs=address_groups,
    change_verb=address_groups.change,
    body=AddressGroupBody,
    order=AddressGroupOrder,
    changes=AddressGroupChanges,
    names={"name": "name", "shared": "shared", "addresses": "addresses"},
    fixed=("addresses",),
    hidden=("addresses",),
)


def add_addresses(request: Request) -> Response:
    addresses = request.read(AddressesBody).addresses
    group = address_groups.add_addresses(request.tx, request.caller, request.params["id"], addresses)
    return document({"address_group": GROUPS.view(group)})


def remove_addresses(request: Request) -> Response:
    addresses = request.read(AddressesBody).addresses
    group = address_groups.remove_addresses(request.tx, request.caller, request.params["id"], addresses)
    return document({"address_group": GROUPS.view(group)})
