"""Objects as Keystone's clients expect them: one function per noun, and the shape of lists."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from volutus.db import Page
from volutus.http.kernel import Request, document
from volutus.identity.catalog import Offer
from volutus.identity.payload import ScopeKind
from volutus.identity.tokens import Token

Document = dict[str, Any]


def moment(at: datetime | None) -> str | None:
    """`2026-11-21T12:00:00.000000Z`."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def links(request: Request, *path: str) -> Document:
    """The link of an object to itself."""
    return {"self": "/".join((f"{request.service_url}/v3", *path))}


def listing(request: Request, name: str, items: Sequence[Document], page: Page | None = None) -> Response:
    """A list under its name, with the link to the next page when there may be one."""
    following = None
    if page is not None and items and len(items) >= page.limit:
        pairs = [(key, value) for key, value in request.query.multi_items() if key != "marker"]
        following = f"{request.url}?{urlencode([*pairs, ('marker', items[-1]['id'])])}"
    query = urlencode(request.query.multi_items())
    own = f"{request.url}?{query}" if query else request.url
    return document({name: items, "links": {"next": following, "previous": None, "self": own}})


def token(issued: Token, offers: Sequence[Offer] | None, origin: str) -> Document:
    """The token's document; without offers it has no catalog."""
    payload, standing = issued.payload, issued.standing
    body: Document = {
        "methods": list(payload.methods),
        "user": {
            "id": standing.user_id,
            "name": standing.user_name,
            "domain": {"id": standing.user_domain_id, "name": standing.user_domain_name},
            "password_expires_at": moment(standing.password_expires_at),
        },
        "audit_ids": issued.audit_ids,
        "expires_at": moment(payload.expires_at),
        "issued_at": moment(payload.issued_at),
    }
    body |= _scope(issued)
    if payload.kind is not ScopeKind.UNSCOPED:
        body["roles"] = [{"id": role.id, "name": role.name} for role in standing.roles]
        if offers is not None:
            body["catalog"] = catalog(offers, origin)
    return {"token": body | _bounds(issued)}


def catalog(offers: Sequence[Offer], origin: str) -> list[Document]:
    """The services with their endpoints."""
    return [
        {
            "id": offer.id,
            "type": offer.type,
            "name": offer.name,
            "endpoints": [
                {
                    "id": reach.id,
                    "interface": reach.interface,
                    "region": reach.region_id,
                    "region_id": reach.region_id,
                    "url": whole(reach.url, origin),
                }
                for reach in offer.endpoints
            ],
        }
        for offer in offers
    ]


def whole(url: str, origin: str) -> str:
    """An endpoint's URL; ours are stored as paths."""
    return f"{origin}{url}" if url.startswith("/") else url


def _scope(issued: Token) -> Document:
    kind, place = issued.payload.kind, issued.standing.place
    if kind is ScopeKind.SYSTEM:
        return {"system": {"all": True}}
    if place is None:
        return {}
    if kind is ScopeKind.DOMAIN:
        return {"domain": {"id": place.id, "name": place.name}}
    project = {
        "id": place.id,
        "name": place.name,
        "domain": {"id": place.domain_id, "name": place.domain_name},
    }
    return {"project": project, "is_domain": False}


def _bounds(issued: Token) -> Document:
    """What an application credential or a trust adds."""
    bounds: Document = {}
    if credential := issued.standing.application_credential:
        shown: Document = {
            "id": credential.id,
            "name": credential.name,
            "restricted": not credential.unrestricted,
        }
        if credential.access_rules is not None:
            shown["access_rules"] = [
                {"id": rule.id, "service": rule.service, "method": rule.method, "path": rule.path}
                for rule in credential.access_rules
            ]
        bounds["application_credential"] = shown
    if trust := issued.standing.trust:
        bounds["OS-TRUST:trust"] = {
            "id": trust.id,
            "trustor_user": {"id": trust.trustor_user_id},
            "trustee_user": {"id": trust.trustee_user_id},
            "impersonation": trust.impersonation,
        }
    return bounds


def region(request: Request, row: Any) -> Document:
    """A region."""
    return _with_extra(
        row,
        {
            "id": row.id,
            "parent_region_id": row.parent_id,
            "description": row.description,
            "links": links(request, "regions", row.id),
        },
    )


def service(request: Request, row: Any) -> Document:
    """A service; name and description only where they were given."""
    named = {key: getattr(row, key) for key in ("name", "description") if getattr(row, key) is not None}
    body = {"id": row.id, "type": row.type, "enabled": row.enabled, **named}
    return _with_extra(row, body | {"links": links(request, "services", row.id)})


