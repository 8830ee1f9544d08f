"""QoS policies: limits and marks under one name, for ports, networks and floating IPs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, select, update

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import objects
from volutus.network.changes import given
from volutus.network.errors import QosPolicyInUse, QosPolicyNotFound, QosRuleNotSupported
from volutus.network.listing import Query, boolean
from volutus.network.objects import Noun
from volutus.network.tables import floating_ips, networks, ports, qos_policies, qos_rules

BANDWIDTH_LIMIT = "bandwidth_limit"
DSCP_MARKING = "dscp_marking"
# What OVN's flows and meters do; a policy with any other rule is nobody's until it is without it.
CARRIED_OUT = (BANDWIDTH_LIMIT, DSCP_MARKING)
# Each kind once for each direction, marks but once, packets also for both directions together.
RULES_MAX = 10


@dataclass(frozen=True)
class QosRule:
    """`kind` says which of the numbers it has; a burst of 0 is one second's."""

    id: str
    policy_id: str
    kind: str
    direction: str
    max_kbps: int | None
    max_burst_kbps: int | None
    dscp_mark: int | None
    min_kbps: int | None
    min_kpps: int | None
    max_kpps: int | None
    max_burst_kpps: int | None


@dataclass(frozen=True)
class QosPolicy:
    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    shared: bool
    is_default: bool
    rules: tuple[QosRule, ...]


@dataclass(frozen=True)
class QosPolicyOrder:
    """A project's `is_default` policy is that of its new networks that name none."""

    project_id: str
    name: str = ""
    description: str = ""
    shared: bool = False
    is_default: bool = False


@dataclass(frozen=True)
class QosPolicyChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET


NOUN = Noun(
    qos_policies,
    "qos_policy",
    "QoS policy",
    QosPolicyNotFound,
    {"shared": boolean(qos_policies.c.shared), "is_default": boolean(qos_policies.c.is_default)},
)


def create(tx: Tx, caller: Caller, order: QosPolicyOrder) -> QosPolicy:
    """A new policy, without rules."""
    if order.is_default:
        _no_other_default(tx, order.project_id)
    return get(tx, caller, objects.insert_row(tx, caller, NOUN, given(order)))


def get(tx: Tx, caller: Caller, policy_id: str) -> QosPolicy:
    """A policy that the caller may use, with its rules."""
    return _policies(tx, [objects.row_of(tx, caller, NOUN, policy_id)])[0]


def list_(tx: Tx, caller: Caller, query: Query) -> list[QosPolicy]:
    """The policies that the caller may use: two statements however many there are."""
    return _policies(tx, objects.rows_of(tx, caller, NOUN, query))


def change(
    tx: Tx, caller: Caller, policy_id: str, changes: QosPolicyChanges, if_revision: int | None = None
) -> QosPolicy:
    """Change what it is called and who may use it; its rules have verbs of their own."""
    row = objects.own_row(tx, caller, NOUN, policy_id, if_revision)
    if changes.is_default is True and not row.is_default:
        _no_other_default(tx, row.project_id)
    objects.update_row(tx, caller, NOUN, row, given(changes))
    return get(tx, caller, policy_id)


def remove(tx: Tx, caller: Caller, policy_id: str, if_revision: int | None = None) -> None:
    """Delete a policy. Raises QosPolicyInUse while anything has it."""
    row = objects.own_row(tx, caller, NOUN, policy_id, if_revision)
    if is_used(tx, policy_id):
        raise QosPolicyInUse(f"QoS Policy {policy_id} is used by a network, port or floating IP.")
    objects.delete_row(tx, caller, NOUN, row)


def hold(tx: Tx, caller: Caller, policy_id: str | UnsetType | None) -> None:
    """Check that the caller may use the policy; what refers to it keeps it. Raises QosPolicyNotFound, and
    QosRuleNotSupported when it says what would not be carried out."""
    if isinstance(policy_id, str):
        objects.row_of(tx, caller, NOUN, policy_id)
        refuse_not_carried_out(tx, policy_id)


def refuse_not_carried_out(tx: Tx, policy_id: str) -> None:
    """Raise QosRuleNotSupported when the policy has a rule that nothing here carries out."""
    kind = tx.value(
        select(qos_rules.c.kind)
        .where(qos_rules.c.policy_id == policy_id, qos_rules.c.kind.notin_(CARRIED_OUT))
        .limit(1)
    )
    if kind is not None:
        raise QosRuleNotSupported(
            f"Rule {kind} of policy {policy_id} is not supported here: there are {' and '.join(CARRIED_OUT)}."
        )


def is_used(tx: Tx, policy_id: str) -> bool:
    """Whether a port, a network or a floating IP has the policy."""
    users = [
        select(table.c.id).where(table.c.qos_policy_id == policy_id)
        for table in (ports, networks, floating_ips)
    ]
    return tx.value(users[0].union_all(*users[1:]).limit(1)) is not None


def default_of(tx: Tx, project_id: str) -> str | None:
    """The policy of a project's new networks, if it has one."""
    statement = select(qos_policies.c.id).where(
        qos_policies.c.project_id == project_id, qos_policies.c.is_default
    )
    found: str | None = tx.value(statement)
    return found


def rules_of(tx: Tx, policy_ids: Sequence[str]) -> dict[str, list[QosRule]]:
    """Policy id to its rules, whoever asks."""
    found: dict[str, list[QosRule]] = {}
    if policy_ids:
        statement = select(qos_rules).where(qos_rules.c.policy_id.in_(policy_ids)).order_by(qos_rules.c.id)
        for row in tx.rows(statement.limit(RULES_MAX * len(policy_ids))):
            found.setdefault(row.policy_id, []).append(objects.built(QosRule, row))
    return found


def _no_other_default(tx: Tx, project_id: str) -> None:
    tx.execute(
        update(qos_policies)
        .where(qos_policies.c.project_id == project_id, qos_policies.c.is_default)
        .values(is_default=False, revision=qos_policies.c.revision + 1, updated_at=tx.now)
    )


def _policies(tx: Tx, rows: Sequence[Row[Any]]) -> list[QosPolicy]:
    rules = rules_of(tx, [row.id for row in rows])
    return [objects.built(QosPolicy, row, rules=tuple(rules.get(row.id, ()))) for row in rows]
