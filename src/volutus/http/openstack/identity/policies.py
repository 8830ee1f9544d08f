"""Deposited policy documents over HTTP."""

from typing import Any

from starlette.responses import Response

from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import read_object
from volutus.identity import policies
from volutus.identity.policies import PolicyFields


def create(request: Request) -> Response:
    """A new policy document."""
    fields, extra = read_object(request, "policy", PolicyFields)
    return created({"policy": _shown(request, policies.create(request.tx, request.caller, fields, extra))})


def index(request: Request) -> Response:
    """Policies, of one type if asked."""
    page = parse_page(request)
    rows = policies.list_(request.tx, page, request.query.get("type"))
    return views.listing(request, "policies", [_shown(request, row) for row in rows], page)


def show(request: Request) -> Response:
    """One policy document."""
    return document({"policy": _shown(request, policies.get(request.tx, request.params["policy_id"]))})


def update(request: Request) -> Response:
    """Change a policy document."""
    fields, extra = read_object(request, "policy", PolicyFields)
    row = policies.change(request.tx, request.caller, request.params["policy_id"], fields, extra)
    return document({"policy": _shown(request, row)})


def delete(request: Request) -> Response:
    """Delete a policy document."""
    policies.remove(request.tx, request.caller, request.params["policy_id"])
    return no_content()


def _shown(request: Request, row: Any) -> views.Document:
    links = views.links(request, "policies", row.id)
    return {**row.extra, "id": row.id, "type": row.type, "blob": row.blob, "links": links}
