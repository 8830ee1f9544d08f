"""What compute asks of the network: ports for a server, where they are bound, what its guest gets plugged in.

Ports made for a server go with it; ports that a tenant made and a server adopted are free again afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from sqlalchemy import text, update

from volutus import audit, placement
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.network import metadata_ports, networks, ports, security_groups, topologies, trunks, units
from volutus.network.allocation import FixedIpRequest
from volutus.network.errors import NicRequestAmbiguous, PortInUse, PortNotFound
from volutus.network.ovn.model import Kind
from volutus.network.ports import Port, PortOrder
from volutus.network.tables import ports as port_rows
from volutus.wire import GuestNic

# QEMU's PCI bus has room for some thirty devices; Nova's own bound is lower still.
NICS_PER_SERVER_MAX = 28
# A list of a thousand servers with a dozen addresses each.
ADDRESSES_MAX = 50_000


class NicMode(Enum):
    """What a server gets when no nic is named: NONE no nic at all; UNSAID one on the only network it could
    mean, if there is one; AUTO the same, and where there is none the project's network is made."""

    AUTO = "auto"
    NONE = "none"
    UNSAID = "unsaid"


@dataclass(frozen=True)
class NicRequest:
    """One nic: on a network, or a port that exists. `tag` is what the guest finds it by."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class ServerNics:
    """The nics that a server should get. `security_groups` are names or ids, for the ports that are made;
    empty means the project's default group."""

    server_id: str
    project_id: str
    zone: str = "nova"
    requested: tuple[NicRequest, ...] = ()
    mode: NicMode = NicMode.UNSAID
    security_groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerAddress:
    """An address by which a server is reached; `type` is `fixed` or `floating`."""

    network_name: str
    ip: str
    version: int
    mac: str
    type: str
    port_id: str
    network_id: str


_ADDRESSES = text(
    """
    WITH nics AS (
        SELECT p.id, p.server_id, p.mac, p.nic_order, p.created_at, n.id AS network_id, n.name
        FROM ports p JOIN networks n ON n.id = p.network_id
        WHERE p.server_id = ANY(CAST(:server_ids AS text[]))
    )
    SELECT nics.server_id, nics.name, host(a.ip) AS ip, family(a.ip) AS version, nics.mac, 'fixed' AS type,
        nics.id, nics.network_id, nics.nic_order, nics.created_at, a.position
    FROM nics JOIN port_addresses a ON a.port_id = nics.id
    UNION ALL
    SELECT nics.server_id, nics.name, host(a.ip), family(a.ip), nics.mac, 'floating',
        nics.id, nics.network_id, nics.nic_order, nics.created_at, a.position
    FROM nics JOIN floating_ips f ON f.port_id = nics.id JOIN port_addresses a ON a.port_id = f.own_port_id
    ORDER BY nic_order, created_at, type, position LIMIT :limit
    """
)
_GROUPS = text(
    """
    SELECT DISTINCT p.server_id, g.name, g.id
    FROM ports p JOIN port_security_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.group_id
    WHERE p.server_id = ANY(CAST(:server_ids AS text[]))
    ORDER BY g.name, g.id LIMIT :limit
    """
)
_NOT_READY = text(
    """
    SELECT 1 FROM ports p LEFT JOIN network_units u ON u.kind = 'port' AND u.id = p.id
    WHERE p.server_id = :server_id
        AND (u.written IS NULL OR u.written < u.wanted) LIMIT 1
    """
)
_PLUGS = text(
    """
    SELECT p.id, p.traffic_mark, n.mtu FROM ports p JOIN networks n ON n.id = p.network_id
    WHERE p.server_id = :server_id LIMIT :limit
    """
)


def ports_for_server(tx: Tx, caller: Caller, order: ServerNics) -> list[str]:
    """Make or adopt the ports of a server that is being created; their ids in the order of its nics.

    Raises NicRequestAmbiguous when nothing is named and there are several networks, PortInUse, and whatever
    making a port raises. A project without any network gets a server without nics, unless the mode is AUTO.
    """
    requested = order.requested
    if not requested:
        if order.mode is NicMode.NONE:
            return []
        requested = _automatic(tx, caller)
        if not requested and order.mode is NicMode.AUTO:
            made = topologies.ensure(tx, caller, order.project_id)
            requested = (NicRequest(network_id=made.network_id),)
    _refuse_nonsense(requested)
    return _plug(tx, caller, replace(order, requested=requested), first=0)


