"""Endpoint groups, and which endpoints a project's catalog has (OS-EP-FILTER), over HTTP."""

from typing import Any

from starlette.responses import Response

from volutus.http.kernel import Request, created, document, empty, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import read_object
from volutus.identity import endpoint_filters
from volutus.identity.endpoint_filters import Choice, EndpointGroupFields


def create(request: Request) -> Response:
    """A new endpoint group."""
    fields, _ = read_object(request, "endpoint_group", EndpointGroupFields)
    row = endpoint_filters.create_group(request.tx, request.caller, fields)
    return created({"endpoint_group": _shown(request, row)})


def index(request: Request) -> Response:
    """All endpoint groups."""
    page = parse_page(request)
    rows = endpoint_filters.list_groups(request.tx, page, request.query.get("name"))
    return views.listing(request, "endpoint_groups", [_shown(request, row) for row in rows], page)


def show(request: Request) -> Response:
    """One endpoint group."""
    row = endpoint_filters.get_group(request.tx, request.params["endpoint_group_id"])
    return document({"endpoint_group": _shown(request, row)})


def update(request: Request) -> Response:
    """Change an endpoint group."""
    fields, _ = read_object(request, "endpoint_group", EndpointGroupFields)
    group_id = request.params["endpoint_group_id"]
    row = endpoint_filters.change_group(request.tx, request.caller, group_id, fields)
    return document({"endpoint_group": _shown(request, row)})


def delete(request: Request) -> Response:
    """Delete an endpoint group."""
    endpoint_filters.remove_group(request.tx, request.caller, request.params["endpoint_group_id"])
    return no_content()


def endpoints_of_group(request: Request) -> Response:
    """The endpoints that a group's filters fit."""
    page = parse_page(request)
    rows = endpoint_filters.endpoints_of_group(request.tx, request.params["endpoint_group_id"], page)
    return views.listing(request, "endpoints", [views.endpoint(request, row) for row in rows], page)


def projects_of_group(request: Request) -> Response:
    """The projects that a group was chosen for."""
    page = parse_page(request)
    rows = endpoint_filters.projects_of_group(request.tx, request.params["endpoint_group_id"], page)
    return views.listing(request, "projects", [views.project(request, row) for row in rows], page)


def groups_of_project(request: Request) -> Response:
    """The endpoint groups chosen for a project."""
    page = parse_page(request)
    rows = endpoint_filters.groups_of_project(request.tx, request.params["project_id"], page)
    return views.listing(request, "endpoint_groups", [_shown(request, row) for row in rows], page)


def endpoints_of_project(request: Request) -> Response:
    """The endpoints chosen for a project."""
    page = parse_page(request)
    rows = endpoint_filters.endpoints_of_project(request.tx, request.params["project_id"], page)
    return views.listing(request, "endpoints", [views.endpoint(request, row) for row in rows], page)


def projects_of_endpoint(request: Request) -> Response:
    """The projects that an endpoint was chosen for."""
    page = parse_page(request)
    rows = endpoint_filters.projects_of_endpoint(request.tx, request.params["endpoint_id"], page)
    return views.listing(request, "projects", [views.project(request, row) for row in rows], page)


def choose(request: Request) -> Response:
    """Put endpoints into a project's catalog."""
    endpoint_filters.choose(request.tx, request.caller, _choice(request))
    return no_content()


def check(request: Request) -> Response:
    """204 where an endpoint was chosen; 200 for a group, as Keystone has it."""
    endpoint_filters.check(request.tx, _choice(request))
    return empty(200) if "endpoint_group_id" in request.params else no_content()


def give_up(request: Request) -> Response:
    """Take endpoints out of a project's catalog."""
    endpoint_filters.give_up(request.tx, request.caller, _choice(request))
    return no_content()


def _choice(request: Request) -> Choice:
    params = request.params
    return Choice(params["project_id"], params.get("endpoint_id"), params.get("endpoint_group_id"))


def _shown(request: Request, row: Any) -> views.Document:
    filters = {name: getattr(row, name) for name in ("service_id", "interface", "region_id")}
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "filters": {name: value for name, value in filters.items() if value is not None},
        "links": views.links(request, "OS-EP-FILTER", "endpoint_groups", row.id),
    }
