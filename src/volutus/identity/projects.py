"""Projects: what isolates tenants from each other, in trees within a domain.

`ancestors` of a row are the ids from the top down to the parent. A project never moves, so they are written
once; inheritance and subtrees are then plain lookups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, Row, Select, any_, delete, func, insert, not_, or_, select, text, update

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Forbidden, Invalid, NotFound
from volutus.identity import access, domains
from volutus.identity.caller import Caller
from volutus.identity.records import Filter, Id, ShortName, Tags, given, listed, merged, narrowed, write
from volutus.identity.tables import assignment, domain, group_member, project, user

# Keystone's bound: five levels of projects below a domain.
DEPTH_MAX = 5
# A tree with more projects is shown in part.
TREE_MAX = 1000
# A domain with more is emptied before it is deleted.
DOMAIN_MAX = 100_000
_IMMUTABLE = "immutable"
_CHILDREN = text("SELECT 1 FROM identity_project WHERE parent_id = :id LIMIT 1")
_ENABLED_CHILDREN = text(
    "SELECT 1 FROM identity_project WHERE ancestors @> ARRAY[CAST(:id AS text)] AND enabled LIMIT 1"
)
_SORTABLE: dict[str, ColumnElement[Any]] = {"id": project.c.id, "name": project.c.name}


class ProjectNotFound(NotFound):
    code = "identity.project.not_found"


@dataclass(frozen=True)
class ProjectFields:
    """What a client may say of a project. `parent_id` may be a domain's id, which means the top."""

    name: ShortName | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    parent_id: Id | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    is_domain: bool | UnsetType = UNSET
    options: dict[str, bool | None] | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET


@dataclass(frozen=True)
class TagFilter:
    """Tags a project must have: all of, any of, not all of, none of."""

    all_of: Sequence[str] = ()
    any_of: Sequence[str] = ()
    not_all_of: Sequence[str] = ()
    none_of: Sequence[str] = ()


def create(tx: Tx, caller: Caller, fields: ProjectFields, extra: Mapping[str, Any]) -> Row[Any]:
    """A new project."""
    if isinstance(fields.name, UnsetType):
        raise Invalid("Invalid input for project.name: it is required.", field="project.name")
    parent = _parent(tx, fields)
    domain_id = _domain_id(caller, fields, parent)
    access.require_manager(caller, domain_id)
    domains.must_exist(tx, domain_id)
    changes = given(fields)
    row = {
        "id": tx.ids.hex(),
        "domain_id": domain_id,
        "parent_id": parent.id if parent else None,
        "ancestors": [*parent.ancestors, parent.id] if parent else [],
        "name": fields.name,
        "description": changes.get("description") or "",
        "enabled": changes.get("enabled", True),
        "options": merged({}, changes.get("options", {})),
        "tags": changes.get("tags", []),
        "extra": dict(extra),
        "epoch": 0,
        "created_at": tx.now,
    }
    write(tx, insert(project), row, _taken(fields.name, domain_id))
    audit.record(tx, caller, "create", "identity.project", row["id"])
    return must_exist(tx, row["id"])


def get(tx: Tx, caller: Caller, project_id: str) -> Row[Any]:
    """A project, if it is the token's own or the caller sees its domain."""
    row = tx.row(select(project).where(project.c.id == project_id).limit(1))
    if row is None:
        raise access.missing(caller, ProjectNotFound(f"Could not find project: {project_id}."))
    access.require(caller.project_id == row.id or access.may_read(caller, row.domain_id))
    return row


def is_domain(tx: Tx, project_id: str) -> bool:
    """Whether the id is a domain's: Keystone shows domains as projects too."""
    return tx.row(select(domain.c.id).where(domain.c.id == project_id).limit(1)) is not None


def list_(
    tx: Tx, caller: Caller, page: Page, filters: Sequence[Filter], tags: TagFilter | None = None
) -> list[Row[Any]]:
    """Projects of the domains that the caller sees."""
    asked = next((f.value for f in filters if f.column == "domain_id"), None)
    visible = access.visible_domain(caller, asked)
    statement = _matching(filters, tags or TagFilter())
    if visible is not None:
        statement = statement.where(project.c.domain_id == visible)
    return listed(tx, statement, page, _SORTABLE)


