"""The bodies that clients send."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(max_length=255)]
Text = Annotated[str, Meta(max_length=255)]
Moment = Annotated[datetime, Meta(tz=True)]


class VolumeCreate(msgspec.Struct):
    """`POST /volumes`."""

    size: int | None = None
    name: Name | None = None
    display_name: Name | None = None
    description: Text | None = None
    display_description: Text | None = None
    volume_type: Name | None = None
    availability_zone: Name | None = None
    metadata: dict[str, Any] | None = None
    snapshot_id: str | None = None
    source_volid: str | None = None
    image_ref: str | None = msgspec.field(default=None, name="imageRef")
    image_id: str | None = None
    multiattach: bool | None = False
    consistencygroup_id: str | None = None
    group_id: str | None = None
    backup_id: str | None = None


class Encryption(msgspec.Struct):
    """`POST` and `PUT /types/ID/encryption`."""

    provider: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    control_location: str | None = None
    cipher: Name | None = None
    key_size: Annotated[int, Meta(ge=0)] | None = None


class GroupTypeCreate(msgspec.Struct):
    """`POST /group_types`."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    description: Text | None = None
    group_specs: dict[str, Any] | None = None
    is_public: bool = True


class GroupTypeUpdate(msgspec.Struct):
    """`PUT /group_types/ID`."""

    name: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    description: Text | msgspec.UnsetType | None = msgspec.UNSET
    is_public: bool | None = None


class GroupCreate(msgspec.Struct):
    """`POST /groups`."""

    group_type: str
    volume_types: list[str]
    name: Name | None = None
    description: Text | None = None
    availability_zone: Name | None = None


class GroupFromSource(msgspec.Struct):
    """`create-from-src` of `POST /groups/action`."""

    name: Name | None = None
    description: Text | None = None
    group_snapshot_id: str | None = None
    source_group_id: str | None = None


class GroupUpdate(msgspec.Struct):
    """`PUT /groups/ID`. Volumes are ids with commas between."""

    name: Name | None = None
    description: Text | None = None
    add_volumes: str | None = None
    remove_volumes: str | None = None


class GroupDelete(msgspec.Struct):
    """`delete` of `POST /groups/ID/action`."""

    delete_volumes: bool = msgspec.field(default=False, name="delete-volumes")


class GroupSnapshotCreate(msgspec.Struct):
    """`POST /group_snapshots`."""

    group_id: str
    name: Name | None = None
    description: Text | None = None


class BackupCreate(msgspec.Struct):
    """`POST /backups`. A container is a notion of other backup targets."""

    volume_id: str
    snapshot_id: str | None = None
    name: Name | None = None
    description: Text | None = None
    container: Name | None = None
    incremental: bool | None = None
    force: bool | None = None
    metadata: dict[str, Any] | None = None
    availability_zone: Name | None = None


class BackupRestore(msgspec.Struct):
    """`POST /backups/ID/restore`."""

    volume_id: str | None = None
    name: Name | None = None


class BackupRecord(msgspec.Struct):
    """`POST /backups/import_record`."""

    backup_service: Annotated[str, Meta(min_length=1, max_length=255)]
    backup_url: Annotated[str, Meta(min_length=1)]


class VolumeManage(msgspec.Struct):
    """`POST /os-volume-manage`, `/manageable_volumes`."""

    ref: dict[str, Any]
    host: str | None = None
    cluster: str | None = None
    name: Name | None = None
    description: Text | None = None
    volume_type: Name | None = None
    availability_zone: Name | None = None
    metadata: dict[str, Any] | None = None
    bootable: bool = False


class SnapshotManage(msgspec.Struct):
    """`POST /os-snapshot-manage`, `/manageable_snapshots`."""

    volume_id: str
    ref: dict[str, Any]
    name: Name | None = None
    description: Text | None = None
    metadata: dict[str, Any] | None = None


class Revert(msgspec.Struct):
    """`revert`."""

    snapshot_id: str


class ServiceChange(msgspec.Struct):
    """`PUT /os-services/ACTION`."""

    host: Annotated[str, Meta(min_length=1, max_length=255)]
    binary: str | None = None
    service: str | None = None
    disabled_reason: Name | None = None


class DefaultType(msgspec.Struct):
    """`PUT /default-types/PROJECT`."""

    volume_type: Annotated[str, Meta(min_length=1, max_length=255)]


class VolumeUpdate(msgspec.Struct):
    """`PUT /volumes/ID` and `PUT /snapshots/ID`."""

    name: Name | msgspec.UnsetType | None = msgspec.UNSET
    display_name: Name | msgspec.UnsetType | None = msgspec.UNSET
    description: Text | msgspec.UnsetType | None = msgspec.UNSET
    display_description: Text | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class SnapshotCreate(msgspec.Struct):
    """`POST /snapshots`."""

    volume_id: str | None
    name: Name | None = None
    display_name: Name | None = None
    description: Text | None = None
    display_description: Text | None = None
    force: bool | None = None
    metadata: dict[str, Any] | None = None


