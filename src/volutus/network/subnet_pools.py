"""Subnet pools: prefixes set aside, from which subnets are cut so that none overlaps another."""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import address_scopes, objects, sharing
from volutus.network.changes import check_revision, given
from volutus.network.errors import (
    InvalidInput,
    PolicyNotAuthorized,
    SubnetAllocationError,
    SubnetPoolInUse,
    SubnetPoolNotFound,
    SubnetPoolQuotaExceeded,
    SubnetPoolsOverlap,
)
from volutus.network.listing import Query, boolean, common_filters, integer, selected, sortable
from volutus.network.tables import subnet_pools, subnets

Cidr = ipaddress.IPv4Network | ipaddress.IPv6Network

# Neutron's own defaults: the smallest subnet that may be cut, and the largest.
MIN_LENGTHS = {4: 8, 6: 64}
MAX_LENGTHS = {4: 32, 6: 128}
PREFIXES_MAX = 100
# Subnets of one pool that a new one is compared with.
SUBNETS_MAX = 100_000
POOLS_PER_SCOPE_MAX = 1000


@dataclass(frozen=True)
class SubnetPool:
    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    ip_version: int
    prefixes: tuple[str, ...]
    default_prefix_length: int
    min_prefix_length: int
    max_prefix_length: int
    default_quota: int | None
    shared: bool
    is_default: bool
    address_scope_id: str | None


@dataclass(frozen=True)
class SubnetPoolOrder:
    """None leaves a length to the cloud. `default_quota` counts a project's IPv4 addresses, or IPv6 /64s."""

    project_id: str
    name: str
    prefixes: tuple[str, ...]
    description: str = ""
    default_prefix_length: int | None = None
    min_prefix_length: int | None = None
    max_prefix_length: int | None = None
    default_quota: int | None = None
    shared: bool = False
    is_default: bool = False
    address_scope_id: str | None = None


@dataclass(frozen=True)
class SubnetPoolChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    prefixes: tuple[str, ...] | UnsetType = UNSET
    default_prefix_length: int | UnsetType = UNSET
    min_prefix_length: int | UnsetType = UNSET
    max_prefix_length: int | UnsetType = UNSET
    default_quota: int | UnsetType | None = UNSET
    is_default: bool | UnsetType = UNSET
    address_scope_id: str | UnsetType | None = UNSET


_FILTERS = common_filters(subnet_pools) | {
    "ip_version": integer(subnet_pools.c.ip_version),
    "default_prefix_length": integer(subnet_pools.c.default_prefix_length),
    "min_prefix_length": integer(subnet_pools.c.min_prefix_length),
    "max_prefix_length": integer(subnet_pools.c.max_prefix_length),
    "default_quota": integer(subnet_pools.c.default_quota),
    "shared": boolean(subnet_pools.c.shared),
    "is_default": boolean(subnet_pools.c.is_default),
}
_SORTABLE = sortable(subnet_pools)


def create(tx: Tx, caller: Caller, order: SubnetPoolOrder) -> SubnetPool:
    """A new pool. Raises InvalidInput for prefixes or lengths that make no sense."""
    prefixes, version = _parsed(order.prefixes)
    shortest = order.min_prefix_length or MIN_LENGTHS[version]
    longest = order.max_prefix_length or MAX_LENGTHS[version]
    usual = order.default_prefix_length or shortest
    _check_lengths(version, shortest, usual, longest)
    _check_scope(tx, caller, order.address_scope_id, version, prefixes)
    if order.is_default:
        _refuse_second_default(tx, version)
    quota.charge(tx, order.project_id, {"subnetpool": 1})
    values = given(order) | {
        "id": tx.ids.uuid(),
        "created_at": tx.now,
        "updated_at": tx.now,
        "ip_version": version,
        "prefixes": [str(prefix) for prefix in prefixes],
        "min_prefix_length": shortest,
        "default_prefix_length": usual,
        "max_prefix_length": longest,
    }
    tx.execute(insert(subnet_pools).values(**values))
    if order.shared:
        sharing.follow(tx, "subnetpool", values["id"], order.project_id, sharing.SHARED, allowed=True)
    audit.record(tx, caller, "create", "network.subnetpool", values["id"], {"name": order.name})
    return get(tx, caller, values["id"])


def get(tx: Tx, caller: Caller, pool_id: str, *, lock: bool = False) -> SubnetPool:
    """A pool of the caller's, or a shared one."""
    statement = _select(caller).where(subnet_pools.c.id == pool_id)
    row = tx.row(statement.with_for_update(of=subnet_pools) if lock else statement)
    if row is None:
        raise SubnetPoolNotFound(f"Subnet pool {pool_id} could not be found.")
    return _pool(row)


def list_(tx: Tx, caller: Caller, query: Query) -> list[SubnetPool]:
    """The pools that the caller may cut from."""
    return [_pool(row) for row in tx.rows(selected(tx, _select(caller), query, _FILTERS, _SORTABLE))]


