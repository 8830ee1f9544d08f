"""Regions, services and endpoints: where the cloud's services are.

The URL of an endpoint of this cloud is stored as a path below its origin (`/compute/v2.1`) and made whole
where it is shown, so that neither a new listen address nor a proxy in front makes the catalog wrong.
`$(project_id)s` in it stands for the token's project.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, insert, select, text, update

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Conflict, Invalid, NotFound
from volutus.identity.caller import Caller
from volutus.identity.records import Id, given, listed, merged, write
from volutus.identity.tables import endpoint, region, service

Interface = Literal["public", "internal", "admin"]
# A catalog is sent with every token: more endpoints than this would drown it.
CATALOG_MAX = 1000
# Parents of regions are followed at most this far up when looking for a loop.
REGION_DEPTH_MAX = 32
# A project for which endpoints were chosen sees those alone (`endpoint_filters`).
_CATALOG = text("""
WITH chosen_group AS (
    SELECT g.* FROM identity_project_endpoint_group pg
    JOIN identity_endpoint_group g ON g.id = pg.endpoint_group_id WHERE pg.project_id = :project_id
), chosen AS (
    SELECT endpoint_id FROM identity_project_endpoint WHERE project_id = :project_id
    UNION
    SELECT e.id FROM identity_endpoint e JOIN chosen_group g
        ON e.service_id = coalesce(g.service_id, e.service_id)
        AND e.interface = coalesce(g.interface, e.interface)
        AND (g.region_id IS NULL OR e.region_id = g.region_id)
)
SELECT s.id AS service_id, s.type, coalesce(s.name, '') AS name, e.id, e.interface, e.url, e.region_id
FROM identity_service s LEFT JOIN identity_endpoint e ON e.service_id = s.id AND e.enabled
WHERE s.enabled AND (
    e.id IN (SELECT endpoint_id FROM chosen)
    OR NOT EXISTS (SELECT FROM chosen_group)
        AND NOT EXISTS (SELECT FROM identity_project_endpoint WHERE project_id = :project_id))
