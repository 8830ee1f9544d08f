"""Every path of the dialect, its handler and its permission."""

from collections.abc import Callable
from typing import Any

from volutus.http.kernel import HttpProblem, Request, Route
from volutus.http.openstack.volume import (
    attachments,
    messages,
    metadata,
    operations,
    qos,
    quotas,
    snapshots,
    transfers,
    types,
    versions,
    volume_actions,
    volumes,
)
from volutus.http.openstack.volume.bodies import missing
from volutus.volume.metadata import Notes

Handler = Callable[[Request], Any]


def _in_project(handler: Handler) -> Handler:
    """A path that carries a project must carry the token's: Cinder's check against mixed-up clients."""

    def guarded(request: Request) -> Any:
        named, own = request.params.get("project_id"), request.caller.project_id
        if named is not None and own is not None and named != own:
            raise HttpProblem(
                400,
                f"Malformed request URL: URL's project_id '{named}' doesn't match Context's project_id "
                f"'{own}'",
            )
        return handler(request)

    return guarded


def _route(method: str, path: str, handler: Handler, permission: str, *, writes: bool | None = None) -> Route:
    return Route(method, path, _in_project(handler), f"volume:{permission}", writes=writes)


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
    _route("GET", "/limits", quotas.limits, "limits:show"),
)
_OPERATIONS = (
    _route("GET", "/os-services", operations.services, "operations:see"),
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
)
DISCOVERY = (
    Route("GET", "", versions.all_, open=True),
    Route("GET", "/v3", versions.third, open=True),
)
