"""Trusts (OS-TRUST) over HTTP."""

from typing import Any

from starlette.responses import Response

from volutus.errors import NotFound
from volutus.http.kernel import Request, created, document, empty, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import read_object, with_moment
from volutus.identity import trusts
from volutus.identity.trusts import Trust, TrustFields


def create(request: Request) -> Response:
    """A new trust."""
    fields, _ = read_object(request, "trust", TrustFields, with_moment("expires_at"))
    return created({"trust": _whole(request, trusts.create(request.tx, request.caller, fields))})


def index(request: Request) -> Response:
    """Trusts by trustor and trustee."""
    page = parse_page(request)
    query = request.query
    rows = trusts.list_(
        request.tx, request.caller, page, query.get("trustor_user_id"), query.get("trustee_user_id")
    )
    return views.listing(request, "trusts", [_shown(request, row) for row in rows], page)


def show(request: Request) -> Response:
    """One trust."""
    return document({"trust": _whole(request, _trust(request))})


def delete(request: Request) -> Response:
    """End a trust."""
    trusts.remove(request.tx, request.caller, request.params["trust_id"])
    return no_content()


def list_roles(request: Request) -> Response:
    """The roles that a trust gives."""
    roles = [views.role(request, row) for row in _trust(request).roles]
    return views.listing(request, "roles", roles)


def show_role(request: Request) -> Response:
    """One of the roles that a trust gives."""
    return document({"role": _role(request)})


def check_role(request: Request) -> Response:
    """Whether a trust gives the role."""
    _role(request)
    return empty(200)


def _trust(request: Request) -> Trust:
    return trusts.get(request.tx, request.caller, request.params["trust_id"])


def _role(request: Request) -> views.Document:
    for row in _trust(request).roles:
        if row.id == request.params["role_id"]:
            return views.role(request, row)
    raise NotFound(f"Could not find role: {request.params['role_id']}.")


def _whole(request: Request, trust: Trust) -> views.Document:
    roles = views.links(request, "OS-TRUST", "trusts", trust.row.id, "roles")
    return {
        **_shown(request, trust.row),
        "roles": [views.role(request, row) for row in trust.roles],
        "roles_links": {"next": None, "previous": None, **roles},
    }


def _shown(request: Request, row: Any) -> views.Document:
    return {
        "id": row.id,
        "trustor_user_id": row.trustor_user_id,
        "trustee_user_id": row.trustee_user_id,
        "project_id": row.project_id,
        "impersonation": row.impersonation,
        "expires_at": views.moment(row.expires_at),
        "deleted_at": None,
        "remaining_uses": row.remaining_uses,
        "redelegation_count": row.redelegation_count,
        "redelegated_trust_id": row.redelegated_trust_id,
        "links": views.links(request, "OS-TRUST", "trusts", row.id),
    }
