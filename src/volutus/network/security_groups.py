"""Security groups: what a port may send and get. Each project has a `default` one, made when first needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, Select, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from volutus import audit, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import default_rules, objects, sharing, units
from volutus.network.changes import check_revision, given
from volutus.network.errors import (
    PolicyNotAuthorized,
    SecurityGroupCannotRemoveDefault,
    SecurityGroupCannotUpdateDefault,
    SecurityGroupDefaultAlreadyExists,
    SecurityGroupInUse,
    SecurityGroupNameAmbiguous,
    SecurityGroupNotFound,
)
from volutus.network.listing import Query, boolean, common_filters, selected, sortable
from volutus.network.ovn.model import Kind
from volutus.network.security_group_rules import RULES_PER_GROUP_MAX, Rule, RuleOrder, add, rule_of_row
from volutus.network.tables import port_security_groups, security_group_rules, security_groups

DEFAULT_NAME = "default"
# A port in more groups than this could not be explained to anybody.
GROUPS_PER_PORT_MAX = 100


@dataclass(frozen=True)
class SecurityGroup:
    id: str
    project_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    stateful: bool
    is_default: bool
    shared: bool
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class SecurityGroupOrder:
    project_id: str
    name: str = ""
    description: str = ""
    stateful: bool = True


@dataclass(frozen=True)
class SecurityGroupChanges:
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    stateful: bool | UnsetType = UNSET


_FILTERS = common_filters(security_groups) | {
    "stateful": boolean(security_groups.c.stateful),
    "is_default": boolean(security_groups.c.is_default),
    "shared": boolean(security_groups.c.shared),
}
_SORTABLE = sortable(security_groups)
_DEFAULT_ID = select(security_groups.c.id).where(security_groups.c.is_default)


def create(tx: Tx, caller: Caller, order: SecurityGroupOrder) -> SecurityGroup:
    """A new group with the rules that the operator gives new groups: at first all out and nothing in."""
    if order.name == DEFAULT_NAME:
        raise SecurityGroupDefaultAlreadyExists("Default security group already exists.")
    ensure_default(tx, caller, order.project_id)
    group_id = tx.ids.uuid()
    rules = default_rules.rules_for(tx, group_id, order.project_id, is_default=False)
    return _make(tx, caller, group_id, order, rules)


def get(tx: Tx, caller: Caller, group_id: str) -> SecurityGroup:
    """A group of the caller's, with its rules."""
    row = _row(tx, caller, group_id)
    return _group(row, _rules_of(tx, [group_id]).get(group_id, []))


def list_(tx: Tx, caller: Caller, query: Query) -> list[SecurityGroup]:
    """The caller's groups, with their rules: two statements however many there are."""
    if caller.project_id is not None:
        ensure_default(tx, caller, caller.project_id)
    statement = _select(caller)
    rows = tx.rows(selected(tx, statement, query, _FILTERS, _SORTABLE))
    rules = _rules_of(tx, [row.id for row in rows])
    return [_group(row, rules.get(row.id, [])) for row in rows]


def change(
    tx: Tx, caller: Caller, group_id: str, changes: SecurityGroupChanges, if_revision: int | None = None
) -> SecurityGroup:
    """Change what is given. The default group keeps its name."""
    row = _own(tx, caller, group_id)
    check_revision(row.revision, if_revision)
    if row.is_default and changes.name is not UNSET and changes.name != row.name:
        raise SecurityGroupCannotUpdateDefault("Updating default security group not allowed.")
    if not row.is_default and changes.name == DEFAULT_NAME:
        raise SecurityGroupDefaultAlreadyExists("Default security group already exists.")
    values = given(changes)
    tx.execute(
        update(security_groups)
        .where(security_groups.c.id == group_id)
        .values(**values, revision=security_groups.c.revision + 1, updated_at=tx.now)
    )
    audit.record(tx, caller, "update", "network.security_group", group_id, {"fields": sorted(values)})
    if changes.stateful is not UNSET:
        units.touch(tx, Kind.SECURITY_GROUP, [group_id])
    return get(tx, caller, group_id)


def remove(tx: Tx, caller: Caller, group_id: str, if_revision: int | None = None) -> None:
    """Delete a group and every rule that names it. Raises SecurityGroupInUse while a port is in it."""
    # Locked against ports that join, which hold a share of this row.
    row = _own(tx, caller, group_id)
    check_revision(row.revision, if_revision)
    if row.is_default and not caller.is_admin:
        raise SecurityGroupCannotRemoveDefault("Insufficient rights for removing default security group.")
    member = select(port_security_groups.c.port_id).where(port_security_groups.c.group_id == group_id)
    if tx.value(member.limit(1)) is not None:
        raise SecurityGroupInUse(f"Security Group {group_id} in use: take it from its ports first.")
    touching = (security_group_rules.c.group_id == group_id) | (
        security_group_rules.c.remote_group_id == group_id
    )
    gone = tx.rows(
        delete(security_group_rules)
        .where(touching)
        .returning(security_group_rules.c.group_id, security_group_rules.c.project_id)
    )
    for project_id in sorted({rule.project_id for rule in gone}):
        count = sum(rule.project_id == project_id for rule in gone)
        quota.release(tx, project_id, {"security_group_rule": count})
    tx.execute(delete(security_groups).where(security_groups.c.id == group_id))
    sharing.forget(tx, "security_group", group_id)
    quota.release(tx, row.project_id, {"security_group": 1})
    audit.record(tx, caller, "delete", "network.security_group", group_id)
    units.bury(tx, Kind.SECURITY_GROUP, [group_id])
    units.touch(tx, Kind.SECURITY_GROUP, [rule.group_id for rule in gone if rule.group_id != group_id])


