"""From a question to a packet: what leaves the port when its guest sends to an address, and to whom first.

A guest chooses the next hop by its own routes. They are taken to be what DHCP gives it: its subnets, their
host routes, their gateways.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import ports
from volutus.network.errors import InvalidInput, PortNotFound
from volutus.network.ports import Port

PROTOCOLS = ("tcp", "udp", "sctp", "icmp")
PORT_MAX = 65_535
# Any port above the well-known ones: rules on source ports are no part of security groups.
SOURCE_PORT = 40_000
ECHO_REQUEST = {4: "icmp4.type == 8 && icmp4.code == 0", 6: "icmp6.type == 128 && icmp6.code == 0"}
METADATA_ADDRESS = "169.254.169.254"
TTL = 64

_SUBNETS = text(
    """
    SELECT s.id, text(s.cidr) AS cidr, host(s.gateway) AS gateway, s.host_routes, host(own.ip) AS own,
        (SELECT host(a.ip) FROM port_addresses a JOIN ports p ON p.id = a.port_id
         WHERE a.subnet_id = s.id AND p.network_id = s.network_id AND p.device_owner = 'network:distributed'
         LIMIT 1) AS metadata
    FROM port_addresses own JOIN subnets s ON s.id = own.subnet_id
    WHERE own.port_id = :port_id ORDER BY own.position, own.ip LIMIT :limit
    """
)
_NEIGHBOUR = text(
    """
    SELECT p.id, p.mac FROM port_addresses a JOIN ports p ON p.id = a.port_id
    WHERE p.network_id = :network_id AND a.ip = CAST(:address AS inet) LIMIT 1
    """
)
SUBNETS_MAX = 50


@dataclass(frozen=True)
class Question:
    """`port` is the port sent to, for protocols that have ports."""

    to: str
    protocol: str = "icmp"
    port: int | None = None


@dataclass(frozen=True)
class Packet:
    """`flow` is the packet as an OVN expression; `network_id` is the switch on which it starts."""

    source: Port
    question: Question
    network_id: str
    flow: str


@dataclass(frozen=True)
class Stopped:
    """There would be no packet: `why` says what the guest lacks to send one."""

    source: Port
    question: Question
    why: str


def packet(tx: Tx, caller: Caller, port_id: str, asked: Mapping[str, str]) -> Packet | Stopped:
    """The packet that the port would send. `asked` has `to` and may have `protocol` and `port`. Raises
    InvalidInput naming the parameter, PortNotFound also for a port that the caller only sees."""
    source = ports.get(tx, caller, port_id)
    if not caller.sees(source.project_id):
        raise PortNotFound(f"Port {port_id} could not be found.")
    question = _question(asked)
    subnets = tx.rows(_SUBNETS, {"port_id": port_id, "limit": SUBNETS_MAX})
    version = ipaddress.ip_address(question.to).version
    subnets = [subnet for subnet in subnets if (":" in subnet.cidr) == (version == 6)]
    if not subnets:
        return Stopped(source, question, f"The port has no IPv{version} address to send from.")
    subnet, hop = _next_hop(subnets, question.to)
    if hop is None:
        return Stopped(
            source,
            question,
            f"The port's subnet has no gateway and no route to {question.to}: nobody to ask.",
        )
    neighbour = tx.row(_NEIGHBOUR, {"network_id": source.network_id, "address": hop})
    if neighbour is None:
        return Stopped(source, question, _nobody(hop, question.to))
    return Packet(source, question, source.network_id, _flow(source, subnet.own, neighbour.mac, question))


def _question(asked: Mapping[str, str]) -> Question:
    unknown = sorted(set(asked) - {"to", "protocol", "port"})
    if unknown:
        raise InvalidInput(f"There is no parameter {unknown[0]!r} of a trace.", field=unknown[0])
    try:
        to = str(ipaddress.ip_address(asked.get("to", "")))
    except ValueError:
        raise InvalidInput("to must be the IP address to send to.", field="to") from None
    given = asked.get("port")
    protocol = asked.get("protocol", "icmp" if given is None else "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidInput(f"protocol must be one of {', '.join(PROTOCOLS)}.", field="protocol")
    if protocol == "icmp":
        if given is not None:
            raise InvalidInput("ICMP has no ports.", field="port")
        return Question(to, protocol)
    if given is None or not (given.isascii() and given.isdigit() and 0 < int(given[:6]) <= PORT_MAX):
        raise InvalidInput(f"port must be a number from 1 to {PORT_MAX}.", field="port")
    return Question(to, protocol, int(given))


def _next_hop(subnets: Sequence[Row[Any]], to: str) -> tuple[Row[Any], str | None]:
    """Through which subnet the guest sends, and whose hardware address it asks for. The longest prefix wins;
    a default route comes last."""
    address = ipaddress.ip_address(to)
    best: tuple[int, Row[Any], str | None] = (-1, subnets[0], None)
    for subnet in subnets:
        routes = [(subnet.cidr, to), *((route[0], route[1]) for route in subnet.host_routes)]
        if subnet.metadata:
            routes.append((f"{METADATA_ADDRESS}/32", subnet.metadata))
        if subnet.gateway:
            routes.append(("::/0" if ":" in subnet.cidr else "0.0.0.0/0", subnet.gateway))
        for destination, hop in routes:
            prefix = ipaddress.ip_network(destination)
            if address in prefix and prefix.prefixlen > best[0]:
                best = (prefix.prefixlen, subnet, hop)
    return best[1], best[2]


def _nobody(hop: str, to: str) -> str:
    if hop == to:
        return f"Nobody on the port's network has the address {to}."
    return (
        f"The way to {to} leads over {hop}, and nobody on the port's network has that address: "
        "is the subnet plugged into a router?"
    )


def _flow(source: Port, own: str, next_mac: str, question: Question) -> str:
    version = 6 if ":" in question.to else 4
    terms = [
        f'inport == "{source.id}"',
        f"eth.src == {source.mac}",
        f"eth.dst == {next_mac}",
        f"ip{version}.src == {own}",
        f"ip{version}.dst == {question.to}",
        f"ip.ttl == {TTL}",
    ]
    if question.port is None:
        terms.append(ECHO_REQUEST[version])
    else:
        protocol = question.protocol
        terms += [f"{protocol}.src == {SOURCE_PORT}", f"{protocol}.dst == {question.port}"]
    return " && ".join(terms)
