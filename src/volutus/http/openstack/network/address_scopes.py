"""`/v2.0/address-scopes`: prefixes that pools share without overlap."""

from volutus.http.openstack.network.resources import Resource
from volutus.http.openstack.network.schemas import AddressScopeBody
from volutus.network import address_scopes
from volutus.network.address_scopes import AddressScopeChanges, AddressScopeOrder

SCOPES = Resource(
    noun="address_scope",
    plural="address_scopes",
    verbs=address_scopes,
    change_verb=address_scopes.change,
    body=AddressScopeBody,
    order=AddressScopeOrder,
    changes=AddressScopeChanges,
    names={"name": "name", "ip_version": "ip_version", "shared": "shared"},
    required=("ip_version",),
    fixed=("ip_version",),
    permissions={"shared": "network:address_scopes:set_shared"},
)