def change(
    tx: Tx, caller: Caller, pool_id: str, changes: SubnetPoolChanges, if_revision: int | None = None
) -> SubnetPool:
    """Change what is given; prefixes may only grow."""
    before = _own(tx, caller, pool_id)
    check_revision(before.revision, if_revision)
    values = given(changes)
    if changes.prefixes is not UNSET:
        values["prefixes"] = [str(prefix) for prefix in _grown(before, changes.prefixes)]
    lengths = [
        values.get(name, getattr(before, name))
        for name in ("min_prefix_length", "default_prefix_length", "max_prefix_length")
    ]
    _check_lengths(before.ip_version, *lengths)
    scope_id = values.get("address_scope_id", before.address_scope_id)
    prefixes = [ipaddress.ip_network(prefix) for prefix in values.get("prefixes", before.prefixes)]
    _check_scope(tx, caller, scope_id, before.ip_version, prefixes, pool_id)
    if changes.is_default is True and not before.is_default:
        _refuse_second_default(tx, before.ip_version)
    tx.execute(
        update(subnet_pools)
        .where(subnet_pools.c.id == pool_id)
        .values(**values, revision=subnet_pools.c.revision + 1, updated_at=tx.now)
    )
    audit.record(tx, caller, "update", "network.subnetpool", pool_id, {"fields": sorted(values)})
    return get(tx, caller, pool_id)


def remove(tx: Tx, caller: Caller, pool_id: str, if_revision: int | None = None) -> None:
    """Delete a pool. Raises SubnetPoolInUse while a subnet is cut from it."""
    pool = _own(tx, caller, pool_id)
    check_revision(pool.revision, if_revision)
    if tx.value(select(subnets.c.id).where(subnets.c.subnet_pool_id == pool_id).limit(1)) is not None:
        raise SubnetPoolInUse(
            f"Unable to delete subnet pool: Subnet pool {pool_id} has existing allocations."
        )
    tx.execute(delete(subnet_pools).where(subnet_pools.c.id == pool_id))
    sharing.forget(tx, "subnetpool", pool_id)
    quota.release(tx, pool.project_id, {"subnetpool": 1})
    audit.record(tx, caller, "delete", "network.subnetpool", pool_id)


def default_of(tx: Tx, version: int) -> str | None:
    """The pool that subnets of this IP version are cut from when a project asks for a network without saying
    how it should be."""
    default = select(subnet_pools.c.id).where(subnet_pools.c.is_default, subnet_pools.c.ip_version == version)
    found: str | None = tx.value(default)
    return found


def cut(tx: Tx, caller: Caller, pool_id: str, project_id: str, wanted: str | int | None) -> Cidr:
    """A prefix of the pool for a new subnet: this CIDR, or any of this length (None: the pool's usual one).
    The pool stays locked, so that no other subnet is cut in between."""
    pool = get(tx, caller, pool_id, lock=True)
    found = tx.rows(
        select(subnets.c.cidr, subnets.c.project_id)
        .where(subnets.c.subnet_pool_id == pool_id)
        .limit(SUBNETS_MAX)
    )
    taken = [ipaddress.ip_network(str(row.cidr)) for row in found]
    length = wanted if isinstance(wanted, int) else pool.default_prefix_length
    fixed = ipaddress.ip_network(wanted) if isinstance(wanted, str) else None
    length = fixed.prefixlen if fixed else length
    if not pool.min_prefix_length <= length <= pool.max_prefix_length:
        raise InvalidInput(
            f"Unable to allocate subnet with prefix length {length}, the pool {pool_id} allows "
            f"{pool.min_prefix_length} to {pool.max_prefix_length}.",
            field="prefixlen",
        )
    chosen = _given_cidr(pool, taken, fixed) if fixed else _free(pool, taken, length)
    own = [cidr for cidr, row in zip(taken, found, strict=True) if row.project_id == project_id]
    _check_quota(pool, [*own, chosen])
    return chosen


def _given_cidr(pool: SubnetPool, taken: Sequence[Cidr], cidr: Cidr) -> Cidr:
    inside = any(_within(cidr, ipaddress.ip_network(prefix)) for prefix in pool.prefixes)
    if not inside or any(_overlap(cidr, other) for other in taken):
        raise SubnetAllocationError(
            "Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes."
        )
    return cidr


def _free(pool: SubnetPool, taken: Sequence[Cidr], length: int) -> Cidr:
    for prefix in pool.prefixes:
        for candidate in _gaps(ipaddress.ip_network(prefix), sorted(taken, key=_start), length):
            return candidate
    raise SubnetAllocationError(
        f"Failed to allocate subnet: Insufficient prefix space to allocate subnet size /{length}."
    )


