"""QoS specs: named sets of keys that an operator ties to volume types. Those that
`limits` knows are enforced by the host of a guest, whoever is named as the consumer; the rest are kept and
shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from volutus import audit
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume.faults import AlreadyExists, KeyNotFound, QosNotFound, TypeInUse, TypeNotFound
from volutus.volume.tables import qos_specs, types
from volutus.wire import DiskLimits

CONSUMERS = ("front-end", "back-end", "both")
SPECS_MAX = 128
# More digits than any disk does in a second.
LIMIT_DIGITS_MAX = 15
_LIMITS = {
    "total_bytes": "total_bytes_sec",
    "read_bytes": "read_bytes_sec",
    "write_bytes": "write_bytes_sec",
    "total_operations": "total_iops_sec",
    "read_operations": "read_iops_sec",
    "write_operations": "write_iops_sec",
}
TYPES_MAX = 1000


@dataclass(frozen=True)
class QosSpecs:
    """`consumer` says who is to enforce them."""

    id: str
    name: str
    consumer: str
    specs: Mapping[str, str]


_SORTABLE = {"id": qos_specs.c.id, "name": qos_specs.c.name, "created_at": qos_specs.c.created_at}


def limits(specs: Mapping[str, str], size_gib: int) -> DiskLimits | None:
    """What a set says of a volume of this size, in the words of Nova's front-end QoS: `read_iops_sec` and the
    like, or `read_iops_sec_per_gb`. Where a total is given, it alone counts. None without any."""
    found = {field: _limit(specs, name, size_gib) for field, name in _LIMITS.items()}
    for what in ("bytes", "operations"):
        if found[f"total_{what}"]:
            found[f"read_{what}"] = found[f"write_{what}"] = 0
    return DiskLimits(**found) if any(found.values()) else None


def _limit(specs: Mapping[str, str], name: str, size_gib: int) -> int:
    for key, times in ((name, 1), (f"{name}_per_gb", size_gib)):
        text = specs.get(key, "")
        if text.isdecimal() and len(text) <= LIMIT_DIGITS_MAX:
            return int(text) * times
    return 0


def create(tx: Tx, caller: Caller, name: str, consumer: str, specs: Mapping[str, str]) -> QosSpecs:
    """Make a set. Raises AlreadyExists, Invalid."""
    _check(consumer, specs)
    if tx.row(select(qos_specs.c.id).where(qos_specs.c.name == name)) is not None:
        raise AlreadyExists(f"QoS specs {name} already exists.")
    qos_id = tx.ids.uuid()
    values = {"id": qos_id, "name": name, "consumer": consumer, "specs": dict(specs), "created_at": tx.now}
    tx.execute(insert(qos_specs), values)
    audit.record(tx, caller, "create", "volume.qos", qos_id)
    return get(tx, qos_id)


def get(tx: Tx, qos_id: str) -> QosSpecs:
    """One set. Raises QosNotFound."""
    row = tx.row(select(qos_specs).where(qos_specs.c.id == qos_id))
    if row is None:
        raise QosNotFound(f"No such qos spec {qos_id}.")
    return _qos(row)


def list_(tx: Tx, page: Page) -> list[QosSpecs]:
    """Sets in pages."""
    statement = paged(tx, select(qos_specs), page, _SORTABLE, qos_specs.c.id)
    return [_qos(row) for row in tx.rows(statement)]


def set_keys(tx: Tx, caller: Caller, qos_id: str, consumer: str | None, specs: Mapping[str, str]) -> QosSpecs:
    """Add or change keys, and the consumer."""
    found = get(tx, qos_id)
    merged = {**found.specs, **specs}
    _check(consumer or found.consumer, merged)
    values = {"specs": merged, "consumer": consumer or found.consumer}
    tx.execute(update(qos_specs).where(qos_specs.c.id == qos_id).values(**values))
    audit.record(tx, caller, "update", "volume.qos", qos_id)
    return get(tx, qos_id)


def remove_keys(tx: Tx, caller: Caller, qos_id: str, keys: Sequence[str]) -> None:
    """Remove keys. Raises KeyNotFound for the first that is not there."""
    found = get(tx, qos_id)
    for key in keys:
        if key not in found.specs:
            raise KeyNotFound(f"QoS spec {qos_id} has no spec with key {key}.")
    kept = {name: value for name, value in found.specs.items() if name not in keys}
    tx.execute(update(qos_specs).where(qos_specs.c.id == qos_id).values(specs=kept))
    audit.record(tx, caller, "update", "volume.qos", qos_id)


def remove(tx: Tx, caller: Caller, qos_id: str, *, force: bool = False) -> None:
    """Remove a set; with `force` also from the types that have it. Raises TypeInUse."""
    get(tx, qos_id)
    if force:
        disassociate(tx, caller, qos_id, None)
    if tx.value(select(func.count()).where(types.c.qos_specs_id == qos_id)):
        raise TypeInUse(f"QoS Specs {qos_id} is still associated with entities.")
    tx.execute(delete(qos_specs).where(qos_specs.c.id == qos_id))
    audit.record(tx, caller, "delete", "volume.qos", qos_id)


def associations(tx: Tx, qos_id: str) -> list[tuple[str, str]]:
    """(id, name) of the types that have the set."""
    get(tx, qos_id)
    statement = select(types.c.id, types.c.name).where(types.c.qos_specs_id == qos_id)
    return [(row.id, row.name) for row in tx.rows(statement.order_by(types.c.id).limit(TYPES_MAX))]


def associate(tx: Tx, caller: Caller, qos_id: str, type_id: str) -> None:
    """Tie the set to a type. Raises TypeNotFound."""
    get(tx, qos_id)
    if not tx.changed(update(types).where(types.c.id == type_id).values(qos_specs_id=qos_id)):
        raise TypeNotFound(f"Volume type {type_id} could not be found.")
    audit.record(tx, caller, "associate", "volume.qos", qos_id, {"type_id": type_id})


def disassociate(tx: Tx, caller: Caller, qos_id: str, type_id: str | None) -> None:
    """Untie the set from a type, or from all."""
    get(tx, qos_id)
    statement = update(types).where(types.c.qos_specs_id == qos_id)
    if type_id is not None:
        statement = statement.where(types.c.id == type_id)
    tx.execute(statement.values(qos_specs_id=None))
    audit.record(tx, caller, "disassociate", "volume.qos", qos_id, {"type_id": type_id})


def _check(consumer: str, specs: Mapping[str, str]) -> None:
    if consumer not in CONSUMERS:
        raise Invalid(f"Valid consumer of QoS specs are: {list(CONSUMERS)}", field="consumer")
    if len(specs) > SPECS_MAX:
        raise Invalid(f"QoS specs have at most {SPECS_MAX} keys.", field="specs")


def _qos(row: Row[Any]) -> QosSpecs:
    return QosSpecs(row.id, row.name, row.consumer, row.specs)
