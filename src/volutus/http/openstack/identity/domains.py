"""Domains, the containers of users and projects, over HTTP."""

from starlette.responses import Response

from volutus import quota
from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import column_filters, read_object
from volutus.identity import domains, projects
from volutus.identity.domains import DomainFields


def create(request: Request) -> Response:
    """A new domain."""
    fields, extra = read_object(request, "domain", DomainFields)
    row = domains.create(request.tx, request.caller, fields, extra)
    return created({"domain": views.domain(request, row)})


def index(request: Request) -> Response:
    """The domains that the caller sees."""
    page = parse_page(request)
    rows = domains.list_(request.tx, request.caller, page, column_filters(request, "name", "enabled"))
    return views.listing(request, "domains", [views.domain(request, row) for row in rows], page)


def show(request: Request) -> Response:
    """One domain."""
    row = domains.get(request.tx, request.caller, request.params["domain_id"])
    return document({"domain": views.domain(request, row)})


def update(request: Request) -> Response:
    """Change a domain."""
    fields, extra = read_object(request, "domain", DomainFields)
    row = domains.change(request.tx, request.caller, request.params["domain_id"], fields, extra)
    return document({"domain": views.domain(request, row)})


def delete(request: Request) -> Response:
    """Delete a disabled domain, none of whose projects has resources."""
    domain_id = request.params["domain_id"]
    quota.require_unused(request.tx, projects.ids_of_domain(request.tx, domain_id))
    domains.remove(request.tx, request.caller, request.params["domain_id"])
    return no_content()
