"""Policies of sharing: an object's owner lets one project use it, or an administrator everybody (`*`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, Table, delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import public_addresses, tables
from volutus.network.errors import (
    DuplicateRbacPolicy,
    InvalidInput,
    PolicyNotAuthorized,
    RbacPolicyInUse,
    RbacPolicyNotFound,
)
from volutus.network.listing import Query, equals, selected, visible
from volutus.network.sharing import COLUMNS, EVERYBODY, EXTERNAL, SHARED
from volutus.network.tables import rbac_policies

_SORTABLE = {column.name: column for column in rbac_policies.c}


@dataclass(frozen=True)
class RbacPolicy:
    id: str
    project_id: str
    object_type: str
    object_id: str
    action: str
    target_project: str


@dataclass(frozen=True)
class RbacOrder:
    project_id: str
    object_type: str
    object_id: str
    action: str
    target_project: str


_FILTERS = {
    name: equals(rbac_policies.c[name])
    for name in ("id", "project_id", "object_type", "object_id", "action", "target_project")
}
_OBJECTS: Mapping[str, Table] = {
    "network": tables.networks,
    "security_group": tables.security_groups,
    "subnetpool": tables.subnet_pools,
    "address_scope": tables.address_scopes,
    "address_group": tables.address_groups,
    "qos_policy": tables.qos_policies,
}


def create(tx: Tx, caller: Caller, order: RbacOrder) -> RbacPolicy:
    """Share an object of one's own. Raises DuplicateRbacPolicy when it is shared so already."""
    table = _table(order)
    found = tx.row(
        select(table.c.id, table.c.project_id).where(table.c.id == order.object_id).with_for_update()
    )
    if found is None or not caller.sees(found.project_id):
        raise RbacPolicyNotFound(f"{order.object_type} {order.object_id} could not be found.")
    _check_target(caller, order.target_project)
    values = {**vars(order), "id": tx.ids.uuid(), "created_at": tx.now}
    statement = insert(rbac_policies).values(**values).on_conflict_do_nothing().returning(rbac_policies)
    row = tx.row(statement)
    if row is None:
        raise DuplicateRbacPolicy("An RBAC policy already exists with those values.")
    _mark(tx, row, allowed=True)
    _follow(tx, row)
    audit.record(tx, caller, "create", "network.rbac_policy", row.id, {"object_id": order.object_id})
    return _policy(row)


def get(tx: Tx, caller: Caller, policy_id: str) -> RbacPolicy:
    """A policy of the caller's own."""
    return _policy(_row(tx, caller, policy_id))


def list_(tx: Tx, caller: Caller, query: Query) -> list[RbacPolicy]:
    """The caller's own policies."""
    statement: Select[Any] = select(rbac_policies).where(*visible(rbac_policies, caller))
    return [_policy(row) for row in tx.rows(selected(tx, statement, query, _FILTERS, _SORTABLE))]


def change(tx: Tx, caller: Caller, policy_id: str, target_project: str) -> RbacPolicy:
    """Share it with another project instead. Raises RbacPolicyInUse."""
    row = _row(tx, caller, policy_id, lock=True)
    if target_project == row.target_project:
        return _policy(row)
    _check_target(caller, target_project)
    _refuse_if_in_use(tx, row)
    _mark(tx, row, allowed=False)
    moved = update(rbac_policies).where(rbac_policies.c.id == policy_id)
    tx.execute(moved.values(target_project=target_project))
    changed = _row(tx, caller, policy_id)
    _mark(tx, changed, allowed=True)
    audit.record(tx, caller, "update", "network.rbac_policy", policy_id, {"target": target_project})
    return _policy(changed)


def remove(tx: Tx, caller: Caller, policy_id: str) -> None:
    """Share it no longer. Raises RbacPolicyInUse while the project uses it."""
    row = _row(tx, caller, policy_id, lock=True)
    _refuse_if_in_use(tx, row)
    _mark(tx, row, allowed=False)
    tx.execute(delete(rbac_policies).where(rbac_policies.c.id == policy_id))
    _follow(tx, row)
    audit.record(tx, caller, "delete", "network.rbac_policy", policy_id)


def _table(order: RbacOrder) -> Table:
    if order.object_type not in _OBJECTS:
        raise InvalidInput(
            f"Object type {order.object_type} is not one of {sorted(_OBJECTS)}.", field="object_type"
        )
    if order.action not in (SHARED, EXTERNAL) or (
        order.action == EXTERNAL and order.object_type != "network"
    ):
        raise InvalidInput(f"{order.action} is no action for {order.object_type}.", field="action")
    return _OBJECTS[order.object_type]