def ensure_default(tx: Tx, caller: Caller, project_id: str) -> str:
    """The id of the project's default group, made now if this is the first time that it is needed."""
    found: str | None = tx.value(_DEFAULT_ID.where(security_groups.c.project_id == project_id))
    if found is not None:
        return found
    # Two first requests of a project take turns here; the second finds what the first made.
    made = _reserve_default(tx, project_id)
    if made is None:
        return str(tx.value(_DEFAULT_ID.where(security_groups.c.project_id == project_id)))
    order = SecurityGroupOrder(project_id, DEFAULT_NAME)
    _count_and_note(tx, caller, made, order, default_rules.rules_for(tx, made, project_id, is_default=True))
    return made


def hold(tx: Tx, caller: Caller, group_ids: Sequence[str], project_id: str) -> list[str]:
    """The ids, checked: groups that the port's project may use (or any, for an administrator), held against
    deletion until this transaction ends."""
    wanted = sorted(set(group_ids))
    if not wanted:
        return []
    statement = select(security_groups.c.id).where(security_groups.c.id.in_(wanted))
    if not caller.is_admin:
        named = sharing.policies_of("security_group", project_id, sharing.SHARED)
        own = security_groups.c.project_id == project_id
        statement = statement.where(or_(own, security_groups.c.shared, security_groups.c.id.in_(named)))
    held = statement.order_by(security_groups.c.id).limit(GROUPS_PER_PORT_MAX)
    found = {row.id for row in tx.rows(held.with_for_update(key_share=True, read=True))}
    for group_id in wanted:
        if group_id not in found:
            raise SecurityGroupNotFound(f"Security group {group_id} does not exist")
    return wanted


def resolve(tx: Tx, caller: Caller, names: Sequence[str], project_id: str) -> list[str]:
    """Ids of groups of the project that are named by id or by name. Raises SecurityGroupNotFound, and
    SecurityGroupNameAmbiguous when a name fits several."""
    ensure_default(tx, caller, project_id)
    named = or_(security_groups.c.id.in_(names), security_groups.c.name.in_(names))
    statement = select(security_groups.c.id, security_groups.c.name).where(
        named, security_groups.c.project_id == project_id
    )
    found = tx.rows(statement.order_by(security_groups.c.id).limit(GROUPS_PER_PORT_MAX))
    ids = []
    for name in names:
        fitting = [row.id for row in found if row.id == name] or [row.id for row in found if row.name == name]
        if not fitting:
            raise SecurityGroupNotFound(f"Security group {name} not found.")
        if len(fitting) > 1:
            raise SecurityGroupNameAmbiguous(
                f"Multiple security groups found matching '{name}'. Use an ID to be more specific."
            )
        ids.append(fitting[0])
    return ids


def _make(
    tx: Tx, caller: Caller, group_id: str, order: SecurityGroupOrder, rules: Sequence[RuleOrder]
) -> SecurityGroup:
    tx.execute(
        insert(security_groups).values(**given(order), id=group_id, created_at=tx.now, updated_at=tx.now)
    )
    _count_and_note(tx, caller, group_id, order, rules)
    return get(tx, caller, group_id)


def _reserve_default(tx: Tx, project_id: str) -> str | None:
    statement = insert(security_groups).values(
        id=tx.ids.uuid(),
        project_id=project_id,
        name=DEFAULT_NAME,
        description="Default security group",
        is_default=True,
        created_at=tx.now,
        updated_at=tx.now,
    )
    made: str | None = tx.value(statement.on_conflict_do_nothing().returning(security_groups.c.id))
    return made


def _count_and_note(
    tx: Tx, caller: Caller, group_id: str, order: SecurityGroupOrder, rules: Sequence[RuleOrder]
) -> None:
    quota.charge(tx, order.project_id, {"security_group": 1})
    add(tx, rules)
    audit.record(tx, caller, "create", "network.security_group", group_id, {"name": order.name})
    units.touch(tx, Kind.SECURITY_GROUP, [group_id])


def _row(tx: Tx, caller: Caller, group_id: str, *, lock: bool = False) -> Row[Any]:
    statement = _select(caller).where(security_groups.c.id == group_id)
    row = tx.row(statement.with_for_update(of=security_groups) if lock else statement)
    if row is None:
        raise SecurityGroupNotFound(f"Security group {group_id} does not exist")
    return row


def _own(tx: Tx, caller: Caller, group_id: str) -> Row[Any]:
    row = _row(tx, caller, group_id, lock=True)
    if not caller.sees(row.project_id):
        raise PolicyNotAuthorized("Only the group's own project may change it.")
    return row


def _select(caller: Caller) -> Select[Any]:
    """Groups that the caller may use, with `shared` as it is for it."""
    columns = [column for column in security_groups.c if column.name != "shared"]
    shared = sharing.is_shared(security_groups, "security_group", caller).label("shared")
    return select(*columns, shared).where(*sharing.visible(security_groups, "security_group", caller))


def _rules_of(tx: Tx, group_ids: Sequence[str]) -> dict[str, list[Rule]]:
    if not group_ids:
        return {}
    statement = (
        select(security_group_rules)
        .where(security_group_rules.c.group_id.in_(group_ids))
        .order_by(security_group_rules.c.created_at, security_group_rules.c.id)
        .limit(RULES_PER_GROUP_MAX * len(group_ids))
    )
    found: dict[str, list[Rule]] = {}
    for row in tx.rows(statement):
        found.setdefault(row.group_id, []).append(rule_of_row(row))
    return found


def _group(row: Row[Any], rules: Sequence[Rule]) -> SecurityGroup:
    return objects.built(SecurityGroup, row, rules=tuple(rules))
