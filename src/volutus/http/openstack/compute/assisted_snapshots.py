"""Snapshots of volumes in use, as a volume service whose disks are files asks a compute service for them.

Here both are one: it is a snapshot like any other, under the id that the asker chose.
"""

import uuid
from typing import Literal

import msgspec
from msgspec import Struct
from starlette.responses import Response

from volutus import volume
from volutus.errors import Invalid
from volutus.http.kernel import Request, document, no_content
from volutus.volume import SnapshotOrder


class CreateInfo(Struct):
    """`new_file` is for hosts that keep a volume's history in files of its own: here they are not named by
    tenants."""

    snapshot_id: str
    type: Literal["qcow2"]
    new_file: str
    id: str | None = None


class Fields(Struct):
    volume_id: str
    create_info: CreateInfo


class Body(Struct):
    snapshot: Fields


class DeleteInfo(Struct):
    volume_id: str


def create(request: Request) -> Response:
    """Snapshot a volume, in use or not."""
    fields = request.read(Body).snapshot
    order = SnapshotOrder(fields.volume_id, in_use=True, id=_uuid(fields.create_info.snapshot_id))
    made = volume.snapshots.create(request.tx, request.caller, order)
    return document({"snapshot": {"id": made.id, "volumeId": made.volume_id}})


def delete(request: Request) -> Response:
    """Delete such a snapshot, even one that is not there yet."""
    try:
        info = msgspec.json.decode(request.query.get("delete_info") or "", type=DeleteInfo)
    except msgspec.MsgspecError as error:
        raise Invalid(f"delete_info is not as it should be: {error}.", field="delete_info") from error
    found = volume.get_snapshot(request.tx, request.caller, request.params["id"])
    if found.volume_id != info.volume_id:
        raise Invalid(f"Snapshot {found.id} is of another volume.", field="delete_info")
    volume.snapshots.remove(request.tx, request.caller, found.id, force=True)
    return no_content()


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise Invalid(f"{text!r} is not a UUID.", field="snapshot_id") from error