def list_of_user(tx: Tx, user_id: str, page: Page, filters: Sequence[Filter] = ()) -> list[Row[Any]]:
    """Projects in which the user has a role: given, by group, or inherited from above. The caller of this
    verb has made sure that it may be told."""
    mine = select(group_member.c.group_id).where(group_member.c.user_id == user_id)
    a = assignment
    granted = (
        select(a.c.id)
        .where(
            or_(a.c.user_id == user_id, a.c.group_id.in_(mine)),
            or_(
                (a.c.project_id == project.c.id) & not_(a.c.inherited),
                a.c.inherited
                & or_(a.c.domain_id == project.c.domain_id, a.c.project_id == any_(project.c.ancestors)),
            ),
        )
        .exists()
    )
    return listed(tx, _matching(filters, TagFilter()).where(granted), page, _SORTABLE)


def change(
    tx: Tx, caller: Caller, project_id: str, fields: ProjectFields, extra: Mapping[str, Any]
) -> Row[Any]:
    """Change a project. Disabling it ends all tokens for it."""
    before = get(tx, caller, project_id)
    access.require_manager(caller, before.domain_id)
    _check_unmoved(before, fields)
    changes = {k: v for k, v in given(fields).items() if k in ("name", "description", "enabled", "tags")}
    if "description" in changes:
        changes["description"] = changes["description"] or ""
    changes["options"] = merged(before.options, given(fields).get("options", {}))
    changes["extra"] = merged(before.extra, extra)
    if fields.enabled is True and before.ancestors and not before.enabled:
        _require_enabled(tx, before.parent_id)
    if fields.enabled is False and before.enabled:
        if tx.row(_ENABLED_CHILDREN, {"id": project_id}) is not None:
            raise Forbidden(f"Cannot disable project {project_id} since projects below it are enabled.")
        changes["epoch"] = project.c.epoch + 1
    statement = update(project).where(project.c.id == project_id).values(**changes)
    write(tx, statement, None, _taken(str(fields.name), before.domain_id))
    audit.record(tx, caller, "update", "identity.project", project_id)
    return must_exist(tx, project_id)


def remove(tx: Tx, caller: Caller, project_id: str) -> None:
    """Delete a project without children. What other services keep of it is theirs to clear."""
    row = get(tx, caller, project_id)
    access.require_manager(caller, row.domain_id)
    if row.options.get(_IMMUTABLE):
        raise Forbidden(f"Cannot delete immutable project {project_id}.")
    if tx.row(_CHILDREN, {"id": project_id}) is not None:
        raise Forbidden(f"Cannot delete project {project_id} since it is not a leaf in the hierarchy.")
    tx.execute(delete(project).where(project.c.id == project_id))
    tx.execute(update(user).where(user.c.default_project_id == project_id).values(default_project_id=None))
    audit.record(tx, caller, "delete", "identity.project", project_id)


def must_manage(tx: Tx, caller: Caller, project_id: str) -> None:
    """Raise Forbidden unless the caller may change the project."""
    access.require_manager(caller, get(tx, caller, project_id).domain_id)


def ids_of_domain(tx: Tx, domain_id: str) -> list[str]:
    """The projects of a domain."""
    chosen = select(project.c.id).where(project.c.domain_id == domain_id).order_by(project.c.id)
    return [row.id for row in tx.rows(chosen.limit(DOMAIN_MAX))]


def ancestors(tx: Tx, row: Row[Any]) -> list[Row[Any]]:
    """The projects above, the nearest first."""
    above = select(project).where(project.c.id.in_(row.ancestors)).limit(DEPTH_MAX)
    found = {r.id: r for r in tx.rows(above)}
    return [found[project_id] for project_id in reversed(row.ancestors) if project_id in found]


def descendants(tx: Tx, row: Row[Any]) -> list[Row[Any]]:
    """The projects below, each behind its parent."""
    below = select(project).where(project.c.ancestors.contains([row.id]))
    ordered = below.order_by(func.cardinality(project.c.ancestors), project.c.name).limit(TREE_MAX)
    return list(tx.rows(ordered))


def set_tags(tx: Tx, caller: Caller, project_id: str, tags: Sequence[str]) -> list[str]:
    """Replace all tags."""
    row = get(tx, caller, project_id)
    access.require_manager(caller, row.domain_id)
    chosen = sorted(set(tags))
    if len(chosen) > 80:
        raise Invalid("A project has at most 80 tags.", field="tags")
    tx.execute(update(project).where(project.c.id == project_id).values(tags=chosen))
    audit.record(tx, caller, "tag", "identity.project", project_id, {"tags": chosen})
    return chosen


def tags_of(tx: Tx, project_ids: Sequence[str]) -> dict[str, list[str]]:
    """Project id to its tags, whoever asks; without those that do not exist any more."""
    chosen = select(project.c.id, project.c.tags).where(project.c.id.in_(project_ids))
    return {row.id: list(row.tags) for row in tx.rows(chosen.limit(max(len(project_ids), 1)))}


