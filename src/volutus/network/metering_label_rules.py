"""The rules of metering labels: which traffic a label counts, and which of that it leaves out.

Prefixes are those of the addresses as the project knows them, before a floating IP or the router's own
address stands for them. The older `remote_prefix` is one on the project's side: the source of what goes out,
the destination of what comes in, as Neutron's agent has it.
"""

import ipaddress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select
from sqlalchemy.dialects.postgresql import insert

from volutus import audit
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import listing, metering_cells, metering_labels, objects
from volutus.network.changes import given
from volutus.network.errors import InvalidInput, MeteringLabelRuleNotFound, MeteringLabelRuleOverlaps
from volutus.network.listing import Filter, Query, boolean, equals
from volutus.network.metering_cells import CountingRule
from volutus.network.ovn.model import Direction
from volutus.network.tables import metering_label_rules as rules
from volutus.network.tables import metering_labels as labels

# A router has a flow for each part and each of its project's ports.
PARTS_MAX = 256
RULES_READ_MAX = 1000


@dataclass(frozen=True)
class MeteringLabelRule:
    """Either `remote_prefix` or at least one of the other two."""

    id: str
    label_id: str
    project_id: str
    direction: str
    remote_prefix: str | None
    source_prefix: str | None
    destination_prefix: str | None
    excluded: bool


@dataclass(frozen=True)
class MeteringLabelRuleOrder:
    project_id: str
    label_id: str
    direction: str = Direction.INGRESS.value
    remote_prefix: str | None = None
    source_prefix: str | None = None
    destination_prefix: str | None = None
    excluded: bool = False


_PREFIXES = ("remote_prefix", "source_prefix", "destination_prefix")


def _prefixed(column: ColumnElement[Any]) -> Filter:
    return lambda values: column.in_([_prefix(value, "filter") for value in values])


_FILTERS = {
    "id": equals(rules.c.id),
    "label_id": equals(rules.c.label_id),
    "project_id": equals(labels.c.project_id),
    "direction": equals(rules.c.direction),
    "excluded": boolean(rules.c.excluded),
    **{name: _prefixed(rules.c[name]) for name in _PREFIXES},
}
_SORTABLE = {column.name: column for column in rules.c}


def create(tx: Tx, caller: Caller, order: MeteringLabelRuleOrder) -> MeteringLabelRule:
    """One more rule. Raises MeteringLabelRuleOverlaps when another of the label has some of it."""
    order = _checked(order)
    label = metering_labels.get(tx, caller, order.label_id)
    # Two rules of a label at a time would not see each other.
    objects.own_row(tx, caller, metering_labels.NOUN, label.id)
    _refuse_overlap(tx, order)
    _refuse_too_many_parts(tx, label.project_id, order)
    values = {name: value for name, value in given(order).items() if name != "project_id"}
    rule_id = tx.ids.uuid()
    tx.execute(insert(rules).values(**values, id=rule_id, created_at=tx.now))
    audit.record(tx, caller, "create", "network.metering_label_rule", rule_id, {"label_id": label.id})
    metering_labels.touch_routers(tx, label)
    return get(tx, caller, rule_id)


def get(tx: Tx, caller: Caller, rule_id: str) -> MeteringLabelRule:
    """A rule of a label that the caller may see."""
    row = tx.row(_select(caller).where(rules.c.id == rule_id))
    if row is None:
        raise MeteringLabelRuleNotFound(f"Metering label rule {rule_id} does not exist.")
    return _rule(row)


def list_(tx: Tx, caller: Caller, query: Query) -> list[MeteringLabelRule]:
    """The rules of all labels that the caller may see."""
    limited = listing.selected(tx, _select(caller), query, _FILTERS, _SORTABLE)
    return [_rule(row) for row in tx.rows(limited)]  # bounded: a page


