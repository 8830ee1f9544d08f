"""Which endpoints a project's catalog has: all of them, unless some were chosen for it (OS-EP-FILTER).

Chosen one by one, or by endpoint groups, which name a service, an interface, a region, or several of these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import ColumnElement, Row, Table, delete, insert, select, true, update
from sqlalchemy.dialects import postgresql

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Invalid, NotFound
from volutus.identity import catalog, projects
from volutus.identity.caller import Caller
from volutus.identity.records import Id, Name, given, listed, write
from volutus.identity.tables import (
    endpoint,
    endpoint_group,
    project,
    project_endpoint,
    project_endpoint_group,
)

_FILTERS = ("service_id", "interface", "region_id")


class EndpointGroupNotFound(NotFound):
    code = "identity.endpoint_group.not_found"


class NotChosen(NotFound):
    code = "identity.endpoint.not_chosen"


@dataclass(frozen=True)
class EndpointGroupFields:
    """What a client may say of an endpoint group. `filters` names at least one of service, interface and
    region."""

    name: Name | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    filters: Annotated[dict[str, Id], Meta(max_length=len(_FILTERS))] | UnsetType = UNSET


def create_group(tx: Tx, caller: Caller, fields: EndpointGroupFields) -> Row[Any]:
    """A new endpoint group."""
    for name in ("name", "filters"):
        if getattr(fields, name) is UNSET:
            where = f"endpoint_group.{name}"
            raise Invalid(f"Invalid input for {where}: it is required.", field=where)
    row = {"id": tx.ids.hex(), "name": fields.name, "description": fields.description or None}
    row |= _filters(tx, fields.filters if not isinstance(fields.filters, UnsetType) else {})
    write(tx, insert(endpoint_group), row, f"Duplicate endpoint group {fields.name}.")
    audit.record(tx, caller, "create", "identity.endpoint_group", str(row["id"]))
    return get_group(tx, str(row["id"]))


def get_group(tx: Tx, group_id: str) -> Row[Any]:
    """Raises EndpointGroupNotFound."""
    row = tx.row(select(endpoint_group).where(endpoint_group.c.id == group_id).limit(1))
    if row is None:
        raise EndpointGroupNotFound(f"Could not find endpoint group: {group_id}.")
    return row


def list_groups(tx: Tx, page: Page, name: str | None = None) -> Sequence[Row[Any]]:
    """Endpoint groups, by name if asked."""
    statement = select(endpoint_group)
    if name is not None:
        statement = statement.where(endpoint_group.c.name == name)
    return listed(tx, statement, page, {"id": endpoint_group.c.id, "name": endpoint_group.c.name})


def change_group(tx: Tx, caller: Caller, group_id: str, fields: EndpointGroupFields) -> Row[Any]:
    """Change an endpoint group; new filters replace the ones before."""
    get_group(tx, group_id)
    changes = given(fields)
    if "filters" in changes:
        changes |= _filters(tx, changes.pop("filters"))
    if changes:
        statement = update(endpoint_group).where(endpoint_group.c.id == group_id).values(**changes)
        write(tx, statement, None, f"Duplicate endpoint group {fields.name}.")
    audit.record(tx, caller, "update", "identity.endpoint_group", group_id)
    return get_group(tx, group_id)


def remove_group(tx: Tx, caller: Caller, group_id: str) -> None:
    """Delete an endpoint group; projects that had no other choice see all endpoints again."""
    get_group(tx, group_id)
    tx.execute(delete(endpoint_group).where(endpoint_group.c.id == group_id))
    audit.record(tx, caller, "delete", "identity.endpoint_group", group_id)


def endpoints_of_group(tx: Tx, group_id: str, page: Page) -> Sequence[Row[Any]]:
    """The endpoints that the group's filters fit."""
    group = get_group(tx, group_id)
    asked = [endpoint.c[name] == getattr(group, name) for name in _FILTERS if getattr(group, name)]
    return listed(tx, select(endpoint).where(true(), *asked), page, {"id": endpoint.c.id})


def groups_of_project(tx: Tx, project_id: str, page: Page) -> Sequence[Row[Any]]:
    """The endpoint groups chosen for a project."""
    projects.must_exist(tx, project_id)
    link = project_endpoint_group
    chosen = select(link.c.endpoint_group_id).where(link.c.project_id == project_id)
    statement = select(endpoint_group).where(endpoint_group.c.id.in_(chosen))
    return listed(tx, statement, page, {"id": endpoint_group.c.id})


