"""Address groups: named sets of prefixes that rules of security groups admit, changed in one place."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, select

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import objects, units
from volutus.network.changes import given
from volutus.network.errors import (
    AddressesAlreadyExist,
    AddressesNotFound,
    AddressGroupInUse,
    AddressGroupNotFound,
    InvalidInput,
)
from volutus.network.listing import Query, boolean
from volutus.network.objects import Noun
from volutus.network.ovn.model import Kind
from volutus.network.tables import address_groups, security_group_rules

# Each is a member of one set in OVN, and the set is written as a whole.
ADDRESSES_MAX = 1000


@dataclass(frozen=True)
class AddressGroup:
    """`addresses` are prefixes of either IP version."""

    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    addresses: tuple[str, ...]
    shared: bool


@dataclass(frozen=True)
class AddressGroupOrder:
    project_id: str
    name: str = ""
    description: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class AddressGroupChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


NOUN = Noun(
    address_groups,
    "address_group",
    "Address group",
    AddressGroupNotFound,
    {"shared": boolean(address_groups.c.shared)},
)


def create(tx: Tx, caller: Caller, order: AddressGroupOrder) -> AddressGroup:
    """A new group of addresses."""
    values = {**given(order), "addresses": _bounded(sorted(set(map(_prefix, order.addresses))))}
    group_id = objects.insert_row(tx, caller, NOUN, values)
    units.touch(tx, Kind.ADDRESS_GROUP, [group_id])
    return get(tx, caller, group_id)


def get(tx: Tx, caller: Caller, group_id: str) -> AddressGroup:
    """A group that the caller's rules may name."""
    return objects.built(AddressGroup, objects.row_of(tx, caller, NOUN, group_id))


def list_(tx: Tx, caller: Caller, query: Query) -> list[AddressGroup]:
    """The groups that the caller may use."""
    return [objects.built(AddressGroup, row) for row in objects.rows_of(tx, caller, NOUN, query)]


def change(
    tx: Tx, caller: Caller, group_id: str, changes: AddressGroupChanges, if_revision: int | None = None
) -> AddressGroup:
    """Change what it is called; its addresses have verbs of their own."""
    row = objects.own_row(tx, caller, NOUN, group_id, if_revision)
    objects.update_row(tx, caller, NOUN, row, given(changes))
    return get(tx, caller, group_id)


def add_addresses(tx: Tx, caller: Caller, group_id: str, more: Sequence[str]) -> AddressGroup:
    """Add to it. Raises AddressesAlreadyExist for those that it has."""
    row = objects.own_row(tx, caller, NOUN, group_id)
    have, wanted = _have(row), set(map(_prefix, more))
    if there := sorted(have & wanted):
        raise AddressesAlreadyExist(f"Addresses {there} already exist in address group {group_id}.")
    return _store(tx, caller, row, have | wanted)


def remove_addresses(tx: Tx, caller: Caller, group_id: str, gone: Sequence[str]) -> AddressGroup:
    """Take from it. Raises AddressesNotFound for those that it has not."""
    row = objects.own_row(tx, caller, NOUN, group_id)
    have, unwanted = _have(row), set(map(_prefix, gone))
    if missing := sorted(unwanted - have):
        raise AddressesNotFound(f"Addresses {missing} not found in address group {group_id}.")
    return _store(tx, caller, row, have - unwanted)


def remove(tx: Tx, caller: Caller, group_id: str, if_revision: int | None = None) -> None:
    """Delete a group. Raises AddressGroupInUse while a rule names it."""
    row = objects.own_row(tx, caller, NOUN, group_id, if_revision)
    rule = select(security_group_rules.c.id).where(security_group_rules.c.remote_address_group_id == group_id)
    if tx.value(rule.limit(1)) is not None:
        raise AddressGroupInUse(f"Address group {group_id} is in use on one or more security group rules.")
    objects.delete_row(tx, caller, NOUN, row)
    units.bury(tx, Kind.ADDRESS_GROUP, [group_id])


def _store(tx: Tx, caller: Caller, row: Row[tuple[object, ...]], addresses: set[str]) -> AddressGroup:
    objects.update_row(tx, caller, NOUN, row, {"addresses": _bounded(sorted(addresses))})
    units.touch(tx, Kind.ADDRESS_GROUP, [row.id])
    return get(tx, caller, row.id)


def _have(row: Row[tuple[object, ...]]) -> set[str]:
    return {str(address) for address in row.addresses}


def _bounded(addresses: list[str]) -> list[str]:
    if len(addresses) > ADDRESSES_MAX:
        raise InvalidInput(f"A group has at most {ADDRESSES_MAX} addresses.", field="addresses")
    return addresses


def _prefix(address: str) -> str:
    try:
        return str(ipaddress.ip_network(address))
    except ValueError:
        raise InvalidInput(f"'{address}' is not a valid CIDR.", field="addresses") from None
