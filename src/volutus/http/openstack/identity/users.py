"""Users over HTTP, and what a user may ask about himself."""

from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from volutus.errors import Invalid
from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import column_filters, identity_of, read_object
from volutus.identity import access, groups, projects, users
from volutus.identity.users import Expiry, UserFields

_FILTERS = ("name", "domain_id", "enabled", "default_project_id")


def create(request: Request) -> Response:
    """A new user."""
    fields, extra = read_object(request, "user", UserFields)
    row = users.create(request.tx, request.caller, identity_of(request).passwords, fields, extra)
    return created({"user": views.user(request, row)})


def index(request: Request) -> Response:
    """The users that the caller sees."""
    page = parse_page(request)
    rows = users.list_(request.tx, request.caller, page, column_filters(request, *_FILTERS), expiry(request))
    return views.listing(request, "users", [views.user(request, row) for row in rows], page)


def show(request: Request) -> Response:
    """One user."""
    row = users.get(request.tx, request.caller, request.params["user_id"])
    return document({"user": views.user(request, row)})


def update(request: Request) -> Response:
    """Change a user."""
    fields, extra = read_object(request, "user", UserFields)
    passwords = identity_of(request).passwords
    row = users.change(request.tx, request.caller, passwords, request.params["user_id"], fields, extra)
    return document({"user": views.user(request, row)})


def delete(request: Request) -> Response:
    """Delete a user."""
    users.remove(request.tx, request.caller, request.params["user_id"])
    return no_content()


def change_password(request: Request) -> Response:
    """A user's own change, proved by the password before; so it works when that one has expired."""
    body = request.read(dict[str, Any]).get("user")
    if not isinstance(body, dict):
        raise Invalid("Invalid input for user: an object is required.", field="user")
    old, new = body.get("original_password"), body.get("password")
    if not isinstance(old, str) or not isinstance(new, str):
        raise Invalid("Both password and original_password are required.", field="user.password")
    identity, user_id = identity_of(request), request.params["user_id"]
    identity.throttles.admit(user_id, request.client_address, request.tx.now)
    users.change_own_password(request.tx, identity.passwords, user_id, old, new)
    return no_content()


def list_groups(request: Request) -> Response:
    """The groups a user is in."""
    page = parse_page(request)
    rows = groups.list_of_user(
        request.tx, request.caller, request.params["user_id"], page, column_filters(request, "name")
    )
    return views.listing(request, "groups", [views.group(request, row) for row in rows], page)


def list_projects(request: Request) -> Response:
    """The projects in which a user has a role."""
    users.get(request.tx, request.caller, request.params["user_id"])
    return _projects(request, request.params["user_id"], None)


def list_own_projects(request: Request) -> Response:
    """The projects that the token could be traded for."""
    access.require(request.caller.user_id is not None)
    return _projects(request, str(request.caller.user_id), True)


def list_own_domains(request: Request) -> Response:
    """The domains that the token could be traded for."""
    page = parse_page(request)
    rows = projects.domains_of_user(request.tx, str(request.caller.user_id), page)
    return views.listing(request, "domains", [views.domain(request, row) for row in rows], page)


def show_own_system(request: Request) -> Response:
    """Whether the token could be traded for one of the system."""
    held = projects.has_system_role(request.tx, str(request.caller.user_id))
    return document({"system": [{"all": True}] if held else [], "links": {"self": request.url}})


def expiry(request: Request) -> Expiry | None:
    """`password_expires_at=lt:2026-11-21T12:00:00Z`."""
    text = request.query.get("password_expires_at")
    if text is None:
        return None
    how, _, moment = text.partition(":")
    if how not in ("lt", "lte", "gt", "gte", "eq", "neq"):
        how, moment = "eq", text
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        raise Invalid(f"{moment!r} is not a time.", field="password_expires_at") from None
    return Expiry(how, at if at.tzinfo else at.replace(tzinfo=UTC))


def _projects(request: Request, user_id: str, enabled: bool | None) -> Response:
    page = parse_page(request)
    filters = column_filters(request, "name", "domain_id", "enabled")
    rows = projects.list_of_user(request.tx, user_id, page, filters)
    shown = [views.project(request, row) for row in rows if enabled is None or row.enabled]
    return views.listing(request, "projects", shown, page)
