"""Who has which address: allocation without a race, by a constraint on (subnet, address).

A free address is guessed at random within the pools: in a pool that is not nearly full the first of a few
guesses is free, whatever the pool's size, and two requests at once rarely guess the same. When all guesses
are taken, the lowest gap is searched for.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, text

from volutus.db import Tx
from volutus.network.errors import (
    InvalidInput,
    InvalidIpForNetwork,
    InvalidIpForSubnet,
    IpAddressAlreadyAllocated,
    IpAddressGenerationFailure,
)
from volutus.network.tables import port_addresses
from volutus.wire.addresses import eui64

# With these many guesses a pool of a /24 that is half full fails once in 250 times, and then is searched.
GUESSES = 8
# Racing for the last addresses of a pool: each round somebody gets one.
ROUNDS_MAX = 100
SUBNETS_MAX = 1000
# As many as Neutron's max_fixed_ips_per_port once allowed; also what one statement each is made for.
ADDRESSES_PER_PORT_MAX = 50

AUTO_MODES = ("slaac", "dhcpv6-stateless")


@dataclass(frozen=True)
class Pool:
    """First and last address, both within."""

    first: str
    last: str


@dataclass(frozen=True)
class FixedIp:
    subnet_id: str
    address: str


@dataclass(frozen=True)
class FixedIpRequest:
    """What is asked for: any address of a subnet, one address, or one address of one subnet."""

    subnet_id: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class Space:
    """A subnet as allocation sees it."""

    subnet_id: str
    cidr: ipaddress.IPv4Network | ipaddress.IPv6Network
    address_mode: str | None
    gateway: str | None
    pools: tuple[Pool, ...]
    service_types: tuple[str, ...]

    @property
    def is_auto(self) -> bool:
        """Whether guests make their own address from the prefix and their MAC."""
        return self.address_mode in AUTO_MODES


@dataclass(frozen=True)
class Claimant:
    """The port that gets addresses. Router ports take no automatic ones."""

    port_id: str
    network_id: str
    mac: str
    device_owner: str = ""

    @property
    def is_router(self) -> bool:
        return self.device_owner.startswith("network:router_")


# Shared against deletion of the subnets, so that an address is never given out of one that is going.
_SPACES = text(
    """
    SELECT s.id, s.cidr, s.address_mode, host(s.gateway) AS gateway, s.service_types,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(host(p.first), host(p.last)) ORDER BY p.first), '[]')
         FROM allocation_pools p WHERE p.subnet_id = s.id) AS pools
    FROM subnets s WHERE s.network_id = :network_id ORDER BY s.created_at, s.id LIMIT :limit
    FOR KEY SHARE OF s
    """
)
_TAKE = text(
    """
    INSERT INTO port_addresses (subnet_id, ip, port_id, position)
    VALUES (:subnet_id, CAST(:ip AS inet), :port_id, :position) ON CONFLICT DO NOTHING RETURNING host(ip)
    """
)
_GUESS = text(
    """
    INSERT INTO port_addresses (subnet_id, ip, port_id, position)
    SELECT :subnet_id, c.ip, :port_id, :position
    FROM unnest(CAST(:ips AS inet[])) WITH ORDINALITY AS c(ip, n)
    WHERE NOT EXISTS (SELECT 1 FROM port_addresses a WHERE a.subnet_id = :subnet_id AND a.ip = c.ip)
    ORDER BY c.n LIMIT 1
    ON CONFLICT DO NOTHING RETURNING host(ip)
    """
)
_GAP = text(
    """
    WITH gap AS (
        SELECT c.ip FROM (
            SELECT CAST(:first AS inet) AS ip
            UNION ALL
            SELECT a.ip + 1 FROM port_addresses a
            WHERE a.subnet_id = :subnet_id AND a.ip >= CAST(:first AS inet) AND a.ip < CAST(:last AS inet)
        ) c
        WHERE NOT EXISTS (SELECT 1 FROM port_addresses b WHERE b.subnet_id = :subnet_id AND b.ip = c.ip)
        ORDER BY c.ip LIMIT 1
    ), made AS (
        INSERT INTO port_addresses (subnet_id, ip, port_id, position)
        SELECT :subnet_id, gap.ip, :port_id, :position FROM gap
        ON CONFLICT DO NOTHING RETURNING ip
    )
    SELECT (SELECT host(ip) FROM gap) AS gap, (SELECT host(ip) FROM made) AS made
    """
)


def spaces(tx: Tx, network_id: str) -> list[Space]:
    """The subnets of a network, held against deletion until the transaction ends."""
    rows = tx.rows(_SPACES, {"network_id": network_id, "limit": SUBNETS_MAX})
    return [_space(row) for row in rows]


def allocate(
    tx: Tx, claimant: Claimant, requests: Sequence[FixedIpRequest] | None, of: Sequence[Space]
) -> list[FixedIp]:
    """Give the port what it asks for; with None, one address of each IP version that the network has.

    Raises IpAddressAlreadyAllocated, IpAddressGenerationFailure, InvalidIpForNetwork, InvalidIpForSubnet.
    """
    if requests is not None and len(requests) > ADDRESSES_PER_PORT_MAX:
        raise InvalidInput(f"A port has at most {ADDRESSES_PER_PORT_MAX} addresses.", field="fixed_ips")
    if requests is None:
        found = _choose(tx, claimant, of)
    else:
        found = [_fulfil(tx, claimant, request, of, position) for position, request in enumerate(requests)]
    if requests == () or requests == [] or claimant.is_router:
        return found
    have = {fixed.subnet_id for fixed in found}
    automatic = [space for space in of if space.is_auto and space.subnet_id not in have]
    return found + [
        _take(tx, claimant, space, eui64(space.cidr, claimant.mac), len(found) + position)
        for position, space in enumerate(automatic)
    ]


def take_lowest(tx: Tx, claimant: Claimant, space: Space, position: int = 0) -> FixedIp:
    """The lowest free address of the pools. Raises IpAddressGenerationFailure."""
    for pool in space.pools:
        for _ in range(ROUNDS_MAX):
            row = tx.row(
                _GAP,
                {
                    "subnet_id": space.subnet_id,
                    "port_id": claimant.port_id,
                    "position": position,
                    "first": pool.first,
                    "last": pool.last,
                },
            )
            if row is None or row.gap is None:
                break
            if row.made is not None:
                return FixedIp(space.subnet_id, row.made)
    raise _exhausted(claimant.network_id)


def release(tx: Tx, port_id: str, addresses: Sequence[str]) -> None:
    """Take single addresses from a port."""
    tx.execute(
        delete(port_addresses).where(port_addresses.c.port_id == port_id, port_addresses.c.ip.in_(addresses))
    )


def _choose(tx: Tx, claimant: Claimant, of: Sequence[Space]) -> list[FixedIp]:
    found: list[FixedIp] = []
    for version in (4, 6):
        fitting = [s for s in of if s.cidr.version == version and not s.is_auto and _serves(s, claimant)]
        if fitting:
            found.append(_first_with_room(tx, claimant, fitting, len(found)))
    return found


def _serves(space: Space, claimant: Claimant) -> bool:
    return not space.service_types or claimant.device_owner in space.service_types


def _first_with_room(tx: Tx, claimant: Claimant, of: Sequence[Space], position: int) -> FixedIp:
    for space in of[:-1]:
        if (found := _try_any(tx, claimant, space, position)) is not None:
            return found
    return _any(tx, claimant, of[-1], position)


def _fulfil(
    tx: Tx, claimant: Claimant, request: FixedIpRequest, of: Sequence[Space], position: int
) -> FixedIp:
    space = _asked(claimant, request, of)
    if request.address is None:
        if space.is_auto and not claimant.is_router:
            return _take(tx, claimant, space, eui64(space.cidr, claimant.mac), position)
        return _any(tx, claimant, space, position)
    address = ipaddress.ip_address(request.address)
    if address not in space.cidr or _is_reserved(space, address):
        raise InvalidIpForSubnet(
            f"IP address {address} is not a valid IP for the specified subnet.", field="fixed_ips"
        )
    if space.is_auto and not claimant.is_router and str(address) != eui64(space.cidr, claimant.mac):
        raise InvalidInput(
            f"Invalid input for operation: IPv6 address {address} can not be directly assigned to a port "
            f"on subnet {space.subnet_id} as the subnet is configured for automatic addresses.",
            field="fixed_ips",
        )
    return _take(tx, claimant, space, str(address), position)


def _asked(claimant: Claimant, request: FixedIpRequest, of: Sequence[Space]) -> Space:
    if request.subnet_id is not None:
        for space in of:
            if space.subnet_id == request.subnet_id:
                return space
        raise InvalidInput(
            f"Invalid input for operation: Failed to create port on network {claimant.network_id}, because "
            f"fixed_ips included invalid subnet {request.subnet_id}.",
            field="fixed_ips",
        )
    if request.address is None:
        raise InvalidInput(
            "Invalid input for operation: IP allocation requires subnet_id or ip_address.", field="fixed_ips"
        )
    address = ipaddress.ip_address(request.address)
    for space in of:
        if address in space.cidr:
            return space
    raise InvalidIpForNetwork(
        f"IP address {request.address} is not a valid IP for any of the subnets on the specified network.",
        field="fixed_ips",
    )


def _is_reserved(space: Space, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if space.cidr.version == 6 or space.cidr.prefixlen >= 31:
        return False
    return address in (space.cidr.network_address, space.cidr.broadcast_address)


def _take(tx: Tx, claimant: Claimant, space: Space, address: str, position: int) -> FixedIp:
    taken = tx.value(
        _TAKE,
        {
            "subnet_id": space.subnet_id,
            "ip": address,
            "port_id": claimant.port_id,
            "position": position,
        },
    )
    if taken is None:
        raise IpAddressAlreadyAllocated(
            f"IP address {address} already allocated in subnet {space.subnet_id}", field="fixed_ips"
        )
    return FixedIp(space.subnet_id, taken)


def _any(tx: Tx, claimant: Claimant, space: Space, position: int) -> FixedIp:
    guessed = _guess(tx, claimant, space, position)
    return guessed or take_lowest(tx, claimant, space, position)


def _try_any(tx: Tx, claimant: Claimant, space: Space, position: int) -> FixedIp | None:
    try:
        return _any(tx, claimant, space, position)
    except IpAddressGenerationFailure:
        return None


def _guess(tx: Tx, claimant: Claimant, space: Space, position: int) -> FixedIp | None:
    bounds = [(ipaddress.ip_address(p.first), ipaddress.ip_address(p.last)) for p in space.pools]
    sizes = [int(last) - int(first) + 1 for first, last in bounds]
    if not sum(sizes):
        return None
    guesses = []
    for _ in range(GUESSES):
        offset = tx.ids.choice(sum(sizes))
        for (first, _), size in zip(bounds, sizes, strict=True):
            if offset < size:
                guesses.append(str(first + offset))
                break
            offset -= size
    values = {
        "subnet_id": space.subnet_id,
        "ips": guesses,
        "port_id": claimant.port_id,
        "position": position,
    }
    taken = tx.value(_GUESS, values)
    return FixedIp(space.subnet_id, taken) if taken is not None else None


def _exhausted(network_id: str) -> IpAddressGenerationFailure:
    return IpAddressGenerationFailure(f"No more IP addresses available on network {network_id}.")


def _space(row: Row[Any]) -> Space:
    return Space(
        subnet_id=row.id,
        cidr=ipaddress.ip_network(str(row.cidr)),
        address_mode=row.address_mode,
        gateway=row.gateway,
        pools=tuple(Pool(first, last) for first, last in row.pools),
        service_types=tuple(row.service_types),
    )
