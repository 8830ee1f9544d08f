"""Simple usage: how long servers existed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from volutus import compute
from volutus.compute.usages import Period, ServerUsage
from volutus.errors import Invalid
from volutus.http.kernel import Request, document, parse_page
from volutus.http.openstack.compute import views


def index(request: Request) -> Response:
    """All projects."""
    period = _period(request)
    found = compute.usages.of_project(request.tx, request.caller, None, period, parse_page(request))
    detailed = request.query.get("detailed") == "1"
    lines = [
        _view(project_id, usages, period, detailed=detailed)
        for project_id, usages in compute.usages.by_project(found).items()
    ]
    return document({"tenant_usages": lines})


def show(request: Request) -> Response:
    """One project."""
    project_id, period = request.params["project_id"], _period(request)
    if not request.caller.sees(project_id):
        request.plane.policy.require("compute:usages:show:any", request.caller)
    found = compute.usages.of_project(request.tx, request.caller, project_id, period, parse_page(request))
    view = _view(project_id, found, period, detailed=True) if found else {}
    return document({"tenant_usage": view})


def _period(request: Request) -> Period:
    end = _time(request, "end") or request.tx.now
    start = _time(request, "start") or end - timedelta(days=28)
    if start >= end:
        raise Invalid("Invalid start time. The start time cannot occur after the end time.", field="start")
    return Period(start, end)


def _time(request: Request, name: str) -> datetime | None:
    text = request.query.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"Datetime is in invalid format: {text}", field=name) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _view(
    project_id: str, usages: Sequence[ServerUsage], period: Period, *, detailed: bool
) -> dict[str, Any]:
    view: dict[str, Any] = {
        "tenant_id": project_id,
        "start": views.long_time(period.start),
        "stop": views.long_time(period.end),
        "total_hours": sum(usage.hours for usage in usages),
        "total_vcpus_usage": sum(usage.hours * usage.cores for usage in usages),
        "total_memory_mb_usage": sum(usage.hours * usage.memory_mib for usage in usages),
        "total_local_gb_usage": sum(usage.hours * usage.disk_gib for usage in usages),
    }
    if detailed:
        view["server_usages"] = [_line(usage) for usage in usages]
    return view


def _line(usage: ServerUsage) -> dict[str, Any]:
    return {
        "instance_id": usage.server_id,
        "tenant_id": usage.project_id,
        "name": usage.name,
        "flavor": usage.flavor_name,
        "vcpus": usage.cores,
        "memory_mb": usage.memory_mib,
        "local_gb": usage.disk_gib,
        "started_at": views.long_time(usage.started_at),
        "ended_at": views.long_time(usage.ended_at),
        "state": usage.state,
        "hours": usage.hours,
        "uptime": usage.uptime_s,
    }
