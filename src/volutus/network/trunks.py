"""Trunks: ports whose guests carry other networks, too, each in a VLAN of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import objects, port_changes, ports, units
from volutus.network.changes import given
from volutus.network.errors import (
    DuplicateSubPort,
    InvalidInput,
    PortInUseAsSubPort,
    PortNotFound,
    SubPortNotFound,
    TrunkDisabled,
    TrunkNotFound,
)
from volutus.network.listing import Query, boolean, equals
from volutus.network.objects import Noun
from volutus.network.ovn.model import Kind
from volutus.network.ports import Port
from volutus.network.tables import ports as port_rows
from volutus.network.tables import sub_ports, trunks

SUB_PORT = "trunk:subport"
VLAN = "vlan"
# All VLANs of one port.
SUB_PORTS_MAX = 4094


@dataclass(frozen=True)
class SubPort:
    """`segmentation_id` is the VLAN in which the parent's guest sends and gets the port's traffic."""

    port_id: str
    segmentation_type: str
    segmentation_id: int


@dataclass(frozen=True)
class Trunk:
    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    enabled: bool
    port_id: str
    status: str
    sub_ports: tuple[SubPort, ...]


@dataclass(frozen=True)
class TrunkOrder:
    project_id: str
    port_id: str
    name: str = ""
    description: str = ""
    enabled: bool = True
    sub_ports: tuple[SubPort, ...] = ()


@dataclass(frozen=True)
class TrunkChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


NOUN = Noun(
    trunks,
    "trunk",
    "Trunk",
    TrunkNotFound,
    {"port_id": equals(trunks.c.port_id), "enabled": boolean(trunks.c.enabled)},
)


def create(tx: Tx, caller: Caller, order: TrunkOrder) -> Trunk:
    """Make a port a parent. Raises TrunkPortInUse when it is one, or is in a trunk, already."""
    parent = _own_port(tx, caller, order.port_id)
    port_changes.refuse_in_trunk(tx, parent.id)
    values = {name: value for name, value in given(order).items() if name != "sub_ports"}
    trunk_id = objects.insert_row(tx, caller, NOUN, values)
    _join(tx, caller, trunk_id, parent, order.sub_ports)
    return get(tx, caller, trunk_id)


def get(tx: Tx, caller: Caller, trunk_id: str) -> Trunk:
    """A trunk of the caller's."""
    return _trunks(tx, [objects.row_of(tx, caller, NOUN, trunk_id)])[0]


def list_(tx: Tx, caller: Caller, query: Query) -> list[Trunk]:
    """The caller's trunks: three statements however many there are."""
    return _trunks(tx, objects.rows_of(tx, caller, NOUN, query))


def change(
    tx: Tx, caller: Caller, trunk_id: str, changes: TrunkChanges, if_revision: int | None = None
) -> Trunk:
    """Change what is given. A trunk that is not enabled carries nothing but its parent's own traffic."""
    row = objects.own_row(tx, caller, NOUN, trunk_id, if_revision)
    objects.update_row(tx, caller, NOUN, row, given(changes))
    if changes.enabled is not UNSET:
        in_it = select(sub_ports.c.port_id).where(sub_ports.c.trunk_id == trunk_id)
        units.touch_ports(tx, port_rows.c.id.in_(in_it))
    return get(tx, caller, trunk_id)


def remove(tx: Tx, caller: Caller, trunk_id: str, if_revision: int | None = None) -> None:
    """Make the parent a port like others; its sub-ports are free."""
    row = objects.own_row(tx, caller, NOUN, trunk_id, if_revision)
    _leave(tx, trunk_id, [one.port_id for one in get(tx, caller, trunk_id).sub_ports])
    objects.delete_row(tx, caller, NOUN, row)


def add_sub_ports(tx: Tx, caller: Caller, trunk_id: str, more: Sequence[SubPort]) -> Trunk:
    """Carry more. Raises PortInUseAsSubPort, DuplicateSubPort for a VLAN that is taken, TrunkDisabled."""
    row = objects.own_row(tx, caller, NOUN, trunk_id)
    _refuse_disabled(row)
    _join(tx, caller, trunk_id, ports.fetch(tx, [row.port_id])[0], more)
    objects.count_revision(tx, NOUN, trunk_id)
    return get(tx, caller, trunk_id)


def remove_sub_ports(tx: Tx, caller: Caller, trunk_id: str, port_ids: Sequence[str]) -> Trunk:
    """Carry less. Raises SubPortNotFound."""
    row = objects.own_row(tx, caller, NOUN, trunk_id)
    _refuse_disabled(row)
    have = {one.port_id for one in get(tx, caller, trunk_id).sub_ports}
    for port_id in port_ids:
        if port_id not in have:
            raise SubPortNotFound(
                f"SubPort on trunk {trunk_id} with parent port {port_id} could not be found."
            )
    _leave(tx, trunk_id, list(port_ids))
    objects.count_revision(tx, NOUN, trunk_id)
    return get(tx, caller, trunk_id)