def attach_interface(tx: Tx, caller: Caller, order: ServerNics) -> list[str]:
    """The same for a server that exists: its new nics come after those it has."""
    have = of_server(tx, order.server_id)
    requested = order.requested or _automatic(tx, caller)
    if len(have) + len(requested) > NICS_PER_SERVER_MAX:
        raise Invalid(f"A server has at most {NICS_PER_SERVER_MAX} network interfaces.")
    _refuse_nonsense(requested)
    after = tx.value(
        text("SELECT coalesce(max(nic_order) + 1, 0) FROM ports WHERE server_id = :id"),
        {"id": order.server_id},
    )
    return _plug(tx, caller, replace(order, requested=requested), first=after)


def detach_interface(tx: Tx, caller: Caller, server_id: str, port_id: str) -> None:
    """Take one nic from a server. Raises PortNotFound when the port is not the server's."""
    found = [port for port in of_server(tx, server_id) if port.id == port_id]
    if not found:
        raise PortNotFound(f"Port {port_id} could not be found on server {server_id}.")
    _unplug(tx, caller, found)


def release_ports(tx: Tx, server_id: str) -> None:
    """The server is gone: delete the ports made for it, free those that it adopted."""
    _unplug(tx, CLOUD, of_server(tx, server_id))


def bind_ports(tx: Tx, server_id: str, host: placement.Host) -> bool:
    """The server's guest runs on this host: its ports may be plugged in there and nowhere else. False when
    that is so already."""
    chassis = host.facts.chassis if host.facts else host.id
    rows = tx.rows(
        update(port_rows)
        .where(
            port_rows.c.server_id == server_id,
            (port_rows.c.chassis != chassis) | (port_rows.c.host_name != host.hostname),
        )
        .values(
            chassis=chassis, host_name=host.hostname, revision=port_rows.c.revision + 1, updated_at=tx.now
        )
        .returning(port_rows.c.id, port_rows.c.network_id)
    )
    bound = [row.id for row in rows]
    if not bound:
        return False
    units.touch(tx, Kind.PORT, bound)
    trunks.follow_parents(tx, bound)
    for network_id in sorted({row.network_id for row in rows}):
        # Its packets to the outside are counted from the start.
        units.touch_routers_on(tx, network_id)
    return True


def hosts_changed(tx: Tx) -> None:
    """A host came, or has another chassis: gateways may move there."""
    units.touch_gateways(tx)


def ports_ready(tx: Tx, server_id: str) -> bool:
    """Whether OVN has everything about the server's ports that was ever asked for."""
    return tx.row(_NOT_READY, {"server_id": server_id}) is None


def guest_nics(tx: Tx, server_id: str) -> list[GuestNic]:
    """The server's nics as its host is told."""
    plugged = of_server(tx, server_id)
    network_ids = sorted({port.network_id for port in plugged})
    if not network_ids:
        return []
    metadata = metadata_ports.of_networks(tx, network_ids)
    rows = tx.rows(_PLUGS, {"server_id": server_id, "limit": len(plugged)})
    plugs = {row.id: row for row in rows}
    return [
        GuestNic(
            port_id=port.id,
            network_id=port.network_id,
            mac=port.mac,
            addresses=[fixed.address for fixed in port.fixed_ips],
            mtu=plugs[port.id].mtu,
            traffic_mark=plugs[port.id].traffic_mark,
            metadata=metadata.get(port.network_id),
        )
        for port in plugged
    ]


def of_server(tx: Tx, server_id: str) -> list[Port]:
    """The server's ports in the order of its nics, whoever asks."""
    return ports.of_server(tx, server_id, NICS_PER_SERVER_MAX)


def addresses(tx: Tx, server_ids: Sequence[str]) -> dict[str, list[ServerAddress]]:
    """Server id to its addresses, fixed ones first on each nic: one statement for any number of servers."""
    found: dict[str, list[ServerAddress]] = {server_id: [] for server_id in server_ids}
    for row in tx.rows(_ADDRESSES, {"server_ids": list(server_ids), "limit": ADDRESSES_MAX}):
        found[row.server_id].append(
            ServerAddress(row.name, row.ip, row.version, row.mac, row.type, row.id, row.network_id)
        )
    return found


