"""The network's own port, through which every host serves 169.254.169.254 to the guests of the network.

One per network, made with the first IPv4 subnet that has DHCP: the lease's routes lead guests to it.
"""

from dataclasses import dataclass

from sqlalchemy import Select, select, text

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import allocation, ports, units
from volutus.network.allocation import Claimant, Space
from volutus.network.networks import Network
from volutus.network.ovn.model import Kind
from volutus.network.ports import METADATA, PortOrder
from volutus.network.tables import ports as port_rows


@dataclass(frozen=True)
class MetadataAddress:
    """`address` is `ip/prefix`."""

    network_id: str
    port_id: str
    mac: str
    address: str


_OF_NETWORKS = text(
    """
    SELECT p.network_id, p.id AS port_id, p.mac, host(a.ip) || '/' || masklen(s.cidr) AS address
    FROM ports p JOIN port_addresses a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id
    WHERE p.network_id = ANY(CAST(:network_ids AS text[])) AND p.device_owner = 'network:distributed'
    ORDER BY p.network_id, a.position LIMIT :limit
    """
)


def add_subnet(tx: Tx, caller: Caller, network: Network, space: Space) -> None:
    """Give the network's metadata port an address in this subnet, and make the port if there is none."""
    port_id = tx.value(_own_port(network.id))
    if port_id is None:
        order = PortOrder(
            network_id=network.id,
            project_id=network.project_id,
            fixed_ips=(),
            device_id=f"ovnmeta-{network.id}",
            device_owner=METADATA,
            port_security=False,
        )
        port_id = ports.create_on(tx, caller, network, order).id
    else:
        units.touch(tx, Kind.PORT, [port_id])
    allocation.take_lowest(tx, Claimant(port_id, network.id, "", METADATA), space)


def remove_subnet(tx: Tx, caller: Caller, network_id: str, subnet_id: str) -> None:
    """Give the address in this subnet back; without any, the port goes."""
    port_id = tx.value(_own_port(network_id))
    if port_id is None:
        return
    (port,) = ports.fetch(tx, [port_id])
    gone = [fixed.address for fixed in port.fixed_ips if fixed.subnet_id == subnet_id]
    if len(gone) == len(port.fixed_ips):
        ports.erase(tx, caller, [port])
    elif gone:
        allocation.release(tx, port_id, gone)
        units.touch(tx, Kind.PORT, [port_id])


def of_networks(tx: Tx, network_ids: list[str], limit: int) -> dict[str, list[MetadataAddress]]:
    """Network id to the addresses of its metadata port; networks without are left out."""
    found: dict[str, list[MetadataAddress]] = {}
    for row in tx.rows(_OF_NETWORKS, {"network_ids": network_ids, "limit": limit}):
        found.setdefault(row.network_id, []).append(
            MetadataAddress(row.network_id, row.port_id, row.mac, row.address)
        )
    return found


def _own_port(network_id: str) -> Select[tuple[str]]:
    return select(port_rows.c.id).where(
        port_rows.c.network_id == network_id, port_rows.c.device_owner == METADATA
    )
