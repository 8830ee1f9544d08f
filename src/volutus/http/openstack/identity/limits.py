"""Registered limits and limits (unified limits) over HTTP."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from volutus.http.kernel import Request, created, document, no_content
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import filters
from volutus.quota import unified
from volutus.quota.unified import (
    LimitChanges,
    LimitOrder,
    LimitQuery,
    RegisteredLimitChanges,
    RegisteredLimitOrder,
)

# Each takes several statements of one transaction.
AT_ONCE_MAX = 100
_MODEL = {"name": "flat", "description": "Limits bind their project alone, not the projects below it."}


class RegisteredLimitsBody(msgspec.Struct):
    registered_limits: Annotated[list[RegisteredLimitOrder], Meta(min_length=1, max_length=AT_ONCE_MAX)]


class RegisteredLimitBody(msgspec.Struct):
    registered_limit: RegisteredLimitChanges


class LimitsBody(msgspec.Struct):
    limits: Annotated[list[LimitOrder], Meta(min_length=1, max_length=AT_ONCE_MAX)]


class LimitBody(msgspec.Struct):
    limit: LimitChanges


def register(request: Request) -> Response:
    """Register limits, several at once."""
    orders = request.read(RegisteredLimitsBody).registered_limits
    rows = unified.register(request.tx, request.caller, orders)
    return created({"registered_limits": [_registered(request, row) for row in rows]})


def list_registered(request: Request) -> Response:
    """Registered limits by service, region and name."""
    query = LimitQuery(**filters(request, "service_id", "region_id", "resource_name"))
    rows = unified.list_registered(request.tx, query)
    return views.listing(request, "registered_limits", [_registered(request, row) for row in rows])


def show_registered(request: Request) -> Response:
    """One registered limit."""
    row = unified.get_registered(request.tx, request.params["registered_limit_id"])
    return document({"registered_limit": _registered(request, row)})


def update_registered(request: Request) -> Response:
    """Change a registered limit."""
    changes = request.read(RegisteredLimitBody).registered_limit
    limit_id = request.params["registered_limit_id"]
    row = unified.change_registered(request.tx, request.caller, limit_id, changes)
    return document({"registered_limit": _registered(request, row)})


def unregister(request: Request) -> Response:
    """Delete a registered limit."""
    unified.unregister(request.tx, request.caller, request.params["registered_limit_id"])
    return no_content()


def show_model(_request: Request) -> Response:
    """How limits of projects relate to each other."""
    return document({"model": _MODEL})


def create(request: Request) -> Response:
    """Limits of projects or domains, several at once."""
    rows = unified.create(request.tx, request.caller, request.read(LimitsBody).limits)
    return created({"limits": [_shown(request, row) for row in rows]})


def index(request: Request) -> Response:
    """Limits that the caller may see."""
    names = ("service_id", "region_id", "resource_name", "project_id", "domain_id")
    rows = unified.list_(request.tx, request.caller, LimitQuery(**filters(request, *names)))
    return views.listing(request, "limits", [_shown(request, row) for row in rows])


def show(request: Request) -> Response:
    """One limit."""
    row = unified.get(request.tx, request.caller, request.params["limit_id"])
    return document({"limit": _shown(request, row)})


def update(request: Request) -> Response:
    """Change a limit."""
    changes = request.read(LimitBody).limit
    row = unified.change(request.tx, request.caller, request.params["limit_id"], changes)
    return document({"limit": _shown(request, row)})


def delete(request: Request) -> Response:
    """Delete a limit."""
    unified.remove(request.tx, request.caller, request.params["limit_id"])
    return no_content()


def _registered(request: Request, row: Any) -> views.Document:
    return {
        "id": row.id,
        "service_id": row.service_id,
        "region_id": row.region_id,
        "resource_name": row.resource_name,
        "default_limit": row.default_limit,
        "description": row.description,
        "links": views.links(request, "registered_limits", row.id),
    }


def _shown(request: Request, row: Any) -> views.Document:
    return {
        "id": row.id,
        "project_id": row.project_id,
        "domain_id": row.domain_id,
        "service_id": row.service_id,
        "region_id": row.region_id,
        "resource_name": row.resource_name,
        "resource_limit": row.maximum,
        "description": row.description,
        "links": views.links(request, "limits", row.id),
    }
