"""Rules of QoS policies. A rule that changes is at once another limit on every port that it is for."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import objects, qos_policies, units
from volutus.network.errors import InvalidInput, QosRuleNotFound, QoSRulesConflict
from volutus.network.ovn.model import Kind, QosView
from volutus.network.ports import ROUTER_GATEWAY
from volutus.network.qos_policies import BANDWIDTH_LIMIT, DSCP_MARKING, NOUN, QosRule
from volutus.network.tables import floating_ips, networks, ports, qos_rules

MINIMUM_PACKET_RATE = "minimum_packet_rate"
# The numbers that a rule of each kind has; the first it must have.
KINDS: Mapping[str, tuple[str, ...]] = {
    BANDWIDTH_LIMIT: ("max_kbps", "max_burst_kbps"),
    DSCP_MARKING: ("dscp_mark",),
    "minimum_bandwidth": ("min_kbps",),
    MINIMUM_PACKET_RATE: ("min_kpps",),
    "packet_rate_limit": ("max_kpps", "max_burst_kpps"),
}
# The marks that RFC 2474 and its successors give a meaning; Neutron takes no others.
DSCP_MARKS = frozenset({*range(0, 57, 8), *range(10, 39, 2), 44, 46})
# What OVN's meters hold, in kbit/s; Neutron's bound of the other rates.
RATE_MAX = 2**32 - 1


@dataclass(frozen=True)
class QosRuleOrder:
    """See `QosRule`."""

    kind: str
    direction: str = "egress"
    max_kbps: int | None = None
    max_burst_kbps: int | None = None
    dscp_mark: int | None = None
    min_kbps: int | None = None
    min_kpps: int | None = None
    max_kpps: int | None = None
    max_burst_kpps: int | None = None


def create(tx: Tx, caller: Caller, policy_id: str, order: QosRuleOrder) -> QosRule:
    """One more rule. Raises QoSRulesConflict when the policy has one of the kind in that direction, and
    QosRuleNotSupported for what is not carried out while anything has the policy."""
    objects.own_row(tx, caller, NOUN, policy_id)
    _check(order)
    values = {**vars(order), "id": tx.ids.uuid(), "policy_id": policy_id}
    row = tx.row(insert(qos_rules).values(**values).on_conflict_do_nothing().returning(qos_rules))
    if row is None:
        raise _conflict(policy_id, order.kind)
    if qos_policies.is_used(tx, policy_id):
        qos_policies.refuse_not_carried_out(tx, policy_id)
    _noted(tx, caller, "create", policy_id, row.id)
    return objects.built(QosRule, row)


def get(tx: Tx, caller: Caller, policy_id: str, kind: str, rule_id: str) -> QosRule:
    """A rule of a policy that the caller may use."""
    for rule in qos_policies.get(tx, caller, policy_id).rules:
        if (rule.id, rule.kind) == (rule_id, kind):
            return rule
    raise QosRuleNotFound(f"QoS rule {rule_id} for policy {policy_id} could not be found.")


def list_(tx: Tx, caller: Caller, policy_id: str, kind: str) -> list[QosRule]:
    """The policy's rules of one kind."""
    return [rule for rule in qos_policies.get(tx, caller, policy_id).rules if rule.kind == kind]


def change(
    tx: Tx, caller: Caller, policy_id: str, kind: str, rule_id: str, changes: Mapping[str, Any]
) -> QosRule:
    """Change what is given (fields of `QosRuleOrder`), on every port at once. Raises QoSRulesConflict."""
    objects.own_row(tx, caller, NOUN, policy_id)
    before = get(tx, caller, policy_id, kind, rule_id)
    order = QosRuleOrder(
        **{one.name: changes.get(one.name, getattr(before, one.name)) for one in fields(QosRuleOrder)}
    )
    _check(order)
    same = select(qos_rules.c.id).where(
        qos_rules.c.policy_id == policy_id,
        qos_rules.c.kind == kind,
        qos_rules.c.direction == order.direction,
        qos_rules.c.id != rule_id,
    )
    if tx.value(same) is not None:
        raise _conflict(policy_id, kind)
    tx.execute(update(qos_rules).where(qos_rules.c.id == rule_id).values(**vars(order)))
    _noted(tx, caller, "update", policy_id, rule_id)
    return get(tx, caller, policy_id, kind, rule_id)


def remove(tx: Tx, caller: Caller, policy_id: str, kind: str, rule_id: str) -> None:
    """Take a limit or mark off every port."""
    objects.own_row(tx, caller, NOUN, policy_id)
    get(tx, caller, policy_id, kind, rule_id)
    tx.execute(delete(qos_rules).where(qos_rules.c.id == rule_id))
    _noted(tx, caller, "delete", policy_id, rule_id)


def view(rules: list[QosRule]) -> QosView:
    """A policy's rules together, as OVN's compiler wants them."""
    values: dict[str, int | None] = {}
    for rule in rules:
        if rule.kind == DSCP_MARKING:
            values["dscp_mark"] = rule.dscp_mark
        elif rule.kind == BANDWIDTH_LIMIT:
            values[f"{rule.direction}_kbps"] = rule.max_kbps
            values[f"{rule.direction}_burst_kbits"] = rule.max_burst_kbps or None
    return QosView(**values)


def _check(order: QosRuleOrder) -> None:
    directions = ["egress", "ingress", *(["any"] if order.kind == MINIMUM_PACKET_RATE else [])]
    if order.direction not in directions:
        raise InvalidInput(f"'{order.direction}' is not {' or '.join(directions)}.", field="direction")
    if order.kind == DSCP_MARKING:
        if order.dscp_mark not in DSCP_MARKS:
            raise InvalidInput(f"dscp_mark is one of {sorted(DSCP_MARKS)}.", field="dscp_mark")
        return
    for position, name in enumerate(KINDS[order.kind]):
        value, least = getattr(order, name), 0 if position else 1
        if not (least <= value <= RATE_MAX if value is not None else position):
            raise InvalidInput(f"{name} is from {least} to {RATE_MAX}.", field=name)


def _conflict(policy_id: str, kind: str) -> QoSRulesConflict:
    return QoSRulesConflict(f"QoS policy {policy_id} has a {kind} rule for that direction already.")


def _noted(tx: Tx, caller: Caller, action: str, policy_id: str, rule_id: str) -> None:
    audit.record(tx, caller, action, "network.qos_rule", rule_id, {"policy_id": policy_id})
    objects.count_revision(tx, NOUN, policy_id)
    on = select(networks.c.id).where(networks.c.qos_policy_id == policy_id)
    units.touch_ports(tx, or_(ports.c.qos_policy_id == policy_id, ports.c.network_id.in_(on)))
    through = select(floating_ips.c.router_id).where(
        floating_ips.c.qos_policy_id == policy_id, floating_ips.c.router_id.isnot(None)
    )
    # A router's gateways say whose they are; tenants cannot have ports of this kind.
    gateways = select(ports.c.device_id).where(
        ports.c.qos_policy_id == policy_id, ports.c.device_owner == ROUTER_GATEWAY
    )
    both = through.union(gateways).limit(units.TOUCHED_MAX)
    units.touch(tx, Kind.ROUTER, [row.router_id for row in tx.rows(both)])
