"""`/schedules`: snapshots and backups of a volume every so many hours. An extension of ours."""

from typing import Any

import msgspec
from starlette.responses import Response

from volutus.db import SortKey
from volutus.http.kernel import Request, document, next_links, no_content, parse_page
from volutus.http.openstack.volume import schemas, views
from volutus.http.openstack.volume.bodies import cut, read, require_uuid
from volutus.volume import schedules
from volutus.volume.schedules import Run, Schedule, ScheduleOrder

NEWEST = (SortKey("created_at", descending=True),)


def create(request: Request) -> Response:
    """`POST /schedules`."""
    body = read(request, "schedule", schemas.ScheduleCreate)
    require_uuid(body.volume_id, "volume_id")
    order = ScheduleOrder(**msgspec.structs.asdict(body))
    made = schedules.create(request.tx, request.caller, order)
    return document({"schedule": _schedule(made)}, 201)


def list_(request: Request) -> Response:
    """`GET /schedules`, perhaps of one volume."""
    page = parse_page(request, default_sort=NEWEST, direction="desc")
    volume_id = request.query.get("volume_id")
    found = cut(
        request,
        page,
        lambda whole: schedules.list_(request.tx, request.caller, whole, volume_id=volume_id),
    )
    body: dict[str, Any] = {"schedules": [_schedule(one) for one in found]}
    body.update(next_links(request, "schedules", page, [one.id for one in found]))
    return document(body)


def show(request: Request) -> Response:
    """`GET /schedules/ID`, with what became of the newest runs."""
    found = schedules.get(request.tx, request.caller, request.params["schedule_id"])
    runs = [_run(one) for one in schedules.runs(request.tx, found.id)]
    return document({"schedule": _schedule(found) | {"runs": runs}})


def update(request: Request) -> Response:
    """`PUT /schedules/ID`."""
    body = read(request, "schedule", schemas.ScheduleUpdate)
    asked = {
        name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET
    }
    changed = schedules.change(request.tx, request.caller, request.params["schedule_id"], asked)
    return document({"schedule": _schedule(changed)})


def delete(request: Request) -> Response:
    """`DELETE /schedules/ID`."""
    schedules.remove(request.tx, request.caller, request.params["schedule_id"])
    return no_content()


def _schedule(one: Schedule) -> dict[str, Any]:
    return {
        "id": one.id,
        "volume_id": one.volume_id,
        "project_id": one.project_id,
        "user_id": one.user_id,
        "name": one.name,
        "action": one.action,
        "every_hours": one.every_hours,
        "starts_at": views.moment(one.starts_at),
        "keep": one.keep,
        "incrementals": one.incrementals,
        "enabled": one.enabled,
        "next_at": views.moment(one.next_at) if one.enabled else None,
        "created_at": views.moment(one.created_at),
        "updated_at": views.moment(one.updated_at),
    }


def _run(one: Run) -> dict[str, Any]:
    return {
        "due_at": views.moment(one.due_at),
        "ran_at": views.moment(one.ran_at),
        "made_id": one.made_id,
        "incremental": one.incremental,
        "fault": one.fault,
        "removed_at": views.moment(one.removed_at),
    }