class Attach(msgspec.Struct):
    """`os-attach`."""

    instance_uuid: str | None = None
    host_name: Name | None = None
    mountpoint: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    mode: str = "rw"


class Detach(msgspec.Struct):
    """`os-detach`."""

    attachment_id: str | None = None


class ForceDetach(msgspec.Struct):
    """`os-force_detach`."""

    attachment_id: str | None = None
    connector: dict[str, Any] | None = None


class Extend(msgspec.Struct):
    """`os-extend`."""

    new_size: Annotated[int, Meta(ge=1)]


class ResetStatus(msgspec.Struct):
    """`os-reset_status`."""

    status: str | None = None
    attach_status: str | None = None
    migration_status: str | None = None


class SnapshotProgress(msgspec.Struct):
    """`os-update_snapshot_status`; `progress` is text like `80%`."""

    status: str | None = None
    progress: str | None = None


class ReadOnly(msgspec.Struct):
    """`os-update_readonly_flag`."""

    readonly: bool


class Bootable(msgspec.Struct):
    """`os-set_bootable`."""

    bootable: bool


class Retype(msgspec.Struct):
    """`os-retype`."""

    new_type: Annotated[str, Meta(min_length=1, max_length=255)]
    migration_policy: str | None = None


class Migrate(msgspec.Struct):
    """`os-migrate_volume`. Disks are always copied by the host; there are no clusters."""

    host: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    cluster: str | None = None
    force_host_copy: bool = False
    lock_volume: bool = False


class Reimage(msgspec.Struct):
    """`os-reimage`. `reimage_reserved` is for servers that boot from it: ours order that themselves."""

    image_id: str
    reimage_reserved: bool = False


class Connection(msgspec.Struct):
    """`os-initialize_connection` and `os-terminate_connection`."""

    connector: dict[str, Any] | None = None
    force: bool | None = None


class UploadImage(msgspec.Struct):
    """`os-volume_upload_image`. What the image may be called in is the image service's to check."""

    image_name: Annotated[str, Meta(min_length=1, max_length=255)]
    force: bool = False
    disk_format: str = "raw"
    container_format: str = "bare"
    visibility: str = "private"
    protected: bool = False


class ImageMetadata(msgspec.Struct):
    """`os-set_image_metadata`."""

    metadata: dict[str, Any]


class ImageMetadataKey(msgspec.Struct):
    """`os-unset_image_metadata`."""

    key: str


class Connector(msgspec.Struct):
    """What is read of a connector; the rest is kept as it came."""

    host: Name | None = None
    mountpoint: Name | None = None


class AttachmentCreate(msgspec.Struct):
    """`POST /attachments`."""

    volume_uuid: str
    instance_uuid: str | None = None
    connector: dict[str, Any] | None = None
    mode: str | None = None


class AttachmentUpdate(msgspec.Struct):
    """`PUT /attachments/ID`."""

    connector: dict[str, Any]
    mode: str | None = None


class TypeCreate(msgspec.Struct):
    """`POST /types`."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    description: Text | None = None
    extra_specs: dict[str, Any] | None = None
    is_public: bool = msgspec.field(default=True, name="os-volume-type-access:is_public")


class TypeUpdate(msgspec.Struct):
    """`PUT /types/ID`."""

    name: Name | None = None
    description: Text | msgspec.UnsetType | None = msgspec.UNSET
    is_public: bool | None = None


class TypeAccess(msgspec.Struct):
    """`addProjectAccess` and `removeProjectAccess`."""

    project: Annotated[str, Meta(min_length=1, max_length=255)]


class TransferCreate(msgspec.Struct):
    """`POST /volume-transfers`."""

    volume_id: str
    name: Name | None = None
    no_snapshots: bool = False


class TransferAccept(msgspec.Struct):
    """`POST /volume-transfers/ID/accept`."""

    auth_key: str


class ExportCreate(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /exports`, an extension of ours."""

    volume_id: str


class ScheduleCreate(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /schedules`, an extension of ours."""

    volume_id: str
    action: str
    every_hours: int
    keep: int
    name: Name | None = None
    starts_at: Moment | None = None
    incrementals: int = 0
    enabled: bool = True


class ScheduleUpdate(msgspec.Struct, forbid_unknown_fields=True):
    """`PUT /schedules/ID`."""

    name: Name | msgspec.UnsetType | None = msgspec.UNSET
    every_hours: int | msgspec.UnsetType = msgspec.UNSET
    keep: int | msgspec.UnsetType = msgspec.UNSET
    starts_at: Moment | msgspec.UnsetType = msgspec.UNSET
    incrementals: int | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
