"""Every path of the dialect, its handler and its permission."""

from collections.abc import Callable
from typing import Any

from volutus.http.kernel import HttpProblem, Request, Route, StreamRequest
from volutus.http.openstack.volume import (
    attachments,
    backups,
    default_types,
    downloads,
    exports,
    group_types,
    groups,
    managing,
    messages,
    metadata,
    operations,
    qos,
    quotas,
    schedules,
    services,
    snapshots,
    transfers,
    types,
    versions,
    volume_actions,
    volumes,
)
from volutus.http.openstack.volume.bodies import missing
from volutus.volume.metadata import Notes

Handler = Callable[[Any], Any]


def _in_project(handler: Handler) -> Handler:
    """A path that carries a project must carry the token's: Cinder's check against mixed-up clients."""

    def guarded(request: Request | StreamRequest) -> Any:
        named, own = request.params.get("project_id"), request.caller.project_id
        if named is not None and own is not None and named != own:
            raise HttpProblem(
                400,
                f"Malformed request URL: URL's project_id '{named}' doesn't match Context's project_id "
                f"'{own}'",
            )
        return handler(request)

    return guarded


def _route(
    method: str,
    path: str,
    handler: Handler,
    permission: str,
    *,
    writes: bool | None = None,
    streams: bool = False,
) -> Route:
    return Route(method, path, _in_project(handler), f"volume:{permission}", writes=writes, streams=streams)


_VOLUMES = (
    _route("POST", "/volumes", volumes.create, "volumes:create"),
    _route("GET", "/volumes", volumes.list_, "volumes:list"),
    # A name that is empty leaves these: clients expect that nothing is found, not that they may not.
    _route("PUT", "/volumes", missing, "volumes:update"),
    _route("DELETE", "/volumes", missing, "volumes:delete"),
    _route("GET", "/volumes/detail", volumes.list_detail, "volumes:list"),
    _route("GET", "/volumes/summary", volumes.summary, "volumes:list"),
    _route("GET", "/volumes/{volume_id}", volumes.show, "volumes:show"),
    _route("PUT", "/volumes/{volume_id}", volumes.update, "volumes:update"),
    _route("DELETE", "/volumes/{volume_id}", volumes.delete, "volumes:delete"),
    _route("POST", "/volumes/{volume_id}/action", volume_actions.act, "volumes:act"),
)
_SNAPSHOTS = (
    _route("POST", "/snapshots", snapshots.create, "snapshots:create"),
    _route("GET", "/snapshots", snapshots.list_, "snapshots:list"),
    _route("PUT", "/snapshots", missing, "snapshots:update"),
    _route("DELETE", "/snapshots", missing, "snapshots:delete"),
    _route("GET", "/snapshots/detail", snapshots.list_detail, "snapshots:list"),
    _route("GET", "/snapshots/{snapshot_id}", snapshots.show, "snapshots:show"),
    _route("PUT", "/snapshots/{snapshot_id}", snapshots.update, "snapshots:update"),
    _route("DELETE", "/snapshots/{snapshot_id}", snapshots.delete, "snapshots:delete"),
    _route("POST", "/snapshots/{snapshot_id}/action", snapshots.act, "snapshots:act"),
    _route("GET", "/snapshots/{snapshot_id}/raw", downloads.raw, "snapshots:download", streams=True),
)


def _metadata(root: str, noun: str, notes: Notes) -> tuple[Route, ...]:
    below, one = f"{root}/metadata", f"{root}/metadata/{{key}}"
    return (
        _route("GET", below, metadata.list_(notes), f"{noun}:show"),
        _route("POST", below, metadata.set_(notes, replace=False), f"{noun}:update"),
        _route("PUT", below, metadata.set_(notes, replace=True), f"{noun}:update"),
        _route("GET", one, metadata.show(notes), f"{noun}:show"),
        _route("PUT", one, metadata.set_one(notes), f"{noun}:update"),
        _route("DELETE", one, metadata.delete(notes), f"{noun}:update"),
    )


