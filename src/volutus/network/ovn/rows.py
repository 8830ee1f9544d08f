"""Northbound rows as plain values: what is wanted, and how two states of it are compared.

A row's UUID is derived from its table and name, so the row of a port is found (and referred to) without a
search: OVSDB looks a UUID up in a hash, anything else it scans for. Every row carries who it belongs to
(`volutus:kind`, `volutus:id`) and the digest of its wanted columns (`volutus:rev`).
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from volutus.network.ovn.model import Kind

NAMESPACE = uuid.UUID("8f0d5f0e-5f7c-5d43-9a3c-0b4c7d1e2a90")
KIND_TAG = "volutus:kind"
ID_TAG = "volutus:id"
REV_TAG = "volutus:rev"
NETWORK_TAG = "volutus:network"
GROUPS_TAG = "volutus:groups"

DIGEST_BYTES = 12
# One port costs about 1 KiB here; the tables that are named again and again are far fewer than this.
UUID_CACHE_SIZE = 1 << 16


class Ref(NamedTuple):
    """A reference to another row, encoded exactly as OVSDB does."""

    tag: str
    uuid: str


Atom = str | int | bool | Ref
# A set is a sorted tuple (a scalar a tuple of one), a map a dict: the two forms every column has.
Value = tuple[Atom, ...] | Mapping[str, str | int]

# The columns that are ours: compared, written and mended. What is not listed belongs to northd or to nobody.
OWNED: Mapping[str, tuple[str, ...]] = {
    "Logical_Switch": ("name", "other_config", "dns_records", "load_balancer"),
    "Logical_Switch_Port": (
        "name",
        "type",
        "options",
        "tag",
        "parent_name",
        "addresses",
        "port_security",
        "enabled",
        "dhcpv4_options",
        "dhcpv6_options",
    ),
    "DHCP_Options": ("cidr", "options"),
    "DNS": ("records",),
    "QoS": ("direction", "priority", "match", "action", "bandwidth"),
    "Logical_Router": (
        "name",
        "enabled",
        "options",
        "ports",
        "static_routes",
        "policies",
        "nat",
        "load_balancer",
    ),
    "Logical_Router_Port": ("name", "mac", "networks", "options", "ipv6_ra_configs", "gateway_chassis"),
    "Gateway_Chassis": ("name", "chassis_name", "priority"),
    "Logical_Router_Static_Route": ("ip_prefix", "nexthop", "output_port", "policy"),
    "Logical_Router_Policy": ("priority", "match", "action", "nexthops", "options"),
    "NAT": ("type", "external_ip", "external_mac", "logical_ip", "logical_port", "gateway_port"),
    "Port_Group": ("name", "acls"),
    "ACL": ("direction", "priority", "match", "action"),
    "Address_Set": ("name", "addresses"),
    "Load_Balancer": (
        "name",
        "protocol",
        "vips",
        "selection_fields",
        "ip_port_mappings",
        "health_check",
        "options",
    ),
    "Load_Balancer_Health_Check": ("vip", "options"),
}
MAP_COLUMNS = frozenset(
    {"options", "other_config", "ipv6_ra_configs", "external_ids", "records", "vips", "ip_port_mappings"}
)
# Tables whose rows live without being referred to; the rest vanish with the last reference.
ROOT_TABLES = frozenset(
    {
        "Logical_Switch",
        "DHCP_Options",
        "DNS",
        "Logical_Router",
        "Load_Balancer",
        "Port_Group",
        "Address_Set",
    }
)
# Rows that a switch holds though they belong to another object than the network, and the column it does in.
SWITCH_COLUMNS: Mapping[str, str] = {"Logical_Switch_Port": "ports", "QoS": "qos_rules"}
MAIN_TABLE: Mapping[Kind, str] = {
    Kind.NETWORK: "Logical_Switch",
    Kind.PORT: "Logical_Switch_Port",
    Kind.ROUTER: "Logical_Router",
    Kind.SECURITY_GROUP: "Port_Group",
    Kind.ADDRESS_GROUP: "Address_Set",
    # Its own small router, which answers for its address.
    Kind.LOAD_BALANCER: "Logical_Router",
}


class Key(NamedTuple):
    """Names one unit."""

    kind: Kind
    id: str


@dataclass(frozen=True, slots=True)
class Row:
    """A wanted row. `columns` has every owned column of its table; `switch_id` names the network whose
    switch holds it, for what `SWITCH_COLUMNS` has (other references stand in the referring row's columns)."""

    table: str
    name: str
    columns: Mapping[str, Value]
    switch_id: str | None = None

    @property
    def uuid(self) -> str:
        return row_uuid(self.table, self.name)

    @property
    def ref(self) -> Ref:
        return Ref("uuid", self.uuid)


class Needed(NamedTuple):
    """A row of another unit that must be there first; `what` says it to a human."""

    table: str
    uuid: str
    what: str


@dataclass(frozen=True, slots=True)
class Unit:
    """All that one object wants in the northbound database; no rows means that nothing of it may remain.
    `group_ids` are the security groups its port is a member of."""

    key: Key
    rows: tuple[Row, ...] = ()
    group_ids: tuple[str, ...] = ()
    needs: tuple[Needed, ...] = field(default=(), compare=False)

    def digest(self) -> str:
        """What a scan should find for this unit: equal exactly when the rows are as they should be."""
        found = [(row.uuid, row_digest(row.table, row.columns)) for row in self.rows]
        return unit_digest(found, self.group_ids)


@lru_cache(maxsize=UUID_CACHE_SIZE)
def row_uuid(table: str, name: str) -> str:
    """The UUID of the row called `name` in `table`, in every cloud and at all times."""
    return str(uuid.uuid5(NAMESPACE, f"{table}/{name}"))


def make_row(table: str, name: str, switch_id: str | None = None, /, **columns: object) -> Row:
    """A row with every owned column; those not given are empty. None stands for empty, too."""
    values = {column: canonical(column, columns.pop(column, None)) for column in OWNED[table]}
    if columns:
        raise KeyError(f"{table} has no column {sorted(columns)} of ours")
    return Row(table, name, values, switch_id)


def canonical(column: str, value: object) -> Value:
    """Bring a value to the form in which equal means equal."""
    if isinstance(value, Mapping):
        return dict(value)
    if value is None:
        return {} if column in MAP_COLUMNS else ()
    if isinstance(value, (Ref, str, int)):
        return (value,)
    if isinstance(value, Iterable):
        return tuple(sorted(set(value)))
    raise TypeError(f"{column}: OVSDB has no {type(value).__name__}")


def row_digest(table: str, columns: Mapping[str, Value]) -> str:
    """A short fingerprint of the owned columns."""
    content = [table, [columns[column] for column in OWNED[table]]]
    encoded = msgspec.json.encode(content, order="deterministic")
    return blake2b(encoded, digest_size=DIGEST_BYTES).hexdigest()


def unit_digest(rows: Iterable[tuple[str, str]], group_ids: Iterable[str]) -> str:
    """A fingerprint of (uuid, row digest) pairs and memberships, in any order."""
    encoded = msgspec.json.encode([sorted(rows), sorted(group_ids)])
    return blake2b(encoded, digest_size=DIGEST_BYTES).hexdigest()


def tags(unit: Unit, row: Row) -> dict[str, str]:
    """The `external_ids` that say whose row this is."""
    marks = {
        KIND_TAG: unit.key.kind.value,
        ID_TAG: unit.key.id,
        REV_TAG: row_digest(row.table, row.columns),
    }
    if row.switch_id is not None:
        marks[NETWORK_TAG] = row.switch_id
    if unit.group_ids:
        marks[GROUPS_TAG] = " ".join(unit.group_ids)
    return marks
