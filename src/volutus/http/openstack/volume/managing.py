"""Taking back volumes and snapshots whose disks were put aside: `/os-volume-manage`, `/manageable_volumes`
and their twins for snapshots."""

from typing import Any

from starlette.responses import Response

from volutus.errors import Invalid
from volutus.http.kernel import Request, Version, accepted, document, parse_page
from volutus.http.openstack.volume import schemas, views
from volutus.http.openstack.volume.bodies import pairs, read, require_uuid, since
from volutus.volume import releases
from volutus.volume.releases import ManageOrder, Released

# By which a disk is named: the name that Cinder gives it, or the id of what it was.
REFERENCES = ("source-name", "source-id")
PREFIXES = ("volume-", "_snapshot-", "snapshot-")
LISTS = Version(3, 8)


def manage_volume(request: Request) -> Response:
    """`POST /os-volume-manage`."""
    body = read(request, "volume", schemas.VolumeManage)
    if (body.host is None) == (body.cluster is None):
        raise Invalid("Invalid input for host: name the host (there are no clusters).", field="host")
    host, _, pool = (body.host or "").partition("@")
    order = ManageOrder(
        disk_id=_reference(body.ref),
        name=body.name,
        description=body.description,
        metadata=pairs(body.metadata or {}),
        type=body.volume_type,
        zone=body.availability_zone,
        bootable=body.bootable,
        host_name=host,
        pool=pool.partition("#")[0] or None,
    )
    made = releases.manage_volume(request.tx, request.caller, order)
    return accepted({"volume": views.volume(request, made)})


def manage_snapshot(request: Request) -> Response:
    """`POST /os-snapshot-manage`."""
    body = read(request, "snapshot", schemas.SnapshotManage)
    require_uuid(body.volume_id, "volume_id")
    order = ManageOrder(_reference(body.ref), body.name, body.description, pairs(body.metadata or {}))
    made = releases.manage_snapshot(request.tx, request.caller, body.volume_id, order)
    shown = views.snapshot(request, made)
    for name in ("user_id", "consumes_quota"):
        shown.pop(name, None)
    return accepted({"snapshot": shown})


def list_volumes(request: Request) -> Response:
    """`GET /manageable_volumes?host=HOST`."""
    return _listed(request, "volume", detail=False)


def list_volumes_detail(request: Request) -> Response:
    """`GET /manageable_volumes/detail?host=HOST`."""
    return _listed(request, "volume", detail=True)


def list_snapshots(request: Request) -> Response:
    """`GET /manageable_snapshots?host=HOST`."""
    return _listed(request, "snapshot", detail=False)


def list_snapshots_detail(request: Request) -> Response:
    """`GET /manageable_snapshots/detail?host=HOST`."""
    return _listed(request, "snapshot", detail=True)


def _listed(request: Request, kind: str, *, detail: bool) -> Response:
    since(request, LISTS)
    host = request.query.get("host")
    if not host:
        raise Invalid("The query has no host.", field="host")
    page = parse_page(request)
    found = releases.list_(request.tx, host.partition("@")[0], kind, page)
    entries = [_view(one, detail=detail) for one in found]
    return document({f"manageable-{kind}s": entries})


def _view(one: Released, *, detail: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "reference": {"source-name": f"{one.kind}-{one.disk_id}"},
        "size": one.size_gib,
        "safe_to_manage": True,
    }
    if one.kind == "snapshot":
        body["source_reference"] = {}
    if detail:
        body |= {"reason_not_safe": None, "cinder_id": None, "extra_info": one.pool}
    return body


def _reference(ref: dict[str, Any]) -> str:
    named = [str(ref[name]) for name in REFERENCES if ref.get(name)]
    if len(named) != 1:
        raise Invalid(f"Invalid input for ref: it has {' or '.join(REFERENCES)}.", field="ref")
    for prefix in PREFIXES:
        if named[0].startswith(prefix):
            return named[0].removeprefix(prefix)
    return named[0]