_ATTACHMENTS = (
    _route("POST", "/attachments", attachments.create, "attachments:create"),
    _route("GET", "/attachments", attachments.list_, "attachments:list"),
    _route("GET", "/attachments/detail", attachments.list_detail, "attachments:list"),
    _route("GET", "/attachments/{attachment_id}", attachments.show, "attachments:list"),
    _route("PUT", "/attachments/{attachment_id}", attachments.update, "attachments:update"),
    _route("DELETE", "/attachments/{attachment_id}", attachments.delete, "attachments:delete"),
    _route("POST", "/attachments/{attachment_id}/action", attachments.act, "attachments:update"),
)
_TYPES = (
    _route("POST", "/types", types.create, "types:manage"),
    _route("GET", "/types", types.list_, "types:list"),
    _route("GET", "/types/{type_id}", types.show, "types:list"),
    _route("PUT", "/types/{type_id}", types.update, "types:manage"),
    _route("DELETE", "/types/{type_id}", types.delete, "types:manage"),
    _route("POST", "/types/{type_id}/action", types.act, "types:manage"),
    _route("GET", "/types/{type_id}/os-volume-type-access", types.list_access, "types:manage"),
    _route("GET", "/types/{type_id}/encryption", types.encryption, "types:manage"),
    _route("POST", "/types/{type_id}/encryption", types.create_encryption, "types:manage"),
    _route("GET", "/types/{type_id}/encryption/{key}", types.show_encryption, "types:manage"),
    _route("PUT", "/types/{type_id}/encryption/{key}", types.update_encryption, "types:manage"),
    _route("DELETE", "/types/{type_id}/encryption/{key}", types.delete_encryption, "types:manage"),
    _route("GET", "/types/{type_id}/extra_specs", types.list_specs, "types:list"),
    _route("POST", "/types/{type_id}/extra_specs", types.set_specs, "types:manage"),
    _route("GET", "/types/{type_id}/extra_specs/{key}", types.show_spec, "types:list"),
    _route("PUT", "/types/{type_id}/extra_specs/{key}", types.set_spec, "types:manage"),
    _route("DELETE", "/types/{type_id}/extra_specs/{key}", types.delete_spec, "types:manage"),
)
_QOS = (
    _route("POST", "/qos-specs", qos.create, "qos:manage"),
    _route("GET", "/qos-specs", qos.list_, "qos:list"),
    _route("GET", "/qos-specs/{qos_id}", qos.show, "qos:list"),
    _route("PUT", "/qos-specs/{qos_id}", qos.update, "qos:manage"),
    _route("DELETE", "/qos-specs/{qos_id}", qos.delete, "qos:manage"),
    _route("PUT", "/qos-specs/{qos_id}/delete_keys", qos.delete_keys, "qos:manage"),
    _route("GET", "/qos-specs/{qos_id}/associations", qos.associations, "qos:list"),
    _route("GET", "/qos-specs/{qos_id}/associate", qos.associate, "qos:manage", writes=True),
    _route("GET", "/qos-specs/{qos_id}/disassociate", qos.disassociate, "qos:manage", writes=True),
    _route("GET", "/qos-specs/{qos_id}/disassociate_all", qos.disassociate_all, "qos:manage", writes=True),
)


def _transfers(root: str) -> tuple[Route, ...]:
    return (
        _route("POST", root, transfers.create, "transfers:create"),
        _route("GET", root, transfers.list_, "transfers:list"),
        _route("GET", f"{root}/detail", transfers.list_detail, "transfers:list"),
        _route("GET", f"{root}/{{transfer_id}}", transfers.show, "transfers:list"),
        _route("DELETE", f"{root}/{{transfer_id}}", transfers.delete, "transfers:delete"),
        _route("POST", f"{root}/{{transfer_id}}/accept", transfers.accept, "transfers:accept"),
    )


