"""The network's own port, through which every host serves metadata to the guests of the network.

One per network, made with the first subnet that has DHCP; one that a tenant deleted is made anew with the
next such subnet, or when DHCP is turned off and on. In IPv4 subnets it has an address, to which the
lease's routes lead for 169.254.169.254; IPv6 guests find fe80::a9fe:a9fe on their link.
"""

from sqlalchemy import Select, select, text

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import allocation, ports, units
from volutus.network.allocation import Claimant, Space
from volutus.network.networks import Network
from volutus.network.ovn.model import Kind
from volutus.network.ports import METADATA, PortOrder
from volutus.network.tables import ports as port_rows
from volutus.wire import MetadataPort

_OF_NETWORKS = text(
    """
    SELECT p.network_id, p.id AS port_id, p.mac,
        (SELECT coalesce(array_agg(host(a.ip) || '/' || masklen(s.cidr) ORDER BY s.created_at, s.id), '{}')
         FROM port_addresses a JOIN subnets s ON s.id = a.subnet_id WHERE a.port_id = p.id) AS addresses
    FROM ports p
    WHERE p.network_id = ANY(CAST(:network_ids AS text[])) AND p.device_owner = 'network:distributed'
    LIMIT :limit
    """
)
_OTHERS = text(
    """
    SELECT coalesce(array_agg(id), '{}') FROM subnets
    WHERE network_id = :network_id AND id <> :subnet_id AND enable_dhcp
    """
)
_SERVED = text(
    """
    SELECT 1 FROM subnets WHERE network_id = :network_id AND id <> :subnet_id AND enable_dhcp LIMIT 1
    """
)


def add_subnet(tx: Tx, caller: Caller, network: Network, space: Space) -> None:
    """Have the network's metadata port, and give it an address in this subnet if that is of IPv4; a new port
    gets one in every such subnet."""
    port_id = tx.value(_own_port(network.id))
    served = [space]
    if port_id is None:
        served += _others_served(tx, network.id, space.subnet_id)
        order = PortOrder(
            network_id=network.id,
            project_id=network.project_id,
            fixed_ips=(),
            device_id=f"ovnmeta-{network.id}",
            device_owner=METADATA,
            port_security=False,
        )
        port_id = ports.create_on(tx, caller, network, order).id
    elif space.cidr.version == 4:
        units.touch(tx, Kind.PORT, [port_id])
    for one in served:
        if one.cidr.version == 4:
            allocation.take_lowest(tx, Claimant(port_id, network.id, "", METADATA), one)


def remove_subnet(tx: Tx, caller: Caller, network_id: str, subnet_id: str) -> None:
    """Give the address in this subnet back; when no other subnet has DHCP, the port goes."""
    port_id = tx.value(_own_port(network_id))
    if port_id is None:
        return
    (port,) = ports.fetch(tx, [port_id])
    gone = [fixed.address for fixed in port.fixed_ips if fixed.subnet_id == subnet_id]
    if tx.value(_SERVED, {"network_id": network_id, "subnet_id": subnet_id}) is None:
        ports.erase(tx, caller, [port])
    elif gone:
        allocation.release(tx, port_id, gone)
        units.touch(tx, Kind.PORT, [port_id])


def of_networks(tx: Tx, network_ids: list[str]) -> dict[str, MetadataPort]:
    """Network id to its metadata port as hosts are told of it; networks without are left out."""
    rows = tx.rows(_OF_NETWORKS, {"network_ids": network_ids, "limit": len(network_ids)})
    return {
        row.network_id: MetadataPort(port_id=row.port_id, mac=row.mac, addresses=list(row.addresses))
        for row in rows
    }


def _others_served(tx: Tx, network_id: str, subnet_id: str) -> list[Space]:
    """The other subnets with DHCP: there are some when the network's port was deleted by hand."""
    found = tx.value(_OTHERS, {"network_id": network_id, "subnet_id": subnet_id})
    return [one for one in allocation.spaces(tx, network_id) if one.subnet_id in found] if found else []


def _own_port(network_id: str) -> Select[tuple[str]]:
    return select(port_rows.c.id).where(
        port_rows.c.network_id == network_id, port_rows.c.device_owner == METADATA
    )
