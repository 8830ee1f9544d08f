"""The rules that new security groups get: an administrator's list, which changes no group that exists.

`PARENT` as the remote group stands for the group that is being made.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import objects
from volutus.network.changes import given
from volutus.network.errors import DefaultSecurityGroupRuleNotFound
from volutus.network.listing import Query, boolean, equals, integer, optional
from volutus.network.objects import Noun
from volutus.network.security_group_rules import RULES_PER_GROUP_MAX, RuleOrder, check
from volutus.network.tables import default_rules

PARENT = "PARENT"


@dataclass(frozen=True)
class DefaultRule:
    id: str
    description: str
    revision: int
    created_at: datetime
    updated_at: datetime
    direction: str
    ip_version: int
    protocol: str | None
    port_min: int | None
    port_max: int | None
    remote_prefix: str | None
    remote_group_id: str | None
    remote_address_group_id: str | None
    in_default_group: bool
    in_other_groups: bool


@dataclass(frozen=True)
class DefaultRuleOrder:
    project_id: str
    direction: str
    ip_version: int = 4
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None
    description: str = ""
    in_default_group: bool = False
    in_other_groups: bool = True


NOUN = Noun(
    default_rules,
    "default_security_group_rule",
    "Default Security Group rule",
    DefaultSecurityGroupRuleNotFound,
    {
        "direction": equals(default_rules.c.direction),
        "ip_version": integer(default_rules.c.ip_version),
        "protocol": optional(default_rules.c.protocol),
        "port_min": integer(default_rules.c.port_min),
        "port_max": integer(default_rules.c.port_max),
        "remote_prefix": lambda values: default_rules.c.remote_prefix.in_(
            [str(ipaddress.ip_network(value, strict=False)) for value in values]
        ),
        "remote_group_id": optional(default_rules.c.remote_group_id),
        "in_default_group": boolean(default_rules.c.in_default_group),
        "in_other_groups": boolean(default_rules.c.in_other_groups),
    },
    common=True,
)


def create(tx: Tx, caller: Caller, order: DefaultRuleOrder) -> DefaultRule:
    """One more rule for groups that are made from now on. Raises what a rule of a group raises."""
    checked = check(_rule(order, PARENT))
    values = {**given(order), "remote_prefix": checked.remote_prefix}
    return get(tx, caller, objects.insert_row(tx, caller, NOUN, values))


def get(tx: Tx, caller: Caller, rule_id: str) -> DefaultRule:
    """One of the rules."""
    return _default_rule(objects.row_of(tx, caller, NOUN, rule_id))


def list_(tx: Tx, caller: Caller, query: Query) -> list[DefaultRule]:
    """All of them."""
    return [_default_rule(row) for row in objects.rows_of(tx, caller, NOUN, query)]


def remove(tx: Tx, caller: Caller, rule_id: str, if_revision: int | None = None) -> None:
    """New groups do not get it any more."""
    row = objects.own_row(tx, caller, NOUN, rule_id, if_revision)
    objects.delete_row(tx, caller, NOUN, row)


def rules_for(tx: Tx, group_id: str, project_id: str, *, is_default: bool) -> Sequence[RuleOrder]:
    """What a group that is being made gets."""
    used = default_rules.c.in_default_group if is_default else default_rules.c.in_other_groups
    statement = select(default_rules).where(used).order_by(default_rules.c.created_at, default_rules.c.id)
    rows = tx.rows(statement.limit(RULES_PER_GROUP_MAX))
    return [_rule(_order(row, project_id), group_id) for row in rows]


def _rule(order: DefaultRuleOrder, group_id: str) -> RuleOrder:
    return RuleOrder(
        project_id=order.project_id,
        group_id=group_id,
        direction=order.direction,
        ip_version=order.ip_version,
        protocol=order.protocol,
        port_min=order.port_min,
        port_max=order.port_max,
        remote_prefix=order.remote_prefix,
        remote_group_id=group_id if order.remote_group_id == PARENT else order.remote_group_id,
        remote_address_group_id=order.remote_address_group_id,
        description=order.description,
    )


def _order(row: Row[Any], project_id: str) -> DefaultRuleOrder:
    return objects.built(DefaultRuleOrder, row, project_id=project_id, remote_prefix=_prefix(row))


def _default_rule(row: Row[Any]) -> DefaultRule:
    return objects.built(DefaultRule, row, remote_prefix=_prefix(row))


def _prefix(row: Row[Any]) -> str | None:
    return None if row.remote_prefix is None else str(row.remote_prefix)
