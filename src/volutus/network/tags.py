"""Tags: words that a tenant hangs on objects of any kind, to find them by."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sqlalchemy import Table, update

from volutus import audit
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import (
    address_groups,
    address_scopes,
    floating_ips,
    networks,
    ports,
    qos_policies,
    routers,
    security_group_rules,
    security_groups,
    subnet_pools,
    subnets,
    tables,
    trunks,
)
from volutus.network.errors import InvalidInput, PolicyNotAuthorized, TagNotFound

# Neutron's bounds.
TAGS_MAX = 50
TAG_LENGTH_MAX = 255


class Tagged(Protocol):
    """What of an object matters here."""

    @property
    def project_id(self) -> str: ...

    @property
    def tags(self) -> tuple[str, ...]: ...


# The noun of the audit trail, to how it is fetched and where it is stored.
_KINDS: Mapping[str, tuple[Callable[[Tx, Caller, str], Tagged], Table]] = {
    "network": (networks.get, tables.networks),
    "subnet": (subnets.get, tables.subnets),
    "subnetpool": (subnet_pools.get, tables.subnet_pools),
    "port": (ports.get, tables.ports),
    "router": (routers.get, tables.routers),
    "floatingip": (floating_ips.get, tables.floating_ips),
    "security_group": (security_groups.get, tables.security_groups),
    "security_group_rule": (security_group_rules.get, tables.security_group_rules),
    "address_scope": (address_scopes.get, tables.address_scopes),
    "address_group": (address_groups.get, tables.address_groups),
    "qos_policy": (qos_policies.get, tables.qos_policies),
    "trunk": (trunks.get, tables.trunks),
}
KINDS = tuple(_KINDS)


def get(tx: Tx, caller: Caller, kind: str, object_id: str) -> list[str]:
    """The tags of an object that the caller can see."""
    return sorted(_KINDS[kind][0](tx, caller, object_id).tags)


def replace(tx: Tx, caller: Caller, kind: str, object_id: str, wanted: Sequence[str]) -> list[str]:
    """Have exactly these tags."""
    fetch, table = _KINDS[kind]
    if not caller.sees(fetch(tx, caller, object_id).project_id):
        raise PolicyNotAuthorized(f"Only the {kind}'s own project may tag it.")
    tags = sorted(set(wanted))
    if len(tags) > TAGS_MAX or any(not 0 < len(tag) <= TAG_LENGTH_MAX for tag in tags):
        raise InvalidInput(
            f"At most {TAGS_MAX} tags of 1 to {TAG_LENGTH_MAX} characters can be set.", field="tags"
        )
    tx.execute(
        update(table)
        .where(table.c.id == object_id)
        .values(tags=tags, revision=table.c.revision + 1, updated_at=tx.now)
    )
    audit.record(tx, caller, "tag", f"network.{kind}", object_id, {"tags": tags})
    return tags


def add(tx: Tx, caller: Caller, kind: str, object_id: str, tag: str) -> None:
    """Hang one more on it; one that is there stays."""
    replace(tx, caller, kind, object_id, [*get(tx, caller, kind, object_id), tag])


def remove(tx: Tx, caller: Caller, kind: str, object_id: str, tag: str) -> None:
    """Take one off. Raises TagNotFound."""
    tags = require(tx, caller, kind, object_id, tag)
    replace(tx, caller, kind, object_id, [one for one in tags if one != tag])


def require(tx: Tx, caller: Caller, kind: str, object_id: str, tag: str) -> list[str]:
    """All tags, if this is one of them. Raises TagNotFound."""
    tags = get(tx, caller, kind, object_id)
    if tag not in tags:
        raise TagNotFound(f"Tag {tag} could not be found.")
    return tags
