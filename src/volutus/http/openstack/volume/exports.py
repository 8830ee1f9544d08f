"""`/exports`: volumes served by iSCSI to machines outside the cloud. An extension of ours."""

from typing import Any

from starlette.responses import Response

from volutus.db import SortKey
from volutus.http.kernel import Request, document, empty, next_links, parse_page
from volutus.http.openstack.volume import schemas, views
from volutus.http.openstack.volume.bodies import cut, flag, read, require_uuid
from volutus.volume import exports
from volutus.volume.exports import Export, ExportFilter

NEWEST = (SortKey("created_at", descending=True),)


def create(request: Request) -> Response:
    """`POST /exports`. No other answer has the password."""
    body = read(request, "export", schemas.ExportCreate)
    require_uuid(body.volume_id, "volume_id")
    sealer = request.plane.parts["volume_keys"]
    made, password = exports.create(request.tx, request.caller, sealer, body.volume_id)
    return document({"export": _export(made) | {"chap_password": password}}, 202)


def list_(request: Request) -> Response:
    """`GET /exports`, perhaps of one volume; an administrator's may be of all projects or of one."""
    page = parse_page(request, default_sort=NEWEST, direction="desc")
    wanted = ExportFilter(
        everyones=flag(request, "all_tenants"),
        project_id=request.query.get("project_id"),
        volume_id=request.query.get("volume_id"),
    )
    found = cut(request, page, lambda whole: exports.list_(request.tx, request.caller, wanted, whole))
    body: dict[str, Any] = {"exports": [_export(one) for one in found]}
    body.update(next_links(request, "exports", page, [one.id for one in found]))
    return document(body)


def show(request: Request) -> Response:
    """`GET /exports/ID`."""
    return document({"export": _export(exports.get(request.tx, request.caller, request.params["export_id"]))})


def delete(request: Request) -> Response:
    """`DELETE /exports/ID`."""
    exports.revoke(request.tx, request.caller, request.params["export_id"])
    return empty()


def _export(one: Export) -> dict[str, Any]:
    return {
        "id": one.id,
        "volume_id": one.volume_id,
        "project_id": one.project_id,
        "user_id": one.user_id,
        "protocol": "iscsi",
        "status": one.status,
        "fault": one.fault,
        "target": one.target,
        "portal": one.portal,
        "lun": exports.UNIT,
        "chap_user": one.chap_user,
        "read_only": one.read_only,
        "created_at": views.moment(one.created_at),
    }
