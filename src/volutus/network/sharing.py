"""What a project may use of another's: objects that a policy shares with it, or with everybody (`*`).

The column `shared` of an object (and `external` of a network) says that there is a policy for everybody: it
is written together with that policy, here and nowhere else, so that the common question needs no join.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Table, delete, exists, or_, select
from sqlalchemy.dialects.postgresql import insert

from volutus import quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network.tables import networks, rbac_policies

SHARED = "access_as_shared"
EXTERNAL = "access_as_external"
EVERYBODY = "*"
# The column that says so when an action is allowed to everybody.
COLUMNS = {SHARED: "shared", EXTERNAL: "external"}
# Whether a network is external for anybody.
IS_PUBLIC = exists(
    select(rbac_policies.c.id)
    .where(
        rbac_policies.c.object_type == "network",
        rbac_policies.c.object_id == networks.c.id,
        rbac_policies.c.action == EXTERNAL,
    )
    .correlate(networks)
)


def policies_of(object_type: str, project_id: str | None, *actions: str) -> ColumnElement[str]:
    """A subquery of the objects shared with this one project by a policy of its own."""
    found = select(rbac_policies.c.object_id).where(
        rbac_policies.c.target_project == (project_id or ""),
        rbac_policies.c.object_type == object_type,
        rbac_policies.c.action.in_(actions),
    )
    return found.scalar_subquery()


def visible(table: Table, object_type: str, caller: Caller) -> Sequence[ColumnElement[bool]]:
    """The caller's own objects and those shared with it; an administrator sees all."""
    if caller.is_admin:
        return ()
    named = policies_of(object_type, caller.project_id, SHARED)
    return (or_(table.c.project_id == (caller.project_id or ""), table.c.shared, table.c.id.in_(named)),)


def is_shared(table: Table, object_type: str, caller: Caller) -> ColumnElement[bool]:
    """Whether an object is shared as far as the caller is concerned."""
    return or_(table.c.shared, table.c.id.in_(policies_of(object_type, caller.project_id, SHARED)))


def visible_networks(caller: Caller) -> Sequence[ColumnElement[bool]]:
    """The same for networks, of which the external ones are for everybody, too."""
    if caller.is_admin:
        return ()
    named = policies_of("network", caller.project_id, SHARED, EXTERNAL)
    own = networks.c.project_id == (caller.project_id or "")
    return (or_(own, networks.c.shared, networks.c.external, networks.c.id.in_(named)),)


def usable_networks(caller: Caller) -> ColumnElement[bool]:
    """Own networks and shared ones: those that the caller's subnets and ports can be on."""
    own = networks.c.project_id == (caller.project_id or "")
    return or_(own, networks.c.shared, networks.c.id.in_(policies_of("network", caller.project_id, SHARED)))


def is_external(caller: Caller) -> ColumnElement[bool]:
    """Whether a network is external as far as the caller is concerned."""
    named = policies_of("network", caller.project_id, EXTERNAL)
    return or_(networks.c.external, networks.c.id.in_(named))


def follow(tx: Tx, object_type: str, object_id: str, project_id: str, action: str, *, allowed: bool) -> None:
    """The object's column was set: have the policy for everybody, or none."""
    if not allowed:
        withdraw(tx, object_type, object_id, action)
        return
    values = {
        "id": tx.ids.uuid(),
        "project_id": project_id,
        "object_type": object_type,
        "object_id": object_id,
        "action": action,
        "target_project": EVERYBODY,
        "created_at": tx.now,
    }
    tx.execute(insert(rbac_policies).on_conflict_do_nothing(), values)


def withdraw(tx: Tx, object_type: str, object_id: str, action: str) -> None:
    """Share it with everybody no longer."""
    tx.execute(
        delete(rbac_policies).where(
            rbac_policies.c.object_type == object_type,
            rbac_policies.c.object_id == object_id,
            rbac_policies.c.action == action,
            rbac_policies.c.target_project == EVERYBODY,
        )
    )


def forget(tx: Tx, object_type: str, object_id: str) -> None:
    """The object is gone: no policy names it any more."""
    gone = delete(rbac_policies).where(
        rbac_policies.c.object_type == object_type, rbac_policies.c.object_id == object_id
    )
    returned = gone.returning(rbac_policies.c.project_id, rbac_policies.c.target_project)
    for row in tx.rows(returned):  # bounded: the quota of policies
        if row.target_project != EVERYBODY:
            quota.release(tx, row.project_id, {"rbac_policy": 1})
