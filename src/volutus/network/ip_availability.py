"""How many addresses networks have, and how many are taken."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import networks
from volutus.network.listing import Query

SUBNETS_MAX = 100_000


@dataclass(frozen=True)
class SubnetUsage:
    subnet_id: str
    name: str
    cidr: str
    ip_version: int
    # Of the allocation pools, and of all that a host could have in the prefix; `used` is of the latter.
    total: int
    all: int
    used: int
    used_of_pools: int


@dataclass(frozen=True)
class NetworkUsage:
    network_id: str
    network_name: str
    project_id: str
    subnets: tuple[SubnetUsage, ...]


_SUBNETS = text(
    """
    SELECT s.id, s.network_id, s.name, text(s.cidr) AS cidr, family(s.cidr) AS version,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(host(p.first), host(p.last))), '[]')
         FROM allocation_pools p WHERE p.subnet_id = s.id) AS pools,
        (SELECT count(*) FROM port_addresses a WHERE a.subnet_id = s.id) AS used,
        (SELECT count(*) FROM port_addresses a JOIN allocation_pools p
         ON p.subnet_id = s.id AND a.ip BETWEEN p.first AND p.last WHERE a.subnet_id = s.id) AS used_of_pools
    FROM subnets s WHERE s.network_id = ANY(CAST(:ids AS text[])) ORDER BY s.created_at, s.id LIMIT :limit
    """
)


def list_(tx: Tx, caller: Caller, query: Query) -> list[NetworkUsage]:
    """The use of the networks that the caller sees: two statements however many there are."""
    return _usages(tx, networks.list_(tx, caller, query))


def get(tx: Tx, caller: Caller, network_id: str) -> NetworkUsage:
    """The use of one network."""
    return _usages(tx, [networks.get(tx, caller, network_id)])[0]


def _usages(tx: Tx, found: Sequence[networks.Network]) -> list[NetworkUsage]:
    subnets: dict[str, list[SubnetUsage]] = {}
    ids = [network.id for network in found]
    for row in tx.rows(_SUBNETS, {"ids": ids, "limit": SUBNETS_MAX}):
        total = sum(_size(first, last) for first, last in row.pools)
        cidr = ipaddress.ip_network(row.cidr)
        # Of IPv4 the first and the last are the network's own, except on a link of two.
        reserved = 2 if cidr.version == 4 and cidr.prefixlen < 31 else 0
        sums = total, cidr.num_addresses - reserved, row.used, row.used_of_pools
        subnets.setdefault(row.network_id, []).append(
            SubnetUsage(row.id, row.name, row.cidr, row.version, *sums)
        )
    return [NetworkUsage(it.id, it.name, it.project_id, tuple(subnets.get(it.id, ()))) for it in found]


def _size(first: str, last: str) -> int:
    return int(ipaddress.ip_address(last)) - int(ipaddress.ip_address(first)) + 1
