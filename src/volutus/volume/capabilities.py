"""Storage classes: what the hosts' pools can do, and which pool a volume type asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.dialects import postgresql

from volutus import audit, placement
from volutus.db import Page, Tx
from volutus.identity import Caller
from volutus.placement.inventory import FIRST_POOL, pool_resource
from volutus.volume.tables import services

# More hosts than this cannot be chosen from at once.
HOSTS_MAX = 1000
CAPABILITIES: Mapping[str, str] = {
    "vendor_name": "Volutus",
    "storage_protocol": "file",
    "thin_provisioning_support": "true",
    "QoS_support": "true",
    "multiattach": "true",
}
_SCOPE = "capabilities:"
_POOL_NAME = "volume_backend_name"


@dataclass(frozen=True)
class Pool:
    """One host's storage of one class. A disabled or frozen one takes nothing new."""

    host: placement.Host
    name: str
    gib: int
    used_gib: int
    disabled: bool = False
    reason: str | None = None
    frozen: bool = False

    @property
    def open(self) -> bool:
        """Whether new disks may go there."""
        return not (self.disabled or self.frozen)


def pools(tx: Tx) -> list[Pool]:
    """All pools of all hosts, by host and name."""
    said = {(row.host_id, row.pool): row for row in tx.rows(select(services).limit(HOSTS_MAX))}
    found = []
    for host in sorted(placement.hosts.list_(tx, Page(limit=HOSTS_MAX)), key=lambda one: one.hostname):
        sizes = (host.facts.pools if host.facts else {}) or {FIRST_POOL: host.disk_gib}
        found += [_pool(host, name, gib, said.get((host.id, name))) for name, gib in sizes.items()]
    return found


def find(tx: Tx, name: str) -> list[Pool]:
    """The pools of `HOST@POOL`, or all of `HOST`'s."""
    host, _, pool = name.partition("@")
    pool = pool.partition("#")[0]
    return [one for one in pools(tx) if one.host.hostname == host and pool in ("", one.name)]


def say(tx: Tx, caller: Caller, pool: Pool, **said: Any) -> None:
    """Note what an operator says of a pool: `disabled`, `reason`, `frozen`."""
    statement = postgresql.insert(services).values(host_id=pool.host.id, pool=pool.name, **said)
    tx.execute(statement.on_conflict_do_update(index_elements=["host_id", "pool"], set_=said))
    audit.record(tx, caller, "update", "volume.service", f"{pool.host.hostname}@{pool.name}", said)


def hosts_with(tx: Tx, pool: str) -> list[str]:
    """Hosts on which a disk may be made in this pool."""
    return [one.host.id for one in pools(tx) if one.name == pool and one.open]


def pool_of(extra_specs: Mapping[str, str]) -> str:
    """The pool where a type's volumes are made."""
    return named_pool(extra_specs) or FIRST_POOL


def named_pool(extra_specs: Mapping[str, str]) -> str | None:
    """The pool that a type asks for; None for one whose volumes may be anywhere."""
    return extra_specs.get(_POOL_NAME) or extra_specs.get(_SCOPE + _POOL_NAME) or None


def shared(extra_specs: Mapping[str, str]) -> bool:
    """Whether volumes of a type may be attached more than once."""
    found = extra_specs.get("multiattach") or extra_specs.get(_SCOPE + "multiattach") or ""
    return _plain(found) == "true"


def lacking(extra_specs: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """The specs that no host fulfils, where there are pools of these names. A spec with another scope than
    `capabilities:` is a note for somebody else; any other must be as it says, or a type would promise what it
    does not keep."""
    return [key for key, value in extra_specs.items() if not _holds(key, value, names)]


def _pool(host: placement.Host, name: str, gib: int, said: Row[Any] | None) -> Pool:
    key = pool_resource(name)
    used = host.resources_used.get(key, 0) if key in host.resources else host.disk_gib_used
    if said is None:
        return Pool(host, name, gib, used)
    return Pool(host, name, gib, used, said.disabled, said.reason, said.frozen)


def _holds(key: str, value: str, names: Sequence[str]) -> bool:
    name = key.removeprefix(_SCOPE)
    if ":" in name:
        return True
    if name == _POOL_NAME:
        return value in names
    return CAPABILITIES.get(name, "").lower() == _plain(value)


def _plain(value: str) -> str:
    return value.removeprefix("<is>").strip().lower()
