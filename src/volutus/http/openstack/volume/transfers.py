"""`/os-volume-transfer`, and since microversion 3.55 `/volume-transfers`."""

from typing import Any

from starlette.responses import Response

from volutus.http.kernel import Request, Version, accepted, document, empty, next_links, parse_page
from volutus.http.openstack.volume import schemas
from volutus.http.openstack.volume.bodies import flag, read
from volutus.http.openstack.volume.views import links, moment
from volutus.volume import transfers
from volutus.volume.transfers import Transfer

WITH_SNAPSHOTS = Version(3, 55)
WITH_PROJECTS = Version(3, 57)


def create(request: Request) -> Response:
    """`POST`: offer a volume; the key is told only here."""
    body = read(request, "transfer", schemas.TransferCreate)
    with_snapshots = request.microversion >= WITH_SNAPSHOTS and not body.no_snapshots
    offered, key = transfers.offer(
        request.tx, request.caller, body.volume_id, body.name, with_snapshots=with_snapshots
    )
    return accepted({"transfer": {**_view(request, offered), "auth_key": key}})


def list_(request: Request) -> Response:
    """`GET`."""
    return _listed(request, detail=False)


def list_detail(request: Request) -> Response:
    """`GET …/detail`."""
    return _listed(request, detail=True)


def show(request: Request) -> Response:
    """`GET …/ID`."""
    found = transfers.get(request.tx, request.caller, request.params["transfer_id"])
    return document({"transfer": _view(request, found)})


def accept(request: Request) -> Response:
    """`POST …/ID/accept`."""
    body, transfer_id = read(request, "accept", schemas.TransferAccept), request.params["transfer_id"]
    taken = transfers.accept(request.tx, request.caller, transfer_id, body.auth_key)
    told = {"id": transfer_id, "name": taken.name, "volume_id": taken.volume_id}
    return accepted({"transfer": {**told, "links": links(request, "os-volume-transfer", transfer_id)}})


def delete(request: Request) -> Response:
    """`DELETE …/ID`: the offer is off."""
    transfers.withdraw(request.tx, request.caller, request.params["transfer_id"])
    return empty()


def _listed(request: Request, *, detail: bool) -> Response:
    page = parse_page(request, direction="desc")
    everyones = flag(request, "all_tenants")
    found = transfers.list_(request.tx, request.caller, page, everyones=everyones)
    view = _view if detail else _brief
    body: dict[str, Any] = {"transfers": [view(request, one) for one in found]}
    body.update(next_links(request, "transfers", page, [one.id for one in found]))
    return document(body)


def _brief(request: Request, one: Transfer) -> dict[str, Any]:
    told = {"id": one.id, "name": one.name, "volume_id": one.volume_id}
    return {**told, "links": links(request, "os-volume-transfer", one.id)}


def _view(request: Request, one: Transfer) -> dict[str, Any]:
    body = {**_brief(request, one), "created_at": moment(one.created_at)}
    if request.microversion >= WITH_SNAPSHOTS:
        body["no_snapshots"] = not one.with_snapshots
    if request.microversion >= WITH_PROJECTS:
        body.update(source_project_id=one.project_id, destination_project_id=None, accepted=False)
    return body
