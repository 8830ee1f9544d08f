"""Somebody else's volumes, snapshots, attachments, transfers and messages."""

from typing import Any

from sqlalchemy import text

from tests.api.foreign import STRANGER, THEM, Build, Foreign, Maker, filled
from tests.api.image.foreign import private_image
from volutus import placement, volume
from volutus.db import Page, Tx
from volutus.http.kernel import Plane
from volutus.http.openstack.volume.routes import ROUTES
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.volume import (
    attachments,
    backups,
    group_snapshots,
    group_types,
    groups,
    messages,
    qos,
    schedules,
    transfers,
    types,
)
from volutus.volume.types import TypeOrder

_STORED = text("UPDATE volume_backups SET made_at = :now, host_id = 'h' WHERE id = :id")
ROOT = "/volume/v3"
UUID = "11111111-2222-3333-4444-555555555555"
_EXPORTED = text(
    "INSERT INTO volume_exports (id, volume_id, project_id, user_id, host_id, target, portal, chap_user, "
    "sealed, read_only, created_at, assigned_generation) "
    "SELECT :id, v.id, v.project_id, 'u', :host, 'iqn', 'p', 'c', '', false, :now, 1 "
    "FROM volumes v WHERE v.id = :volume"
)
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


def backup(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A backup that is done."""
    made = backups.create(tx, owner, backups.BackupOrder(empty_volume(tx, None, owner), name="theirs"))
    tx.execute(_STORED, {"now": tx.now, "id": made.id})
    return str(made.id)


def _export(tx: Tx, _plane: Plane) -> str:
    host_id, export_id = placement.enrol(tx, placement.new_join_token(tx), "host-9", "nova"), tx.ids.uuid()
    keys = {"id": export_id, "host": host_id, "volume": empty_volume(tx), "now": tx.now}
    tx.execute(_EXPORTED, keys)
    return export_id


def _schedule(tx: Tx, _plane: Plane) -> str:
    order = schedules.ScheduleOrder(empty_volume(tx), "snapshot", every_hours=1, keep=1, name="theirs")
    return str(schedules.create(tx, THEM, order).id)


def _group_type(tx: Tx, _plane: Plane | None = None) -> str:
    return str(group_types.create(tx, CLOUD, group_types.GroupTypeOrder(f"theirs-{tx.ids.hex()}")).id)


def _private_group_type(tx: Tx, _plane: Plane | None = None) -> str:
    order = group_types.GroupTypeOrder("theirs", is_public=False, specs={"x": "x"})
    return str(group_types.create(tx, CLOUD, order).id)


def group(tx: Tx, _plane: Plane | None = None, owner: Caller = THEM) -> str:
    """A group with a volume."""
    made = groups.create(tx, owner, groups.GroupOrder(_group_type(tx), [types.DEFAULT_TYPE_ID], "theirs"))
    inside = empty_volume(tx, None, owner)
    groups.change(tx, owner, made.id, groups.GroupChange(add=(inside,)))
    return str(made.id)


def group_snapshot(tx: Tx, _plane: Plane | None = None) -> str:
    """A snapshot of a group, still being made."""
    return str(group_snapshots.create(tx, THEM, group(tx), "theirs", None).id)


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
    "backup_id": backup,
    "schedule_id": _schedule,
    "export_id": _export,
    "group_id": group,
    "group_snapshot_id": group_snapshot,
    "group_type_id": _private_group_type,
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
    {"revert": {"snapshot_id": snapshot}},
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
    ("PUT", "/os-quota-class-sets/{class_name}"): {"quota_class_set": {"volumes": 5}},
    ("PUT", "/os-services/{key}"): {"host": "h@directory", "binary": "cinder-volume"},
    ("POST", "/types/{type_id}/encryption"): {"encryption": {"provider": "luks"}},
    ("PUT", "/types/{type_id}/encryption/{key}"): {"encryption": {"cipher": "aes-xts-plain64"}},
    ("POST", "/backups"): {
        "backup": {"volume_id": empty_volume, "name": "one", "metadata": {"one": "two"}, "force": True}
    },
    ("POST", "/backups/import_record"): {"backup-record": {"backup_service": "s", "backup_url": "e30="}},
    ("PUT", "/backups/{backup_id}"): {"backup": {"name": "mine", "description": "d"}},
    ("POST", "/backups/{backup_id}/restore"): {"restore": {"name": "one"}},
    ("POST", "/backups/{backup_id}/action"): {"os-force_delete": {}},
    ("POST", "/exports"): {"export": {"volume_id": empty_volume}},
    ("POST", "/schedules"): {
        "schedule": {
            "volume_id": empty_volume,
            "name": "one",
            "action": "backup",
            "every_hours": 24,
            "keep": 7,
            "incrementals": 6,
            "starts_at": "2026-03-01T03:00:00Z",
        }
    },
    ("PUT", "/schedules/{schedule_id}"): {"schedule": {"name": "mine", "keep": 3, "enabled": False}},
    ("POST", "/groups"): {
        "group": {"name": "one", "group_type": _group_type, "volume_types": [types.DEFAULT_TYPE_ID]}
    },
    ("POST", "/groups/action"): {"create-from-src": {"name": "one", "source_group_id": group}},
    ("PUT", "/groups/{group_id}"): {"group": {"name": "mine", "description": "d"}},
    ("POST", "/groups/{group_id}/action"): {"delete": {"delete-volumes": True}},
    ("POST", "/group_snapshots"): {"group_snapshot": {"group_id": group, "name": "one"}},
    ("POST", "/group_snapshots/{group_snapshot_id}/action"): {"reset_status": {"status": "error"}},
    ("POST", "/group_types"): {"group_type": {"name": "one", "group_specs": {"one": "two"}}},
    ("PUT", "/group_types/{group_type_id}"): {"group_type": {"name": "mine"}},
    ("POST", "/group_types/{group_type_id}/group_specs"): {"group_specs": {"one": "two"}},
    ("PUT", "/group_types/{group_type_id}/group_specs/{key}"): {"x": "two"},
    ("POST", "/os-volume-manage"): {"volume": {"host": "h@directory", "ref": {"source-name": "one"}}},
    ("POST", "/manageable_volumes"): {"volume": {"host": "h@directory", "ref": {"source-name": "one"}}},
    ("POST", "/os-snapshot-manage"): {"snapshot": {"volume_id": empty_volume, "ref": {"source-name": "x"}}},
    ("POST", "/manageable_snapshots"): {"snapshot": {"volume_id": empty_volume, "ref": {"source-name": "x"}}},
    ("PUT", "/default-types/{target_id}"): {"default_type": {"volume_type": "standard"}},
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
        or route.path == "/backups/{backup_id}/action"
        or route.permission
        in ("volume:group_types:manage", "volume:groups:reset_status", "volume:backups:records")
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
        "backup as a source": _creating("volumes", "volume", size=1, backup_id=backup),
        "group of a volume": _creating("volumes", "volume", size=1, group_id=group),
        "volume of a backup": _creating("backups", "backup", volume_id=empty_volume, force=True),
        "volume of an export": _creating("exports", "export", volume_id=empty_volume),
        "volume of a schedule": _creating(
            "schedules", "schedule", volume_id=empty_volume, action="snapshot", every_hours=1, keep=1
        ),
        "group of a group snapshot": _creating("group_snapshots", "group_snapshot", group_id=group),
        "group type of a group": _creating(
            "groups", "group", group_type=_private_group_type, volume_types=[types.DEFAULT_TYPE_ID]
        ),
    },
    headers={"OpenStack-API-Version": "volume 3.50"},
)
