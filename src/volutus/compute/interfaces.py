"""Network cards of servers that exist: plugging and unplugging, further addresses, security groups."""

from collections.abc import Sequence

from volutus import network, placement
from volutus.compute import actions, servers
from volutus.compute.faults import AttachmentNotFound, SecurityGroupMissing
from volutus.compute.servers import Server
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.network import NicRequest, ServerNics, port_changes, security_groups
from volutus.network.allocation import FixedIpRequest
from volutus.network.port_changes import PortChanges
from volutus.network.ports import Port

_PLUGGABLE = frozenset({"active", "paused", "stopped"})


def list_(tx: Tx, caller: Caller, server_id: str) -> list[Port]:
    """The server's ports in the order of its cards."""
    return network.of_server(tx, servers.get(tx, caller, server_id).id)


def get(tx: Tx, caller: Caller, server_id: str, port_id: str) -> Port:
    """One of the server's ports. Raises AttachmentNotFound."""
    for port in list_(tx, caller, server_id):
        if port.id == port_id:
            return port
    raise AttachmentNotFound(f"Instance {server_id} does not have a port with id {port_id}")


def attach(tx: Tx, caller: Caller, server_id: str, request: NicRequest | None) -> Port:
    """Plug in one more card: a port that exists, or a new one; None means on the project's only network."""
    server = actions.changeable(tx, caller, server_id, "attach_interface", _PLUGGABLE)
    wanted = ServerNics(
        server_id=server.id,
        project_id=server.project_id,
        zone=server.guest.zone if server.guest else "nova",
        requested=(request,) if request else (),
    )
    made = network.attach_interface(tx, caller, wanted)
    if not made:
        raise Invalid("There is no network to attach the server to.", field="net_id")
    if server.guest is not None:
        network.bind_ports(tx, server.id, placement.hosts.get(tx, server.guest.host_id))
    actions.touched(tx, caller, server, "attach_interface")
    return get(tx, caller, server_id, made[0])


def detach(tx: Tx, caller: Caller, server_id: str, port_id: str) -> None:
    """Unplug a card; a port made for the server goes with it."""
    server = actions.changeable(tx, caller, server_id, "detach_interface", _PLUGGABLE)
    get(tx, caller, server_id, port_id)
    network.detach_interface(tx, caller, server.id, port_id)
    actions.touched(tx, caller, server, "detach_interface")


def add_fixed_ip(tx: Tx, caller: Caller, server_id: str, network_id: str) -> None:
    """One more address on the server's card on that network."""
    server = actions.changeable(tx, caller, server_id, "add_fixed_ip", _PLUGGABLE)
    found = [port for port in network.of_server(tx, server.id) if port.network_id == network_id]
    if not found:
        raise Invalid(f"Server {server_id} has no interface on network {network_id}.", field="networkId")
    kept = _kept(found[0])
    more = FixedIpRequest(subnet_id=kept[0].subnet_id if kept else None)
    changes = PortChanges(fixed_ips=(*kept, more))
    port_changes.change(tx, caller, found[0].id, changes)
    actions.touched(tx, caller, server, "add_fixed_ip")


def remove_fixed_ip(tx: Tx, caller: Caller, server_id: str, address: str) -> None:
    """Take an address from whichever of the server's cards has it."""
    server = actions.changeable(tx, caller, server_id, "remove_fixed_ip", _PLUGGABLE)
    for port in network.of_server(tx, server.id):
        kept = [request for request in _kept(port) if request.address != address]
        if len(kept) < len(port.fixed_ips):
            port_changes.change(tx, caller, port.id, PortChanges(fixed_ips=tuple(kept)))
            actions.touched(tx, caller, server, "remove_fixed_ip")
            return
    raise Invalid(f"Fixed IP {address} could not be found on server {server_id}.", field="address")


def add_security_group(tx: Tx, caller: Caller, server_id: str, name: str) -> None:
    """Put all of the server's ports into a group, named by name or id."""
    server = servers.locked(tx, caller, server_id)
    actions.check_unlocked(caller, server)
    (group_id,) = security_groups.resolve(tx, caller, [name], server.project_id)
    for port in _secured(tx, server):
        _regroup(tx, caller, port, {*port.security_group_ids, group_id})


def remove_security_group(tx: Tx, caller: Caller, server_id: str, name: str) -> None:
    """Take all of the server's ports out of a group. Raises SecurityGroupMissing when none is in it."""
    server = servers.locked(tx, caller, server_id)
    actions.check_unlocked(caller, server)
    (group_id,) = security_groups.resolve(tx, caller, [name], server.project_id)
    members = [port for port in _secured(tx, server) if group_id in port.security_group_ids]
    if not members:
        raise SecurityGroupMissing(f"Security group {name} not associated with the instance {server_id}")
    for port in members:
        _regroup(tx, caller, port, {*port.security_group_ids} - {group_id})


def _secured(tx: Tx, server: Server) -> Sequence[Port]:
    return [port for port in network.of_server(tx, server.id) if port.port_security]


def _regroup(tx: Tx, caller: Caller, port: Port, group_ids: set[str]) -> None:
    changes = PortChanges(security_group_ids=tuple(sorted(group_ids)))
    port_changes.change(tx, caller, port.id, changes)


def _kept(port: Port) -> list[FixedIpRequest]:
    return [FixedIpRequest(fixed.subnet_id, fixed.address) for fixed in port.fixed_ips]