def _check_target(caller: Caller, target_project: str) -> None:
    if not target_project:
        raise InvalidInput("A policy needs a project that it is for.", field="target_tenant")
    if target_project == EVERYBODY and not caller.is_admin:
        raise PolicyNotAuthorized("Only an administrator may share with everybody.", field="target_tenant")


def _mark(tx: Tx, row: Row[Any], *, allowed: bool) -> None:
    """Write on the object what a policy for everybody means; the others count against a quota."""
    if row.target_project != EVERYBODY:
        count = quota.charge if allowed else quota.release
        count(tx, row.project_id, {"rbac_policy": 1})
    else:
        table = _OBJECTS[row.object_type]
        column = COLUMNS[row.action]
        tx.execute(
            update(table)
            .where(table.c.id == row.object_id)
            .values(**{column: allowed}, revision=table.c.revision + 1, updated_at=tx.now)
        )


def _follow(tx: Tx, row: Row[Any]) -> None:
    """What is paid for as a public address depends on who may use the network as an external one."""
    if row.action == EXTERNAL:
        public_addresses.follow_network(tx, row.object_id)


def _row(tx: Tx, caller: Caller, policy_id: str, *, lock: bool = False) -> Row[Any]:
    statement = select(rbac_policies).where(rbac_policies.c.id == policy_id, *visible(rbac_policies, caller))
    row = tx.row(statement.with_for_update() if lock else statement)
    if row is None:
        raise RbacPolicyNotFound(f"RBAC policy {policy_id} could not be found.")
    return row


def _refuse_if_in_use(tx: Tx, row: Row[Any]) -> None:
    """Whoever else may use the object by another policy is not looked for: a policy in use stays."""
    owner = _OBJECTS[row.object_type].c
    used = _USES[row.object_type](row)
    if row.target_project == EVERYBODY:
        named = select(rbac_policies.c.target_project).where(
            rbac_policies.c.object_id == row.object_id, rbac_policies.c.action == row.action
        )
        own = select(owner.project_id).where(owner.id == row.object_id)
        projects = used.selected_columns.project_id
        used = used.where(projects != "", projects.notin_(named), projects.notin_(own))
    else:
        used = used.where(used.selected_columns.project_id == row.target_project)
    if tx.value(select(exists(used))):
        raise RbacPolicyInUse(
            f"RBAC policy on object {row.object_id} cannot be removed because other objects depend on it."
        )


def _network_uses(row: Row[Any]) -> Select[Any]:
    if row.action == EXTERNAL:
        further = select(tables.further_gateways.c.router_id)
        further = further.where(tables.further_gateways.c.network_id == row.object_id)
        used = (tables.routers.c.gateway_network_id == row.object_id) | tables.routers.c.id.in_(further)
        return select(tables.routers.c.project_id).where(used)
    return select(tables.ports.c.project_id).where(tables.ports.c.network_id == row.object_id)


def _security_group_uses(row: Row[Any]) -> Select[Any]:
    held = tables.port_security_groups
    joined = tables.ports.join(held, held.c.port_id == tables.ports.c.id)
    return select(tables.ports.c.project_id).select_from(joined).where(held.c.group_id == row.object_id)


def _qos_uses(row: Row[Any]) -> Select[Any]:
    ports = select(tables.ports.c.project_id).where(tables.ports.c.qos_policy_id == row.object_id)
    networks = select(tables.networks.c.project_id).where(tables.networks.c.qos_policy_id == row.object_id)
    both = ports.union_all(networks).subquery()
    return select(both.c.project_id)


def _column_uses(table: Table, column: str) -> Callable[[Row[Any]], Select[Any]]:
    return lambda row: select(table.c.project_id).where(table.c[column] == row.object_id)


_USES: Mapping[str, Callable[[Row[Any]], Select[Any]]] = {
    "network": _network_uses,
    "security_group": _security_group_uses,
    "subnetpool": _column_uses(tables.subnets, "subnet_pool_id"),
    "address_scope": _column_uses(tables.subnet_pools, "address_scope_id"),
    "address_group": _column_uses(tables.security_group_rules, "remote_address_group_id"),
    "qos_policy": _qos_uses,
}


def _policy(row: Row[Any]) -> RbacPolicy:
    return RbacPolicy(row.id, row.project_id, row.object_type, row.object_id, row.action, row.target_project)
