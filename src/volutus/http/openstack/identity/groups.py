"""Groups and their members over HTTP."""

from starlette.responses import Response

from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import column_filters, read_object
from volutus.http.openstack.identity.users import expiry
from volutus.identity import groups, users
from volutus.identity.groups import GroupFields


def create(request: Request) -> Response:
    """A new group."""
    fields, extra = read_object(request, "group", GroupFields)
    row = groups.create(request.tx, request.caller, fields, extra)
    return created({"group": views.group(request, row)})


def index(request: Request) -> Response:
    """The groups that the caller sees."""
    page = parse_page(request)
    rows = groups.list_(request.tx, request.caller, page, column_filters(request, "name", "domain_id"))
    return views.listing(request, "groups", [views.group(request, row) for row in rows], page)


def show(request: Request) -> Response:
    """One group."""
    row = groups.get(request.tx, request.caller, request.params["group_id"])
    return document({"group": views.group(request, row)})


def update(request: Request) -> Response:
    """Change a group."""
    fields, extra = read_object(request, "group", GroupFields)
    row = groups.change(request.tx, request.caller, request.params["group_id"], fields, extra)
    return document({"group": views.group(request, row)})


def delete(request: Request) -> Response:
    """Delete a group."""
    groups.remove(request.tx, request.caller, request.params["group_id"])
    return no_content()


def list_users(request: Request) -> Response:
    """A group's members."""
    page = parse_page(request)
    groups.get(request.tx, request.caller, request.params["group_id"])
    wanted = column_filters(request, "name", "enabled", "domain_id")
    rows = users.list_of_group(request.tx, request.params["group_id"], page, wanted, expiry(request))
    return views.listing(request, "users", [views.user(request, row) for row in rows], page)


def add_user(request: Request) -> Response:
    """Put a user into a group."""
    groups.add_member(request.tx, request.caller, request.params["group_id"], request.params["user_id"])
    return no_content()


def remove_user(request: Request) -> Response:
    """Take a user out of a group."""
    groups.remove_member(request.tx, request.caller, request.params["group_id"], request.params["user_id"])
    return no_content()


def check_user(request: Request) -> Response:
    """204 where the user is in the group."""
    groups.check_member(request.tx, request.caller, request.params["group_id"], request.params["user_id"])
    return no_content()
