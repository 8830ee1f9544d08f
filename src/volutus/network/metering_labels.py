"""Metering labels: names under which the traffic between a project's routers and the outside is counted, by
rules that say which of it. A label of every project counts at everybody's routers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, or_, select

from volutus import metering
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import listing, objects, units
from volutus.network.changes import given
from volutus.network.errors import InvalidInput, MeteringLabelNotFound
from volutus.network.listing import Query, boolean, common_filters
from volutus.network.metering_marks import BYTES, LABEL, PACKETS
from volutus.network.objects import Noun
from volutus.network.ovn.model import Direction, Kind
from volutus.network.tables import metering_labels, routers

# What is told when nobody says since when.
USAGE_SINCE = timedelta(days=1)


@dataclass(frozen=True)
class MeteringLabel:
    """`every_project` has it count at the routers of all projects."""

    id: str
    project_id: str
    name: str
    description: str
    every_project: bool


@dataclass(frozen=True)
class MeteringLabelOrder:
    project_id: str
    name: str = ""
    description: str = ""
    every_project: bool = False


@dataclass(frozen=True)
class LabelUsage:
    """What a label's rules matched in a time; bytes are those of whole frames."""

    label_id: str
    since: datetime
    until: datetime
    ingress_bytes: int
    ingress_packets: int
    egress_bytes: int
    egress_packets: int


NOUN = Noun(metering_labels, "metering_label", "Metering label", MeteringLabelNotFound)
_FILTERS = common_filters(metering_labels) | {"every_project": boolean(metering_labels.c.every_project)}


def create(tx: Tx, caller: Caller, order: MeteringLabelOrder) -> MeteringLabel:
    """A label that counts nothing until it has rules."""
    return get(tx, caller, objects.insert_row(tx, caller, NOUN, given(order)))


def get(tx: Tx, caller: Caller, label_id: str) -> MeteringLabel:
    """A label of the caller's project, or of every one."""
    row = tx.row(visible(caller).where(metering_labels.c.id == label_id))
    if row is None:
        raise MeteringLabelNotFound(f"Metering label {label_id} does not exist.")
    return _label(row)


def list_(tx: Tx, caller: Caller, query: Query) -> list[MeteringLabel]:
    """The labels of the caller's project, and those of every one."""
    columns = listing.sortable(metering_labels)
    limited = listing.selected(tx, visible(caller), query, _FILTERS, columns)
    return [_label(row) for row in tx.rows(limited)]  # bounded: a page


def remove(tx: Tx, caller: Caller, label_id: str, if_revision: int | None = None) -> None:
    """Delete a label with its rules. What it counted stays on record."""
    row = objects.own_row(tx, caller, NOUN, label_id, if_revision)
    touch_routers(tx, _label(row))
    objects.delete_row(tx, caller, NOUN, row)


def usage(
    tx: Tx, caller: Caller, label_id: str, since: datetime | None, until: datetime | None
) -> LabelUsage:
    """What was counted from `since` (a day ago, unless said) to `until` (now). Only for whose label it is:
    one of every project counts others' traffic."""
    row = objects.row_of(tx, caller, NOUN, label_id)
    until = until or tx.now
    since = since or until - USAGE_SINCE
    if since > until:
        raise InvalidInput("'since' is after 'until'.", field="since")
    counted = metering.counted(tx, LABEL, row.id, since, until)
    bytes_, packets = (
        [int(counted.get(meters[direction], 0)) for direction in (Direction.INGRESS, Direction.EGRESS)]
        for meters in (BYTES, PACKETS)
    )
    return LabelUsage(row.id, since, until, bytes_[0], packets[0], bytes_[1], packets[1])


def touch_routers(tx: Tx, label: MeteringLabel) -> None:
    """Have the routers at which it counts do so anew."""
    counting: Sequence[Any] = () if label.every_project else (routers.c.project_id == label.project_id,)
    statement = select(routers.c.id).where(routers.c.gateway_port_id.isnot(None), *counting)
    units.touch(tx, Kind.ROUTER, [row.id for row in tx.rows(statement.limit(units.TOUCHED_MAX))])


def visible(caller: Caller) -> Select[Any]:
    """The labels that the caller may see."""
    if caller.is_admin:
        return select(metering_labels)
    own = metering_labels.c.project_id == (caller.project_id or "")
    return select(metering_labels).where(or_(own, metering_labels.c.every_project))


def _label(row: Row[Any]) -> MeteringLabel:
    return objects.built(MeteringLabel, row)