def endpoint(request: Request, row: Any) -> Document:
    """An endpoint."""
    return _with_extra(
        row,
        {
            "id": row.id,
            "interface": row.interface,
            "region": row.region_id,
            "region_id": row.region_id,
            "service_id": row.service_id,
            "url": whole(row.url, request.origin),
            "enabled": row.enabled,
            "links": links(request, "endpoints", row.id),
        },
    )


def _with_extra(row: Any, body: Mapping[str, Any]) -> Document:
    """An object's own attributes never give way to what a client hung on it."""
    return {**row.extra, **body}


def domain(request: Request, row: Any) -> Document:
    """A domain."""
    return _with_extra(
        row,
        {
            "id": row.id,
            "name": row.name,
            "description": row.description,
            "enabled": row.enabled,
            "tags": row.tags,
            "options": row.options,
            "links": links(request, "domains", row.id),
        },
    )


def domain_as_project(request: Request, row: Any) -> Document:
    """A domain in the shape of a project."""
    own = {
        "parent_id": None,
        "domain_id": None,
        "is_domain": True,
        "links": links(request, "projects", row.id),
    }
    return domain(request, row) | own


def project(request: Request, row: Any) -> Document:
    """A project; the parent of one at the top is its domain."""
    return _with_extra(
        row,
        {
            "id": row.id,
            "name": row.name,
            "domain_id": row.domain_id,
            "parent_id": row.parent_id or row.domain_id,
            "description": row.description,
            "enabled": row.enabled,
            "is_domain": False,
            "tags": row.tags,
            "options": row.options,
            "links": links(request, "projects", row.id),
        },
    )


def user(request: Request, row: Any) -> Document:
    """A user, never with anything of the password but when it expires."""
    body = {
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "enabled": row.enabled,
        "password_expires_at": moment(row.password_expires_at),
        "options": row.options,
        "links": links(request, "users", row.id),
    }
    if row.default_project_id is not None:
        body["default_project_id"] = row.default_project_id
    return _with_extra(row, body)


def group(request: Request, row: Any) -> Document:
    """A group."""
    return _with_extra(
        row,
        {
            "id": row.id,
            "name": row.name,
            "domain_id": row.domain_id,
            "description": row.description,
            "links": links(request, "groups", row.id),
        },
    )


def role(request: Request, row: Any) -> Document:
    """A role."""
    return _with_extra(
        row,
        {
            "id": row.id,
            "name": row.name,
            "domain_id": row.domain_id,
            "description": row.description,
            "options": row.options,
            "links": links(request, "roles", row.id),
        },
    )


def role_reference(request: Request, row: Any) -> Document:
    """A role within an implication."""
    return {"id": row.id, "name": row.name, "links": links(request, "roles", row.id)}


def assignment(request: Request, row: Any, *, named: bool) -> Document:
    """An assignment: who, which role, where, and the link that would take it away."""
    shown: Document = {"role": _reference(row, "role", named)}
    who = "user" if row.user_id else "group"
    shown[who] = _reference(row, who, named)
    scope: Document = {}
    if row.system:
        scope["system"] = {"all": True}
        where = "system"
    elif row.project_id:
        scope["project"] = _reference(row, "project", named)
        where = f"projects/{row.project_id}"
    else:
        scope["domain"] = {"id": row.domain_id} | ({"name": row.domain_name} if named else {})
        where = f"domains/{row.domain_id}"
    if row.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    shown["scope"] = scope
    shown["links"] = _assignment_links(request, row, where)
    return shown


def _assignment_links(request: Request, row: Any, where: str) -> Document:
    giver = f"groups/{row.by_group_id}" if row.by_group_id else None
    who = giver or (f"users/{row.user_id}" if row.user_id else f"groups/{row.group_id}")
    path = f"{where}/{who}/roles/{row.role_id}"
    if row.inherited:
        path = f"OS-INHERIT/{path}/inherited_to_projects"
    found = {"assignment": f"{request.service_url}/v3/{path}"}
    if giver:
        found["membership"] = f"{request.service_url}/v3/{giver}/users/{row.user_id}"
    return found


def _reference(row: Any, kind: str, named: bool) -> Document:
    shown: Document = {"id": getattr(row, f"{kind}_id")}
    if named:
        shown["name"] = getattr(row, f"{kind}_name")
        domain_id = getattr(row, f"{kind}_domain_id")
        if domain_id is not None:
            shown["domain"] = {"id": domain_id, "name": getattr(row, f"{kind}_domain_name")}
    return shown