def of_ports(tx: Tx, port_ids: Sequence[str]) -> dict[str, tuple[str, tuple[SubPort, ...]]]:
    """Parent port to its trunk and what is in it: one statement for any number of ports."""
    found: dict[str, tuple[str, tuple[SubPort, ...]]] = {}
    rows = tx.rows(_OF_PORTS, {"port_ids": list(port_ids), "limit": units.TOUCHED_MAX}) if port_ids else ()
    for row in rows:
        trunk_id, inside = found.get(row.port_id, (row.trunk_id, ()))
        if row.sub_port_id is not None:
            inside = (*inside, SubPort(row.sub_port_id, row.segmentation_type, row.segmentation_id))
        found[row.port_id] = trunk_id, inside
    return found


def follow_parents(tx: Tx, port_ids: Sequence[str]) -> None:
    """These ports were bound or freed: the sub-ports of those that are parents go with them."""
    for row in tx.rows(_FOLLOW, {"port_ids": list(port_ids), "now": tx.now}) if port_ids else ():
        units.touch(tx, Kind.PORT, row.moved)


_FOLLOW = text(
    """
    WITH moved AS (
        UPDATE ports p SET chassis = parent.chassis, host_name = parent.host_name,
            revision = p.revision + 1, updated_at = :now
        FROM sub_ports s JOIN trunks t ON t.id = s.trunk_id JOIN ports parent ON parent.id = t.port_id
        WHERE p.id = s.port_id AND t.port_id = ANY(CAST(:port_ids AS text[]))
        RETURNING p.id
    )
    SELECT coalesce(array_agg(id), '{}') AS moved FROM moved
    """
)
_OF_PORTS = text(
    """
    SELECT t.port_id, t.id AS trunk_id, s.port_id AS sub_port_id, s.segmentation_type, s.segmentation_id
    FROM trunks t LEFT JOIN sub_ports s ON s.trunk_id = t.id
    WHERE t.port_id = ANY(CAST(:port_ids AS text[])) ORDER BY s.segmentation_id LIMIT :limit
    """
)


def _join(tx: Tx, caller: Caller, trunk_id: str, parent: Port, more: Sequence[SubPort]) -> None:
    if len(more) > SUB_PORTS_MAX:
        raise InvalidInput(f"A trunk has at most {SUB_PORTS_MAX} sub-ports.", field="sub_ports")
    for one in more:
        if one.segmentation_type != VLAN or not 1 <= one.segmentation_id <= SUB_PORTS_MAX:
            raise InvalidInput(
                f"Sub-ports are told apart by a vlan from 1 to {SUB_PORTS_MAX}.", field="segmentation_id"
            )
        port = _own_port(tx, caller, one.port_id)
        if port.device_id or port.device_owner or port.server_id or port.id == parent.id:
            raise PortInUseAsSubPort(f"Port {port.id} is currently in use, and cannot be a sub-port.")
        port_changes.refuse_in_trunk(tx, port.id)
    if not more:
        return
    values = [{**vars(one), "trunk_id": trunk_id} for one in more]
    statement = insert(sub_ports).values(values).on_conflict_do_nothing().returning(sub_ports.c.port_id)
    made = tx.rows(statement)  # bounded: what was ordered
    if len(made) < len(more):
        raise DuplicateSubPort(f"A segmentation_id is in use on trunk {trunk_id} already.")
    _settle(tx, [one.port_id for one in more], device_id=trunk_id, device_owner=SUB_PORT, like=parent)


def _leave(tx: Tx, trunk_id: str, port_ids: list[str]) -> None:
    if port_ids:
        tx.execute(
            delete(sub_ports).where(sub_ports.c.trunk_id == trunk_id, sub_ports.c.port_id.in_(port_ids))
        )
        _settle(tx, port_ids, device_id="", device_owner="", like=None)


def _settle(tx: Tx, port_ids: list[str], *, device_id: str, device_owner: str, like: Port | None) -> None:
    """A sub-port is where its parent is."""
    tx.execute(
        update(port_rows)
        .where(port_rows.c.id.in_(port_ids))
        .values(
            device_id=device_id,
            device_owner=device_owner,
            host_name=like.host_name if like else "",
            chassis=like.chassis if like else "",
            revision=port_rows.c.revision + 1,
            updated_at=tx.now,
        )
    )
    units.touch(tx, Kind.PORT, port_ids)


def _own_port(tx: Tx, caller: Caller, port_id: str) -> Port:
    port = ports.get(tx, caller, port_id, lock=True)
    if not caller.sees(port.project_id):
        raise PortNotFound(f"Port {port_id} could not be found.")
    return port


def _refuse_disabled(row: Row[Any]) -> None:
    if not row.enabled:
        raise TrunkDisabled(f"Trunk {row.id} is currently disabled.")


def _trunks(tx: Tx, rows: Sequence[Row[Any]]) -> list[Trunk]:
    parents = [row.port_id for row in rows]
    inside = of_ports(tx, parents)
    bound = select(port_rows.c.id, func.coalesce(port_rows.c.chassis, "").label("chassis"))
    found = tx.rows(bound.where(port_rows.c.id.in_(parents)).limit(len(parents) or 1))
    chassis = {row.id: row.chassis for row in found}
    return [
        objects.built(
            Trunk,
            row,
            sub_ports=inside[row.port_id][1],
            status="ACTIVE" if chassis.get(row.port_id) and row.enabled else "DOWN",
        )
        for row in rows
    ]