def names_of(tx: Tx, project_ids: Sequence[str]) -> dict[str, str]:
    """Project id to its name, in the same way."""
    chosen = select(project.c.id, project.c.name).where(project.c.id.in_(project_ids))
    return {row.id: row.name for row in tx.rows(chosen.limit(max(len(project_ids), 1)))}


def must_exist(tx: Tx, project_id: str) -> Row[Any]:
    """The project something refers to. Raises ProjectNotFound."""
    row = tx.row(select(project).where(project.c.id == project_id).limit(1))
    if row is None:
        raise ProjectNotFound(f"Could not find project: {project_id}.")
    return row


def _matching(filters: Sequence[Filter], tags: TagFilter) -> Select[Any]:
    statement = select(project)
    for wanted in filters:
        if wanted.column == "parent_id":
            # A domain's id as parent means the projects at its top.
            top = project.c.parent_id.is_(None) & (project.c.domain_id == wanted.value)
            statement = statement.where(or_(project.c.parent_id == wanted.value, top))
        else:
            statement = narrowed(statement, project, [wanted])
    if tags.all_of:
        statement = statement.where(project.c.tags.contains(list(tags.all_of)))
    if tags.any_of:
        statement = statement.where(project.c.tags.overlap(list(tags.any_of)))
    if tags.not_all_of:
        statement = statement.where(not_(project.c.tags.contains(list(tags.not_all_of))))
    if tags.none_of:
        statement = statement.where(not_(project.c.tags.overlap(list(tags.none_of))))
    return statement


def _parent(tx: Tx, fields: ProjectFields) -> Row[Any] | None:
    parent_id = fields.parent_id or None
    if parent_id is None or parent_id == fields.domain_id:
        return None
    row = tx.row(select(project).where(project.c.id == parent_id).limit(1))
    if row is None:
        if tx.row(select(domain.c.id).where(domain.c.id == parent_id).limit(1)) is None:
            raise ProjectNotFound(f"Could not find project: {parent_id}.")
        return None
    if not row.enabled:
        raise Forbidden(f"Cannot create a project below disabled project {parent_id}.")
    if len(row.ancestors) + 1 >= DEPTH_MAX:
        raise Forbidden(f"Projects are nested at most {DEPTH_MAX} deep.")
    return row


def _domain_id(caller: Caller, fields: ProjectFields, parent: Row[Any] | None) -> str:
    asked = fields.domain_id or None
    if parent is not None:
        if asked is not None and asked != parent.domain_id:
            raise Invalid("The parent project is in another domain.", field="project.domain_id")
        return str(parent.domain_id)
    # A parent that is not a project is the domain itself.
    return str(asked or fields.parent_id or access.own_domain(caller))


def _require_enabled(tx: Tx, parent_id: str) -> None:
    if not must_exist(tx, parent_id).enabled:
        raise Forbidden("Cannot enable a project whose parent is disabled.")


def _check_unmoved(before: Row[Any], fields: ProjectFields) -> None:
    if not isinstance(fields.domain_id, UnsetType) and fields.domain_id != before.domain_id:
        raise Invalid("A project stays in its domain.", field="project.domain_id")
    parent_id = before.parent_id or before.domain_id
    if not isinstance(fields.parent_id, UnsetType) and fields.parent_id not in (parent_id, before.parent_id):
        raise Forbidden("Update of parent_id is not allowed.")
    if fields.is_domain is True:
        raise Invalid("A project cannot become a domain.", field="project.is_domain")


def _taken(name: str, domain_id: str) -> str:
    return (
        "Conflict occurred attempting to store project - "
        f"Duplicate entry found with name {name} at domain ID {domain_id}."
    )


def domains_of_user(tx: Tx, user_id: str, page: Page) -> list[Row[Any]]:
    """The enabled domains on which the user has a role."""
    on = select(assignment.c.domain_id).where(_to(user_id), not_(assignment.c.inherited))
    statement = select(domain).where(domain.c.id.in_(on), domain.c.enabled)
    return listed(tx, statement, page, {"id": domain.c.id, "name": domain.c.name})


def has_system_role(tx: Tx, user_id: str) -> bool:
    """Whether the user has a role on the system."""
    return tx.row(select(assignment.c.id).where(_to(user_id), assignment.c.system).limit(1)) is not None


def _to(user_id: str) -> ColumnElement[bool]:
    mine = select(group_member.c.group_id).where(group_member.c.user_id == user_id)
    return or_(assignment.c.user_id == user_id, assignment.c.group_id.in_(mine))