ORDER BY s.type, s.id, e.interface, e.id LIMIT :limit
""")


class RegionNotFound(NotFound):
    code = "identity.region.not_found"


class ServiceNotFound(NotFound):
    code = "identity.service.not_found"


class EndpointNotFound(NotFound):
    code = "identity.endpoint.not_found"


@dataclass(frozen=True)
class RegionFields:
    """What a client may say of a region."""

    id: Id | UnsetType | None = UNSET
    parent_region_id: Id | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET


@dataclass(frozen=True)
class ServiceFields:
    """What a client may say of a service."""

    type: Id | UnsetType = UNSET
    name: Id | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


@dataclass(frozen=True)
class EndpointFields:
    """What a client may say of an endpoint."""

    service_id: Id | UnsetType = UNSET
    region_id: Id | UnsetType | None = UNSET
    interface: Interface | UnsetType = UNSET
    url: Id | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


@dataclass(frozen=True)
class Reach:
    """One endpoint of the catalog."""

    id: str
    interface: str
    url: str
    region_id: str | None


@dataclass(frozen=True)
class Offer:
    """One service of the catalog with its endpoints."""

    id: str
    type: str
    name: str
    endpoints: list[Reach] = field(default_factory=list)


def catalog(tx: Tx, project_id: str | None, user_id: str | None) -> list[Offer]:
    """The services as a token of this project sees them, those without endpoints too. An endpoint whose URL
    needs a project is left out without one."""
    offers: dict[str, Offer] = {}
    for row in tx.rows(_CATALOG, {"project_id": project_id or "", "limit": CATALOG_MAX}):
        offer = offers.setdefault(row.service_id, Offer(row.service_id, row.type, row.name))
        url = None if row.url is None else substituted(row.url, project_id, user_id)
        if url is not None:
            offer.endpoints.append(Reach(row.id, row.interface, url, row.region_id))
    return list(offers.values())


def substituted(url: str, project_id: str | None, user_id: str | None) -> str | None:
    """The URL with its variables filled in, or None where one has no value or is not known."""
    if "$(" not in url and "%(" not in url:
        return url
    for name, value in (("project_id", project_id), ("tenant_id", project_id), ("user_id", user_id)):
        for variable in (f"$({name})s", f"%({name})s"):
            if variable in url:
                if value is None:
                    return None
                url = url.replace(variable, value)
    return None if "$(" in url or "%(" in url else url


def create_region(tx: Tx, caller: Caller, fields: RegionFields, extra: Mapping[str, Any]) -> Row[Any]:
    """A new region; its id may be chosen."""
    region_id = fields.id or tx.ids.hex()
    _check_parent(tx, region_id, fields.parent_region_id)
    row = {
        "id": region_id,
        "parent_id": fields.parent_region_id or None,
        "description": fields.description or "",
        "extra": dict(extra),
    }
    write(tx, insert(region), row, f"Duplicate ID, {region_id}.")
    audit.record(tx, caller, "create", "identity.region", str(region_id))
    return get_region(tx, str(region_id))


def get_region(tx: Tx, region_id: str) -> Row[Any]:
    """Raises RegionNotFound."""
    row = tx.row(select(region).where(region.c.id == region_id).limit(1))
    if row is None:
        raise RegionNotFound(f"Could not find region: {region_id}.")
    return row


def list_regions(tx: Tx, page: Page, parent_id: str | None = None) -> Sequence[Row[Any]]:
    """Regions, or those within one."""
    statement = select(region)
    if parent_id is not None:
        statement = statement.where(region.c.parent_id == parent_id)
    return listed(tx, statement, page, {"id": region.c.id})


def update_region(
    tx: Tx, caller: Caller, region_id: str, fields: RegionFields, extra: Mapping[str, Any]
) -> Row[Any]:
    """Change a region."""
    before = get_region(tx, region_id)
    changes: dict[str, Any] = {"extra": merged(before.extra, extra)}
    if not isinstance(fields.description, UnsetType):
        changes["description"] = fields.description or ""
    if not isinstance(fields.parent_region_id, UnsetType):
        _check_parent(tx, region_id, fields.parent_region_id)
        changes["parent_id"] = fields.parent_region_id
    write(tx, update(region).where(region.c.id == region_id).values(**changes), None, "Duplicate region.")
    audit.record(tx, caller, "update", "identity.region", region_id)
    return get_region(tx, region_id)


def delete_region(tx: Tx, caller: Caller, region_id: str) -> None:
    """Refused while regions or endpoints are in it."""
    get_region(tx, region_id)
    used = select(region.c.id).where(region.c.parent_id == region_id).limit(1)
    served = select(endpoint.c.id).where(endpoint.c.region_id == region_id).limit(1)
    if tx.row(used) is not None or tx.row(served) is not None:
        raise Conflict(f"Unable to delete region {region_id} because it or its child regions are in use.")
    tx.execute(delete(region).where(region.c.id == region_id))
    audit.record(tx, caller, "delete", "identity.region", region_id)


def create_service(tx: Tx, caller: Caller, fields: ServiceFields, extra: Mapping[str, Any]) -> Row[Any]:
    """A new service."""
    if isinstance(fields.type, UnsetType):
        raise Invalid("Invalid input for service.type: it is required.", field="service.type")
    row = {"id": tx.ids.hex(), "enabled": True, "name": None, "description": None, "extra": dict(extra)}
    row |= given(fields)
    write(tx, insert(service), row, "Duplicate service.")
    audit.record(tx, caller, "create", "identity.service", str(row["id"]))
    return get_service(tx, str(row["id"]))


def get_service(tx: Tx, service_id: str) -> Row[Any]:
    """Raises ServiceNotFound."""
    row = tx.row(select(service).where(service.c.id == service_id).limit(1))
    if row is None:
        raise ServiceNotFound(f"Could not find service: {service_id}.")
    return row


def list_services(tx: Tx, page: Page, filters: Mapping[str, str]) -> Sequence[Row[Any]]:
    """Services by `type` and `name`."""
    statement = select(service).where(*(service.c[name] == value for name, value in filters.items()))
    return listed(tx, statement, page, {"id": service.c.id, "type": service.c.type, "name": service.c.name})


def update_service(
    tx: Tx, caller: Caller, service_id: str, fields: ServiceFields, extra: Mapping[str, Any]
) -> Row[Any]:
    """Change a service."""
    before = get_service(tx, service_id)
    changes = {**given(fields), "extra": merged(before.extra, extra)}
    tx.execute(update(service).where(service.c.id == service_id).values(**changes))
    audit.record(tx, caller, "update", "identity.service", service_id)
    return get_service(tx, service_id)


def delete_service(tx: Tx, caller: Caller, service_id: str) -> None:
    """Its endpoints go with it."""
    get_service(tx, service_id)
    write(tx, delete(service).where(service.c.id == service_id), None, "The service is in use.")
    audit.record(tx, caller, "delete", "identity.service", service_id)


def create_endpoint(tx: Tx, caller: Caller, fields: EndpointFields, extra: Mapping[str, Any]) -> Row[Any]:
    """A new endpoint. Raises Invalid where the service does not exist."""
    for name in ("service_id", "interface", "url"):
        if getattr(fields, name) is UNSET:
            raise Invalid(f"Invalid input for endpoint.{name}: it is required.", field=f"endpoint.{name}")
    row = {"id": tx.ids.hex(), "enabled": True, "region_id": None, "extra": dict(extra)} | given(fields)
    _check_references(tx, caller, row)
    write(tx, insert(endpoint), row, "Duplicate endpoint.")
    audit.record(tx, caller, "create", "identity.endpoint", str(row["id"]))
    return get_endpoint(tx, str(row["id"]))


def get_endpoint(tx: Tx, endpoint_id: str) -> Row[Any]:
    """Raises EndpointNotFound."""
    row = tx.row(select(endpoint).where(endpoint.c.id == endpoint_id).limit(1))
    if row is None:
        raise EndpointNotFound(f"Could not find endpoint: {endpoint_id}.")
    return row


def list_endpoints(tx: Tx, page: Page, filters: Mapping[str, str]) -> Sequence[Row[Any]]:
    """Endpoints by `interface`, `service_id` and `region_id`."""
    statement = select(endpoint).where(*(endpoint.c[name] == value for name, value in filters.items()))
    return listed(tx, statement, page, {"id": endpoint.c.id})


def update_endpoint(
    tx: Tx, caller: Caller, endpoint_id: str, fields: EndpointFields, extra: Mapping[str, Any]
) -> Row[Any]:
    """Change an endpoint."""
    before = get_endpoint(tx, endpoint_id)
    changes = given(fields)
    _check_references(tx, caller, changes)
    changes["extra"] = merged(before.extra, extra)
    tx.execute(update(endpoint).where(endpoint.c.id == endpoint_id).values(**changes))
    audit.record(tx, caller, "update", "identity.endpoint", endpoint_id)
    return get_endpoint(tx, endpoint_id)


def delete_endpoint(tx: Tx, caller: Caller, endpoint_id: str) -> None:
    """Gone from every catalog with the next token."""
    get_endpoint(tx, endpoint_id)
    tx.execute(delete(endpoint).where(endpoint.c.id == endpoint_id))
    audit.record(tx, caller, "delete", "identity.endpoint", endpoint_id)


def _check_parent(tx: Tx, region_id: str | UnsetType, parent_id: str | UnsetType | None) -> None:
    """The parent must exist and not be the region itself or below it."""
    at = None if isinstance(parent_id, UnsetType) else parent_id
    for _ in range(REGION_DEPTH_MAX):
        if at is None:
            return
        if at == region_id:
            raise Invalid("A region cannot be within itself.", field="region.parent_region_id")
        at = get_region(tx, at).parent_id
    raise Invalid("Regions are nested too deep.", field="region.parent_region_id")


def _check_references(tx: Tx, caller: Caller, values: Mapping[str, Any]) -> None:
    """The service must exist; a region that does not is made, as Keystone does."""
    try:
        if "service_id" in values:
            get_service(tx, values["service_id"])
    except ServiceNotFound as error:
        raise Invalid(error.message) from error
    region_id = values.get("region_id")
    if region_id is not None and tx.row(select(region.c.id).where(region.c.id == region_id).limit(1)) is None:
        create_region(tx, caller, RegionFields(id=region_id), {})