def security_groups_of(tx: Tx, server_ids: Sequence[str]) -> dict[str, list[str]]:
    """Server id to the names of the groups that its ports are in, each once."""
    found: dict[str, list[str]] = {server_id: [] for server_id in server_ids}
    for row in tx.rows(_GROUPS, {"server_ids": list(server_ids), "limit": ADDRESSES_MAX}):
        found[row.server_id].append(row.name)
    return found


def _automatic(tx: Tx, caller: Caller) -> tuple[NicRequest, ...]:
    candidates = networks.usable(tx, caller, 2)
    if len(candidates) > 1:
        raise NicRequestAmbiguous("Multiple possible networks found, use a Network ID to be more specific.")
    return tuple(NicRequest(network_id=network.id) for network in candidates)


def _refuse_nonsense(requested: Sequence[NicRequest]) -> None:
    if len(requested) > NICS_PER_SERVER_MAX:
        raise Invalid(f"A server has at most {NICS_PER_SERVER_MAX} network interfaces.", field="networks")
    adopted = [request.port_id for request in requested if request.port_id]
    if len(set(adopted)) != len(adopted):
        raise Invalid("A port is named twice.", field="networks")
    if any(request.port_id is None and request.network_id is None for request in requested):
        raise Invalid("A network interface needs a network or a port.", field="networks")


def _plug(tx: Tx, caller: Caller, order: ServerNics, first: int) -> list[str]:
    groups: tuple[str, ...] | None = None
    if order.security_groups and any(request.port_id is None for request in order.requested):
        groups = tuple(security_groups.resolve(tx, caller, order.security_groups, order.project_id))
    return [
        _make(tx, caller, order, request, position, groups)
        if request.port_id is None
        else _adopt(tx, caller, order, request, position)
        for position, request in enumerate(order.requested, start=first)
    ]


def _make(
    tx: Tx,
    caller: Caller,
    order: ServerNics,
    request: NicRequest,
    position: int,
    groups: tuple[str, ...] | None,
) -> str:
    network = networks.hold(tx, caller, request.network_id or "")
    ports.refuse_external(caller, network)
    wanted = PortOrder(
        network_id=network.id,
        project_id=order.project_id,
        fixed_ips=(FixedIpRequest(address=request.fixed_ip),) if request.fixed_ip else None,
        security_group_ids=groups,
        device_id=order.server_id,
        device_owner=f"compute:{order.zone}",
        server_id=order.server_id,
        made_for_server=True,
        nic_tag=request.tag,
        nic_order=position,
    )
    return ports.create_on(tx, caller, network, wanted).id


def _adopt(tx: Tx, caller: Caller, order: ServerNics, request: NicRequest, position: int) -> str:
    port = ports.get(tx, caller, request.port_id or "", lock=True)
    if port.device_id or port.server_id:
        raise PortInUse(f"Port {port.id} is still in use.")
    if int(port.mac[1], 16) & 1:
        raise Invalid(f"Port {port.id} has a group's MAC address {port.mac}: no card can have it.")
    tx.execute(
        update(port_rows)
        .where(port_rows.c.id == port.id)
        .values(
            device_id=order.server_id,
            device_owner=f"compute:{order.zone}",
            server_id=order.server_id,
            made_for_server=False,
            nic_tag=request.tag,
            nic_order=position,
            revision=port_rows.c.revision + 1,
            updated_at=tx.now,
        )
    )
    audit.record(tx, caller, "attach", "network.port", port.id, {"server_id": order.server_id})
    units.touch(tx, Kind.PORT, [port.id])
    return port.id


def _unplug(tx: Tx, caller: Caller, plugged: Sequence[Port]) -> None:
    ports.erase(tx, caller, [port for port in plugged if port.made_for_server])
    adopted = [port.id for port in plugged if not port.made_for_server]
    if not adopted:
        return
    tx.execute(
        update(port_rows)
        .where(port_rows.c.id.in_(adopted))
        .values(
            device_id="",
            device_owner="",
            server_id=None,
            host_name="",
            chassis="",
            nic_tag=None,
            nic_order=0,
            revision=port_rows.c.revision + 1,
            updated_at=tx.now,
        )
    )
    trunks.follow_parents(tx, adopted)
    for port_id in adopted:
        audit.record(tx, caller, "detach", "network.port", port_id)
    units.touch(tx, Kind.PORT, adopted)
