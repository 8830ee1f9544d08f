"""Role assignments over HTTP: the many paths of giving one, and the list of all."""

from starlette.responses import Response

from volutus.http.kernel import Request, no_content
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import flag
from volutus.identity import assignments
from volutus.identity.assignments import Grant, Query


def give(request: Request) -> Response:
    """Give a role."""
    assignments.give(request.tx, request.caller, _grant(request), request.params["role_id"])
    return no_content()


def take(request: Request) -> Response:
    """Take a role away."""
    assignments.take(request.tx, request.caller, _grant(request), request.params["role_id"])
    return no_content()


def check(request: Request) -> Response:
    """204 where the role was given."""
    assignments.check(request.tx, request.caller, _grant(request), request.params["role_id"])
    return no_content()


def list_given(request: Request) -> Response:
    """The roles given to a user or group in a place."""
    rows = assignments.given_roles(request.tx, request.caller, _grant(request))
    return views.listing(request, "roles", [views.role(request, row) for row in rows])


def index(request: Request) -> Response:
    """Assignments, as given or as they take effect."""
    q = request.query
    query = Query(
        user_id=q.get("user.id"),
        group_id=q.get("group.id"),
        role_id=q.get("role.id"),
        project_id=q.get("scope.project.id"),
        domain_id=q.get("scope.domain.id"),
        system="scope.system" in q,
        inherited=q.get("scope.OS-INHERIT:inherited_to") == "projects",
        include_subtree=flag(request, "include_subtree") is True,
        effective=flag(request, "effective") is True,
    )
    rows = assignments.list_(request.tx, request.caller, query)
    named = flag(request, "include_names") is True
    shown = [views.assignment(request, row, named=named) for row in rows]
    return views.listing(request, "role_assignments", shown)


def _grant(request: Request) -> Grant:
    params = request.params
    return Grant(
        user_id=params.get("user_id"),
        group_id=params.get("group_id"),
        project_id=params.get("project_id"),
        domain_id=params.get("domain_id"),
        system="/v3/system/" in request.path,
        inherited="/OS-INHERIT/" in request.path,
    )