def remove(tx: Tx, caller: Caller, rule_id: str, if_revision: int | None = None) -> None:  # noqa: ARG001
    """Take a rule away; what it counted stays on record. A rule has no revisions."""
    rule = get(tx, caller, rule_id)
    objects.own_row(tx, caller, metering_labels.NOUN, rule.label_id)
    tx.execute(delete(rules).where(rules.c.id == rule_id))
    audit.record(tx, caller, "delete", "network.metering_label_rule", rule_id)
    metering_labels.touch_routers(tx, metering_labels.get(tx, caller, rule.label_id))


def _select(caller: Caller) -> Any:
    seen = metering_labels.visible(caller).with_only_columns(labels.c.id).scalar_subquery()
    joined = select(rules, labels.c.project_id).join(labels, labels.c.id == rules.c.label_id)
    return joined if caller.is_admin else joined.where(labels.c.id.in_(seen))


def _checked(order: MeteringLabelRuleOrder) -> MeteringLabelRuleOrder:
    if order.direction not in {direction.value for direction in Direction}:
        raise InvalidInput("A rule's direction is 'ingress' or 'egress'.", field="direction")
    prefixes = {name: _prefix(getattr(order, name), name) for name in _PREFIXES}
    if not any(prefixes.values()):
        raise InvalidInput(
            "You must define at least one of the following parameters 'remote_ip_prefix', "
            "or 'source_ip_prefix' or 'destination_ip_prefix'."
        )
    source, destination = prefixes["source_prefix"], prefixes["destination_prefix"]
    if prefixes["remote_prefix"] and (source or destination):
        raise InvalidInput(
            "Cannot use 'remote_ip_prefix' in conjunction with 'source_ip_prefix' or 'destination_ip_prefix'."
        )
    if source and destination and (":" in source) != (":" in destination):
        raise InvalidInput(
            "The prefixes of a rule are of one IP version: no packet has two.", field="destination_ip_prefix"
        )
    return replace(
        order, remote_prefix=prefixes["remote_prefix"], source_prefix=source, destination_prefix=destination
    )


def _prefix(value: str | None, field: str) -> str | None:
    """The network that an address with a prefix is in."""
    if not value:
        return None
    try:
        return str(ipaddress.ip_interface(value).network)
    except ValueError:
        raise InvalidInput(f"{field}: {value} is invalid.", field=field) from None


def _refuse_overlap(tx: Tx, order: MeteringLabelRuleOrder) -> None:
    """Counting and leaving out may overlap; two that count, or two that leave out, may not."""
    same = select(rules).where(
        rules.c.label_id == order.label_id,
        rules.c.direction == order.direction,
        rules.c.excluded.is_(order.excluded),
    )
    wanted = _counting(order, order.label_id)
    for row in tx.rows(same.limit(RULES_READ_MAX)):
        if metering_cells.overlap(wanted, _counting(row, row.label_id)):
            named = order.remote_prefix or order.source_prefix or order.destination_prefix
            raise MeteringLabelRuleOverlaps(
                f"Metering label rule with prefix {named} overlaps another of the label.",
            )


def _refuse_too_many_parts(tx: Tx, project_id: str, order: MeteringLabelRuleOrder) -> None:
    together = (
        select(rules)
        .join(labels, labels.c.id == rules.c.label_id)
        .where(labels.c.every_project | (labels.c.project_id == project_id))
    )
    there = [_counting(row, row.label_id) for row in tx.rows(together.limit(RULES_READ_MAX))]
    wanted = _counting(order, order.label_id)
    if metering_cells.parts([*there, wanted], wanted.direction, wanted.version) > PARTS_MAX:
        raise InvalidInput(
            f"The rules of a project's labels may divide what it sends or gets into {PARTS_MAX} parts."
        )


def _counting(rule: Any, label_id: str) -> CountingRule:
    prefixes = [None if (it := getattr(rule, name)) is None else str(it) for name in _PREFIXES]
    return metering_cells.counting(label_id, rule.direction, prefixes, excluded=rule.excluded)


def _rule(row: Row[Any]) -> MeteringLabelRule:
    prefixes = {name: None if (it := getattr(row, name)) is None else str(it) for name in _PREFIXES}
    return objects.built(MeteringLabelRule, row, **prefixes)