def _gaps(prefix: Cidr, taken: Sequence[Cidr], length: int) -> Iterator[Cidr]:
    """Free networks of this length, in order: each try starts behind the subnet that was in its way."""
    if prefix.prefixlen > length:
        return
    size = 1 << (prefix.max_prefixlen - length)
    start = _start(prefix)
    kind = type(prefix)
    while start + size - 1 <= int(prefix.broadcast_address):
        candidate = kind((start, length))
        in_the_way = [other for other in taken if _overlap(candidate, other)]
        if not in_the_way:
            yield candidate
            return
        behind = max(int(other.broadcast_address) for other in in_the_way) + 1
        start = -(-behind // size) * size


def _check_quota(pool: SubnetPool, used: Sequence[Cidr]) -> None:
    if pool.default_quota is None:
        return
    unit = 0 if pool.ip_version == 4 else 64
    if sum(cidr.num_addresses >> unit for cidr in used) > pool.default_quota:
        raise SubnetPoolQuotaExceeded("Per-tenant subnet pool prefix quota exceeded.")


def _refuse_second_default(tx: Tx, version: int) -> None:
    if default_of(tx, version) is not None:
        raise InvalidInput(
            "A default subnetpool for this IP family has already been set. Only one default may exist per IP "
            "family.",
            field="is_default",
        )


def _own(tx: Tx, caller: Caller, pool_id: str) -> SubnetPool:
    pool = get(tx, caller, pool_id, lock=True)
    if not caller.sees(pool.project_id):
        raise PolicyNotAuthorized("Only the pool's own project may change it.")
    return pool


def _select(caller: Caller) -> Select[Any]:
    """Pools that the caller may cut from, with `shared` as it is for it."""
    columns = [column for column in subnet_pools.c if column.name != "shared"]
    shared = sharing.is_shared(subnet_pools, "subnetpool", caller).label("shared")
    return select(*columns, shared).where(*sharing.visible(subnet_pools, "subnetpool", caller))


def _parsed(prefixes: Sequence[str]) -> tuple[list[Cidr], int]:
    """Prefixes merged where they touch, and their IP version."""
    if not 0 < len(prefixes) <= PREFIXES_MAX:
        raise InvalidInput(f"A pool has 1 to {PREFIXES_MAX} prefixes.", field="prefixes")
    networks = [ipaddress.ip_network(prefix) for prefix in prefixes]
    if len({network.version for network in networks}) != 1:
        raise InvalidInput("The prefixes of a pool are of one IP version.", field="prefixes")
    return list(ipaddress.collapse_addresses(networks)), networks[0].version  # type: ignore[type-var]


def _grown(before: SubnetPool, prefixes: Sequence[str]) -> list[Cidr]:
    merged, version = _parsed(prefixes)
    for old in map(ipaddress.ip_network, before.prefixes):
        if version != before.ip_version or not any(_within(old, new) for new in merged):
            raise InvalidInput(
                "Illegal subnetpool prefix update: existing prefixes must be a subset of the new prefixes.",
                field="prefixes",
            )
    return merged


def _check_scope(
    tx: Tx, caller: Caller, scope_id: str | None, version: int, prefixes: Sequence[Cidr], own_id: str = ""
) -> None:
    """Within a scope no address is twice. Raises AddressScopeNotFound, InvalidInput, SubnetPoolsOverlap."""
    if scope_id is None:
        return
    scope = address_scopes.get(tx, caller, scope_id)
    if scope.ip_version != version:
        raise InvalidInput(
            f"Illegal subnetpool association: subnetpool cannot associate with address scope {scope_id} "
            f"because subnetpool ip_version is not {scope.ip_version}.",
            field="address_scope_id",
        )
    others = select(subnet_pools.c.id, subnet_pools.c.prefixes).where(
        subnet_pools.c.address_scope_id == scope_id, subnet_pools.c.id != own_id
    )
    for row in tx.rows(others.limit(POOLS_PER_SCOPE_MAX)):
        taken = [ipaddress.ip_network(str(prefix)) for prefix in row.prefixes]
        if any(_overlap(one, other) for one in prefixes for other in taken):
            raise SubnetPoolsOverlap(
                f"The prefixes overlap with those of subnet pool {row.id} in address scope {scope_id}."
            )


def _check_lengths(version: int, shortest: int, usual: int, longest: int) -> None:
    if not 0 < shortest <= usual <= longest <= MAX_LENGTHS[version]:
        raise InvalidInput(
            f"Illegal prefix bounds: min_prefixlen={shortest}, default_prefixlen={usual}, "
            f"max_prefixlen={longest}."
        )


def _within(inner: Cidr, outer: Cidr) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _overlap(one: Cidr, other: Cidr) -> bool:
    return one.version == other.version and one.overlaps(other)


def _start(cidr: Cidr) -> int:
    return int(cidr.network_address)


def _pool(row: Row[Any]) -> SubnetPool:
    return objects.built(SubnetPool, row)
