"""Roles and their implications over HTTP."""

from typing import Any

from starlette.responses import Response

from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import column_filters, read_object
from volutus.identity import roles
from volutus.identity.roles import RoleFields


def create(request: Request) -> Response:
    """A new role."""
    fields, extra = read_object(request, "role", RoleFields)
    row = roles.create(request.tx, request.caller, fields, extra)
    return created({"role": views.role(request, row)})


def index(request: Request) -> Response:
    """The cloud's roles, or a domain's."""
    page = parse_page(request)
    rows = roles.list_(request.tx, request.caller, page, column_filters(request, "name", "domain_id"))
    return views.listing(request, "roles", [views.role(request, row) for row in rows], page)


def show(request: Request) -> Response:
    """One role."""
    row = roles.get(request.tx, request.caller, request.params["role_id"])
    return document({"role": views.role(request, row)})


def update(request: Request) -> Response:
    """Change a role."""
    fields, extra = read_object(request, "role", RoleFields)
    row = roles.change(request.tx, request.caller, request.params["role_id"], fields, extra)
    return document({"role": views.role(request, row)})


def delete(request: Request) -> Response:
    """Delete a role."""
    roles.remove(request.tx, request.caller, request.params["role_id"])
    return no_content()


def imply(request: Request) -> Response:
    """Let one role imply another."""
    prior, implied = roles.imply(request.tx, request.caller, *_pair(request))
    return created(_inference(request, prior, implied))


def show_implication(request: Request) -> Response:
    """An implication."""
    prior, implied = roles.implication(request.tx, request.caller, *_pair(request))
    return document(_inference(request, prior, implied))


def check_implication(request: Request) -> Response:
    """204 where one role implies the other."""
    roles.implication(request.tx, request.caller, *_pair(request))
    return no_content()


def unimply(request: Request) -> Response:
    """End an implication."""
    roles.unimply(request.tx, request.caller, *_pair(request))
    return no_content()


def list_implied(request: Request) -> Response:
    """What a role implies."""
    prior_id = request.params["prior_role_id"]
    prior = roles.get(request.tx, request.caller, prior_id)
    pairs = roles.implications(request.tx, request.caller, prior_id)
    return document(
        {
            "role_inference": {
                "prior_role": views.role_reference(request, prior),
                "implies": [views.role_reference(request, implied) for _, implied in pairs],
            },
            "links": {"self": request.url},
        }
    )


def list_inferences(request: Request) -> Response:
    """All implications."""
    grouped: dict[str, dict[str, Any]] = {}
    for prior, implied in roles.implications(request.tx, request.caller):
        entry = grouped.setdefault(
            prior.id, {"prior_role": views.role_reference(request, prior), "implies": []}
        )
        entry["implies"].append(views.role_reference(request, implied))
    return document({"role_inferences": list(grouped.values()), "links": {"self": request.url}})


def _pair(request: Request) -> tuple[str, str]:
    return request.params["prior_role_id"], request.params["implied_role_id"]


def _inference(request: Request, prior: Any, implied: Any) -> dict[str, Any]:
    shown = {
        "prior_role": views.role_reference(request, prior),
        "implies": views.role_reference(request, implied),
    }
    return {"role_inference": shown, "links": {"self": request.url}}