def endpoints_of_project(tx: Tx, project_id: str, page: Page) -> Sequence[Row[Any]]:
    """The endpoints chosen for a project one by one."""
    projects.must_exist(tx, project_id)
    link = project_endpoint
    chosen = select(link.c.endpoint_id).where(link.c.project_id == project_id)
    return listed(tx, select(endpoint).where(endpoint.c.id.in_(chosen)), page, {"id": endpoint.c.id})


def projects_of_group(tx: Tx, group_id: str, page: Page) -> Sequence[Row[Any]]:
    """The projects that the endpoint group was chosen for."""
    get_group(tx, group_id)
    link = project_endpoint_group
    chosen = select(link.c.project_id).where(link.c.endpoint_group_id == group_id)
    return listed(tx, select(project).where(project.c.id.in_(chosen)), page, {"id": project.c.id})


def projects_of_endpoint(tx: Tx, endpoint_id: str, page: Page) -> Sequence[Row[Any]]:
    """The projects that the endpoint was chosen for."""
    catalog.get_endpoint(tx, endpoint_id)
    chosen = select(project_endpoint.c.project_id).where(project_endpoint.c.endpoint_id == endpoint_id)
    return listed(tx, select(project).where(project.c.id.in_(chosen)), page, {"id": project.c.id})


@dataclass(frozen=True)
class Choice:
    """An endpoint or an endpoint group for a project: one of the two."""

    project_id: str
    endpoint_id: str | None = None
    endpoint_group_id: str | None = None

    @property
    def _table(self) -> Table:
        return project_endpoint if self.endpoint_id else project_endpoint_group

    def _row(self) -> dict[str, str]:
        named = {"endpoint_id": self.endpoint_id, "endpoint_group_id": self.endpoint_group_id}
        return {"project_id": self.project_id} | {key: value for key, value in named.items() if value}

    def _same(self) -> list[ColumnElement[bool]]:
        return [self._table.c[name] == value for name, value in self._row().items()]


def choose(tx: Tx, caller: Caller, choice: Choice) -> None:
    """Put it into the project's catalog; twice is once. What was not chosen is no longer in it."""
    _look(tx, choice)
    tx.execute(postgresql.insert(choice._table).on_conflict_do_nothing(), choice._row())
    audit.record(tx, caller, "choose_endpoints", "identity.project", choice.project_id, choice._row())


def check(tx: Tx, choice: Choice) -> None:
    """Raises NotChosen unless it was chosen."""
    _look(tx, choice)
    if tx.row(select(choice._table).where(*choice._same()).limit(1)) is None:
        raise NotChosen("The endpoints were not chosen for this project.")


def give_up(tx: Tx, caller: Caller, choice: Choice) -> None:
    """Take it back. Raises NotChosen."""
    _look(tx, choice)
    if tx.changed(delete(choice._table).where(*choice._same())) != 1:
        raise NotChosen("The endpoints were not chosen for this project.")
    audit.record(tx, caller, "give_up_endpoints", "identity.project", choice.project_id, choice._row())


def _look(tx: Tx, choice: Choice) -> None:
    projects.must_exist(tx, choice.project_id)
    if choice.endpoint_id is not None:
        catalog.get_endpoint(tx, choice.endpoint_id)
    if choice.endpoint_group_id is not None:
        get_group(tx, choice.endpoint_group_id)


def _filters(tx: Tx, filters: Mapping[str, str]) -> dict[str, str | None]:
    for name in filters:
        if name not in _FILTERS:
            raise Invalid(
                f"Invalid input for endpoint_group.filters: there is no {name!r}.",
                field="endpoint_group.filters",
            )
    if filters.get("interface", "public") not in ("public", "internal", "admin"):
        raise Invalid("An interface is public, internal or admin.", field="endpoint_group.filters.interface")
    if "service_id" in filters:
        catalog.get_service(tx, filters["service_id"])
    if "region_id" in filters:
        catalog.get_region(tx, filters["region_id"])
    return {name: filters.get(name) for name in _FILTERS}