_QUOTAS = (
    _route("GET", "/os-quota-sets/{target_id}", quotas.show, "quotas:show"),
    _route("GET", "/os-quota-sets/{target_id}/defaults", quotas.defaults, "quotas:show"),
    _route("PUT", "/os-quota-sets/{target_id}", quotas.update, "quotas:update"),
    _route("DELETE", "/os-quota-sets/{target_id}", quotas.delete, "quotas:update"),
    _route("GET", "/os-quota-class-sets/{class_name}", quotas.show_class, "quotas:update"),
    _route("PUT", "/os-quota-class-sets/{class_name}", quotas.update_class, "quotas:update"),
    _route("GET", "/limits", quotas.limits, "limits:show"),
)
_OPERATIONS = (
    _route("GET", "/os-services", services.list_, "operations:see"),
    _route("PUT", "/os-services/{key}", services.change, "operations:change"),
    _route("GET", "/os-hosts", operations.hosts, "operations:see"),
    _route("GET", "/os-hosts/{host}", operations.host, "operations:see"),
    _route("GET", "/scheduler-stats/get_pools", operations.pools, "operations:see"),
    _route("GET", "/capabilities/{host}", operations.capabilities, "operations:see"),
    _route("GET", "/os-availability-zone", operations.zones, "zones:list"),
    _route("GET", "/extensions", operations.extensions, "zones:list"),
    _route("GET", "/resource_filters", operations.resource_filters, "zones:list"),
)
_MESSAGES = (
    _route("GET", "/messages", messages.list_, "messages:list"),
    _route("GET", "/messages/{message_id}", messages.show, "messages:list"),
    _route("DELETE", "/messages/{message_id}", messages.delete, "messages:delete"),
)
_BACKUPS = (
    _route("POST", "/backups", backups.create, "backups:create"),
    _route("GET", "/backups", backups.list_, "backups:list"),
    _route("GET", "/backups/detail", backups.list_detail, "backups:list"),
    _route("POST", "/backups/import_record", backups.import_record, "backups:records"),
    _route("GET", "/backups/{backup_id}", backups.show, "backups:list"),
    _route("PUT", "/backups/{backup_id}", backups.update, "backups:update"),
    _route("DELETE", "/backups/{backup_id}", backups.delete, "backups:delete"),
    _route("POST", "/backups/{backup_id}/restore", backups.restore, "backups:restore"),
    _route("POST", "/backups/{backup_id}/action", backups.act, "backups:delete"),
    _route("GET", "/backups/{backup_id}/export_record", backups.export_record, "backups:records"),
)
_SCHEDULES = (
    _route("POST", "/schedules", schedules.create, "schedules:manage"),
    _route("GET", "/schedules", schedules.list_, "schedules:list"),
    _route("GET", "/schedules/{schedule_id}", schedules.show, "schedules:list"),
    _route("PUT", "/schedules/{schedule_id}", schedules.update, "schedules:manage"),
    _route("DELETE", "/schedules/{schedule_id}", schedules.delete, "schedules:manage"),
)
_EXPORTS = (
    _route("POST", "/exports", exports.create, "exports:manage"),
    _route("GET", "/exports", exports.list_, "exports:list"),
    _route("GET", "/exports/{export_id}", exports.show, "exports:list"),
    _route("DELETE", "/exports/{export_id}", exports.delete, "exports:manage"),
)
_ONE_GROUP_SNAPSHOT = "/group_snapshots/{group_snapshot_id}"
_GROUPS = (
    _route("POST", "/groups", groups.create, "groups:create"),
    _route("GET", "/groups", groups.list_, "groups:list"),
    _route("GET", "/groups/detail", groups.list_detail, "groups:list"),
    _route("POST", "/groups/action", groups.create_from_source, "groups:create"),
    _route("GET", "/groups/{group_id}", groups.show, "groups:list"),
    _route("PUT", "/groups/{group_id}", groups.update, "groups:update"),
    _route("POST", "/groups/{group_id}/action", groups.act, "groups:delete"),
    _route("POST", "/group_snapshots", groups.create_snapshot, "groups:create"),
    _route("GET", "/group_snapshots", groups.list_snapshots, "groups:list"),
    _route("GET", "/group_snapshots/detail", groups.list_snapshots_detail, "groups:list"),
    _route("GET", _ONE_GROUP_SNAPSHOT, groups.show_snapshot, "groups:list"),
    _route("DELETE", _ONE_GROUP_SNAPSHOT, groups.delete_snapshot, "groups:delete"),
    _route("POST", f"{_ONE_GROUP_SNAPSHOT}/action", groups.act_on_snapshot, "groups:reset_status"),
)
_ONE_GROUP_TYPE = "/group_types/{group_type_id}"
_GROUP_TYPES = (
    _route("POST", "/group_types", group_types.create, "group_types:manage"),
    _route("GET", "/group_types", group_types.list_, "group_types:list"),
    _route("GET", _ONE_GROUP_TYPE, group_types.show, "group_types:list"),
    _route("PUT", _ONE_GROUP_TYPE, group_types.update, "group_types:manage"),
    _route("DELETE", _ONE_GROUP_TYPE, group_types.delete, "group_types:manage"),
    _route("GET", f"{_ONE_GROUP_TYPE}/group_specs", group_types.list_specs, "group_types:manage"),
    _route("POST", f"{_ONE_GROUP_TYPE}/group_specs", group_types.set_specs, "group_types:manage"),
    _route("GET", f"{_ONE_GROUP_TYPE}/group_specs/{{key}}", group_types.show_spec, "group_types:manage"),
    _route("PUT", f"{_ONE_GROUP_TYPE}/group_specs/{{key}}", group_types.set_spec, "group_types:manage"),
    _route("DELETE", f"{_ONE_GROUP_TYPE}/group_specs/{{key}}", group_types.delete_spec, "group_types:manage"),
)
_MANAGING = (
    _route("POST", "/os-volume-manage", managing.manage_volume, "volumes:manage"),
    _route("GET", "/os-volume-manage", managing.list_volumes, "volumes:manage"),
    _route("GET", "/os-volume-manage/detail", managing.list_volumes_detail, "volumes:manage"),
    _route("POST", "/manageable_volumes", managing.manage_volume, "volumes:manage"),
    _route("GET", "/manageable_volumes", managing.list_volumes, "volumes:manage"),
    _route("GET", "/manageable_volumes/detail", managing.list_volumes_detail, "volumes:manage"),
    _route("POST", "/os-snapshot-manage", managing.manage_snapshot, "snapshots:manage"),
    _route("GET", "/os-snapshot-manage", managing.list_snapshots, "snapshots:manage"),
    _route("GET", "/os-snapshot-manage/detail", managing.list_snapshots_detail, "snapshots:manage"),
    _route("POST", "/manageable_snapshots", managing.manage_snapshot, "snapshots:manage"),
    _route("GET", "/manageable_snapshots", managing.list_snapshots, "snapshots:manage"),
    _route("GET", "/manageable_snapshots/detail", managing.list_snapshots_detail, "snapshots:manage"),
)
_DEFAULT_TYPES = (
    _route("GET", "/default-types", default_types.list_, "default_types:manage"),
    _route("GET", "/default-types/{target_id}", default_types.show, "default_types:manage"),
    _route("PUT", "/default-types/{target_id}", default_types.update, "default_types:manage"),
    _route("DELETE", "/default-types/{target_id}", default_types.delete, "default_types:manage"),
)
ROUTES = (
    *_VOLUMES,
    *_metadata("/volumes/{volume_id}", "volumes", Notes.VOLUME),
    *_SNAPSHOTS,
    *_metadata("/snapshots/{snapshot_id}", "snapshots", Notes.SNAPSHOT),
    *_ATTACHMENTS,
    *_TYPES,
    *_QOS,
    *_transfers("/os-volume-transfer"),
    *_transfers("/volume-transfers"),
    *_QUOTAS,
    *_OPERATIONS,
    *_MESSAGES,
    *_BACKUPS,
    *_SCHEDULES,
    *_EXPORTS,
    *_GROUPS,
    *_GROUP_TYPES,
    *_MANAGING,
    *_DEFAULT_TYPES,
)
DISCOVERY = (
    Route("GET", "", versions.all_, open=True),
    Route("GET", "/v3", versions.third, open=True),
)
