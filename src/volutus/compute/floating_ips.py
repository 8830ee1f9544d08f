"""Floating IPs of servers, for clients that name servers and addresses rather than ports."""

from volutus import network
from volutus.compute import actions
from volutus.compute.faults import FloatingIpElsewhere, FloatingIpMissing
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.network import floating_ips
from volutus.network.floating_ips import FloatingIp, FloatingIpChanges
from volutus.network.listing import Query
from volutus.network.ports import Port

_STATES = frozenset({"active", "paused", "stopped", "rescued"})


def associate(tx: Tx, caller: Caller, server_id: str, address: str, fixed_address: str | None = None) -> None:
    """Let the address stand for the server, whatever it stood for before: for the named fixed address, or on
    its first card with one of version 4. Raises FloatingIpMissing, Invalid when each card has one already."""
    server = actions.changeable(tx, caller, server_id, "addFloatingIp", _STATES)
    floating = _by_address(tx, caller, address)
    cards = network.of_server(tx, server.id)
    taken = {found.port_id for found in _of_ports(tx, caller, cards) if found.id != floating.id}
    for port in cards:
        fixed = [ip.address for ip in port.fixed_ips if ":" not in ip.address]
        if port.id not in taken and (fixed_address in fixed if fixed_address else bool(fixed)):
            changes = FloatingIpChanges(port_id=port.id, fixed_address=fixed_address or fixed[0])
            floating_ips.change(tx, caller, floating.id, changes)
            actions.audited(tx, caller, server, "addFloatingIp")
            return
    raise Invalid(f"Server {server_id} has no fixed address left for {address}.", field="address")


def dissociate(tx: Tx, caller: Caller, server_id: str, address: str) -> None:
    """Part the address from the server. Raises FloatingIpMissing, FloatingIpElsewhere."""
    server = actions.changeable(tx, caller, server_id, "removeFloatingIp", _STATES)
    floating = _by_address(tx, caller, address)
    if floating.port_id not in {port.id for port in network.of_server(tx, server.id)}:
        raise FloatingIpElsewhere(f"Floating IP {address} is not associated with server {server_id}.")
    floating_ips.change(tx, caller, floating.id, FloatingIpChanges(port_id=None))
    actions.audited(tx, caller, server, "removeFloatingIp")


def _by_address(tx: Tx, caller: Caller, address: str) -> FloatingIp:
    found = floating_ips.list_(tx, caller, Query({"address": [address]}))
    if not found:
        raise FloatingIpMissing(f"Floating IP {address} could not be found.")
    return found[0]


def _of_ports(tx: Tx, caller: Caller, cards: list[Port]) -> list[FloatingIp]:
    ids = [port.id for port in cards]
    return floating_ips.list_(tx, caller, Query({"port_id": ids})) if ids else []
