"""Regions, services and endpoints over HTTP."""

from dataclasses import replace

from starlette.responses import Response

from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import filters, read_object
from volutus.identity import catalog
from volutus.identity.catalog import EndpointFields, RegionFields, ServiceFields
from volutus.quota import unified


def create_region(request: Request) -> Response:
    """A region under an id of the client's or ours."""
    fields, extra = read_object(request, "region", RegionFields)
    if "region_id" in request.params:
        fields = replace(fields, id=request.params["region_id"])
    row = catalog.create_region(request.tx, request.caller, fields, extra)
    return created({"region": views.region(request, row)})


def list_regions(request: Request) -> Response:
    """All regions, or those within one."""
    page = parse_page(request)
    rows = catalog.list_regions(request.tx, page, request.query.get("parent_region_id"))
    return views.listing(request, "regions", [views.region(request, row) for row in rows], page)


def show_region(request: Request) -> Response:
    """One region."""
    row = catalog.get_region(request.tx, request.params["region_id"])
    return document({"region": views.region(request, row)})


def update_region(request: Request) -> Response:
    """Change a region."""
    fields, extra = read_object(request, "region", RegionFields)
    row = catalog.update_region(request.tx, request.caller, request.params["region_id"], fields, extra)
    return document({"region": views.region(request, row)})


def delete_region(request: Request) -> Response:
    """Delete a region that is not in use."""
    unified.delete_region(request.tx, request.caller, request.params["region_id"])
    return no_content()


def create_service(request: Request) -> Response:
    """A new service."""
    fields, extra = read_object(request, "service", ServiceFields)
    row = catalog.create_service(request.tx, request.caller, fields, extra)
    return created({"service": views.service(request, row)})


def list_services(request: Request) -> Response:
    """Services by type and name."""
    page = parse_page(request)
    rows = catalog.list_services(request.tx, page, filters(request, "type", "name"))
    return views.listing(request, "services", [views.service(request, row) for row in rows], page)


def show_service(request: Request) -> Response:
    """One service."""
    row = catalog.get_service(request.tx, request.params["service_id"])
    return document({"service": views.service(request, row)})


def update_service(request: Request) -> Response:
    """Change a service."""
    fields, extra = read_object(request, "service", ServiceFields)
    row = catalog.update_service(request.tx, request.caller, request.params["service_id"], fields, extra)
    return document({"service": views.service(request, row)})


def delete_service(request: Request) -> Response:
    """Delete a service with its endpoints."""
    unified.delete_service(request.tx, request.caller, request.params["service_id"])
    return no_content()


def create_endpoint(request: Request) -> Response:
    """A new endpoint."""
    fields, extra = _endpoint(request)
    row = catalog.create_endpoint(request.tx, request.caller, fields, extra)
    return created({"endpoint": views.endpoint(request, row)})


def list_endpoints(request: Request) -> Response:
    """Endpoints by interface, service and region."""
    page = parse_page(request)
    rows = catalog.list_endpoints(request.tx, page, filters(request, "interface", "service_id", "region_id"))
    return views.listing(request, "endpoints", [views.endpoint(request, row) for row in rows], page)


def show_endpoint(request: Request) -> Response:
    """One endpoint."""
    row = catalog.get_endpoint(request.tx, request.params["endpoint_id"])
    return document({"endpoint": views.endpoint(request, row)})


def update_endpoint(request: Request) -> Response:
    """Change an endpoint."""
    fields, extra = _endpoint(request)
    row = catalog.update_endpoint(request.tx, request.caller, request.params["endpoint_id"], fields, extra)
    return document({"endpoint": views.endpoint(request, row)})


def delete_endpoint(request: Request) -> Response:
    """Delete an endpoint."""
    catalog.delete_endpoint(request.tx, request.caller, request.params["endpoint_id"])
    return no_content()


def _endpoint(request: Request) -> tuple[EndpointFields, dict[str, object]]:
    """`region` is what older clients call `region_id`."""
    fields, extra = read_object(request, "endpoint", EndpointFields)
    region = extra.pop("region", None)
    if isinstance(region, str) and not isinstance(fields.region_id, str):
        fields = replace(fields, region_id=region)
    return fields, extra
