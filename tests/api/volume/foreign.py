"""Somebody else's volumes, snapshots, attachments, transfers and messages."""

from typing import Any

from sqlalchemy import text

from tests.api.foreign import STRANGER, THEM, Build, Foreign, Maker, filled
from tests.api.image.foreign import private_image
from volutus import volume
from volutus.db import Page, Tx
from volutus.http.kernel import Plane
from volutus.http.openstack.volume.routes import ROUTES
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.volume import attachments, messages, qos, transfers, types
from volutus.volume.types import TypeOrder

ROOT = "/volume/v3"
UUID = "11111111-2222-3333-4444-555555555555"
_READY = text(
    "UPDATE volume_disks SET ready = true, made_at = :now, host_id = 'h', observed_bytes = 1 << 30 "
    "WHERE id = :id"
)


def empty_volume(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """An available volume."""
    order = volume.VolumeOrder(size_gib=1, name="theirs", metadata={"x": "x"})
    made = volume.volumes.create(tx, owner, order).id
    _settle(tx, made)
    return str(made)


def _settle(tx: Tx, disk_id: str) -> None:
    tx.execute(_READY, {"now": tx.now, "id": disk_id})


def snapshot(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A snapshot that is done."""
    order = volume.SnapshotOrder(empty_volume(tx, None, owner), "theirs", metadata={"x": "x"})
    made = volume.snapshots.create(tx, owner, order).id
    _settle(tx, made)
    return str(made)


def _attachment(tx: Tx, _plane: Plane) -> str:
    order = attachments.AttachmentOrder(empty_volume(tx), "a-server", {"host": "h"})
    return str(attachments.create(tx, THEM, order).id)


def _transfer(tx: Tx, _plane: Plane) -> str:
    return str(transfers.offer(tx, THEM, empty_volume(tx), "theirs", with_snapshots=True)[0].id)


def _message(tx: Tx, _plane: Plane) -> str:
    messages.record(tx, [(empty_volume(tx), "create", "It did not fit.")])
    return str(messages.list_(tx, THEM, Page())[0].id)


def volume_type(tx: Tx, _plane: Plane | None = None) -> str:
    """A type that only their project may use."""
    made = types.create(tx, CLOUD, TypeOrder("theirs", extra_specs={"x": "x"}, is_public=False))
    types.grant(tx, CLOUD, made.id, THEM.own_project())
    return str(made.id)


def _qos(tx: Tx, _plane: Plane) -> str:
    return str(qos.create(tx, CLOUD, "theirs", "back-end", {"x": "x"}).id)


def _creating(plural: str, noun: str, **fields: Any) -> Build:
    def build(tx: Tx, plane: Plane) -> tuple[str, str, Any]:
        return "POST", f"{ROOT}/{plural}", {noun: filled(fields, tx, plane)}

    return build


def _retype(tx: Tx, _plane: Plane) -> tuple[str, str, Any]:
    own, theirs = empty_volume(tx, None, STRANGER), volume_type(tx)
    return "POST", f"{ROOT}/volumes/{own}/action", {"os-retype": {"new_type": theirs}}


_OBJECTS: dict[str, Maker] = {
    "volume_id": empty_volume,
    "snapshot_id": snapshot,
    "attachment_id": _attachment,
    "transfer_id": _transfer,
    "message_id": _message,
    "type_id": volume_type,
    "target_id": lambda _tx, _plane: THEM.own_project(),
}
_VOLUME_ACTIONS: tuple[Any, ...] = (
    {"os-reserve": {}},
    {"os-unreserve": {}},
    {"os-attach": {"instance_uuid": UUID, "mountpoint": "/dev/vdb", "mode": "rw"}},
    {"os-begin_detaching": {}},
    {"os-roll_detaching": {}},
    {"os-detach": {"attachment_id": None}},
    {"os-initialize_connection": {"connector": {"host": "h"}}},
    {"os-terminate_connection": {"connector": {"host": "h"}}},
    {"os-extend": {"new_size": 2}},
    {"os-set_bootable": {"bootable": True}},
    {"os-update_readonly_flag": {"readonly": True}},
    {"os-set_image_metadata": {"metadata": {"one": "two"}}},
    {"os-show_image_metadata": {}},
)
_BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/volumes"): {
        "volume": {
            "size": 1,
            "name": "one",
            "description": "d",
            "metadata": {"one": "two"},
            "availability_zone": None,
        }
    },
    ("PUT", "/volumes/{volume_id}"): {
        "volume": {"name": "mine", "description": "d", "metadata": {"one": "two"}}
    },
    ("POST", "/volumes/{volume_id}/action"): _VOLUME_ACTIONS,
    ("POST", "/snapshots"): {
        "snapshot": {"volume_id": empty_volume, "name": "one", "metadata": {"one": "two"}}
    },
    ("PUT", "/snapshots/{snapshot_id}"): {"snapshot": {"name": "mine", "description": "d"}},
    ("POST", "/snapshots/{snapshot_id}/action"): {"os-update_snapshot_status": {"status": "available"}},
    ("POST", "/attachments"): {
        "attachment": {"volume_uuid": empty_volume, "instance_uuid": UUID, "connector": {"host": "h"}}
    },
    ("PUT", "/attachments/{attachment_id}"): {
        "attachment": {"connector": {"host": "h", "mountpoint": "/dev/vdb"}}
    },
    ("POST", "/attachments/{attachment_id}/action"): {"os-complete": {}},
    ("POST", "/types"): {"volume_type": {"name": "one", "description": "d", "extra_specs": {"one": "two"}}},
    ("PUT", "/types/{type_id}"): {"volume_type": {"name": "mine", "description": "d"}},
    ("POST", "/types/{type_id}/action"): {"addProjectAccess": {"project": "mine"}},
    ("POST", "/types/{type_id}/extra_specs"): {"extra_specs": {"one": "two"}},
    ("PUT", "/types/{type_id}/extra_specs/{key}"): {"x": "two"},
    ("POST", "/qos-specs"): {"qos_specs": {"name": "one", "consumer": "back-end", "read_iops_sec": "100"}},
    ("PUT", "/qos-specs/{qos_id}"): {"qos_specs": {"read_iops_sec": "100"}},
    ("PUT", "/qos-specs/{qos_id}/delete_keys"): {"keys": ["x"]},
    ("PUT", "/os-quota-sets/{target_id}"): {"quota_set": {"volumes": 5, "gigabytes": 50}},
}
for _root in ("volumes/{volume_id}", "snapshots/{snapshot_id}"):
    _BODIES["POST", f"/{_root}/metadata"] = {"metadata": {"one": "two"}}
    _BODIES["PUT", f"/{_root}/metadata"] = {"metadata": {"one": "two"}}
    _BODIES["PUT", f"/{_root}/metadata/{{key}}"] = {"meta": {"x": "two"}}
for _root in ("os-volume-transfer", "volume-transfers"):
    _BODIES["POST", f"/{_root}"] = {"transfer": {"volume_id": empty_volume, "name": "one"}}
    _BODIES["POST", f"/{_root}/{{transfer_id}}/accept"] = {"accept": {"auth_key": "guessed"}}

FOREIGN = Foreign(
    objects=_OBJECTS,
    # Sets of limits and hosts are the operator's.
    shared=frozenset({"key", "host", "class_name", "qos_id"}),
    bodies=_BODIES,
    operators={
        ("POST", "/volumes/{volume_id}/action"): (
            {"os-reset_status": {"status": "error"}},
            {"os-force_detach": {"attachment_id": None}},
        ),
        ("POST", "/snapshots/{snapshot_id}/action"): {"os-reset_status": {"status": "error"}},
    },
    refused=frozenset(
        (route.method, route.path)
        for route in ROUTES
        if ("{type_id}" in route.path and route.permission == "volume:types:manage")
        or "{target_id}" in route.path
        # Whoever has the key may take the volume, from whichever project.
        or route.path.endswith("/accept")
    ),
    references={
        "snapshot as a source": _creating("volumes", "volume", size=1, snapshot_id=snapshot),
        "volume as a source": _creating("volumes", "volume", size=1, source_volid=empty_volume),
        "image as a source": _creating("volumes", "volume", size=1, imageRef=private_image),
        "private type": _creating("volumes", "volume", size=1, volume_type=volume_type),
        "volume of a snapshot": _creating("snapshots", "snapshot", volume_id=empty_volume),
        "volume of an attachment": _creating(
            "attachments", "attachment", volume_uuid=empty_volume, instance_uuid=UUID
        ),
        "volume of a transfer": _creating("volume-transfers", "transfer", volume_id=empty_volume),
        "type to change to": _retype,
    },
    headers={"OpenStack-API-Version": "volume 3.50"},
)
