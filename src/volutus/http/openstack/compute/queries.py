"""Which words each path knows in its query, and from which version on others are refused.

At first Nova overlooked words it did not know. Lists refuse them since 2.75, everything since 2.102: who
misspells a filter is told, and not given everything.
"""

from dataclasses import dataclass, replace

from starlette.responses import Response

from volutus.errors import Invalid
from volutus.http.kernel import Request, Route, Version

V2_53 = Version(2, 53)
V2_58 = Version(2, 58)
V2_75 = Version(2, 75)
V2_102 = Version(2, 102)

_PAGE = frozenset({"limit", "marker"})
_SORT = frozenset({"sort_key", "sort_dir"})
_CHANGES = frozenset({"changes-since", "changes-before"})
_PERIOD = frozenset({"start", "end"})
_USER = frozenset({"user_id"})
_SERVERS = (
    _PAGE
    | _SORT
    | _CHANGES
    | frozenset(
        [
            "user_id",
            "project_id",
            "tenant_id",
            "launch_index",
            "image_ref",
            "image",
            "kernel_id",
            "ramdisk_id",
            "hostname",
            "key_name",
            "power_state",
            "vm_state",
            "task_state",
            "host",
            "node",
            "flavor",
            "reservation_id",
            "launched_at",
            "terminated_at",
            "availability_zone",
            "name",
            "display_name",
            "description",
            "display_description",
            "locked_by",
            "uuid",
            "locked",
            "root_device_name",
            "config_drive",
            "access_ip_v4",
            "access_ip_v6",
            "auto_disk_config",
            "progress",
            "all_tenants",
            "soft_deleted",
            "deleted",
            "status",
            "ip",
            "ip6",
            "created_at",
            "tags",
            "tags-any",
            "not-tags",
            "not-tags-any",
        ]
    )
)
_FLAVORS = _PAGE | _SORT | {"is_public", "minRam", "minDisk", "name"}
_HYPERVISORS = _PAGE | {"hypervisor_hostname_pattern", "with_servers"}
_MIGRATIONS = frozenset(
    ["hidden", "host", "instance_uuid", "source_compute", "status", "migration_type", "project_id"]
)


@dataclass(frozen=True)
class Query:
    """The words of one path; `strict_from` is when others are refused."""

    words: frozenset[str] = frozenset()
    strict_from: Version = V2_102


_NONE = Query()
_BY_PATH = {
    "/servers": Query(_SERVERS, V2_75),
    "/servers/detail": Query(_SERVERS, V2_75),
    "/servers/{id}/os-volume_attachments": Query(_PAGE | {"offset"}, V2_75),
    "/servers/{id}/os-instance-actions": Query(_PAGE | _CHANGES, V2_58),
    "/flavors": Query(_FLAVORS, V2_75),
    "/flavors/detail": Query(_FLAVORS, V2_75),
    "/os-keypairs": Query(_PAGE | _USER, V2_75),
    "/os-keypairs/{name}": Query(_USER, V2_75),
    "/os-server-groups": Query(frozenset({"all_projects", "limit", "offset"}), V2_75),
    "/limits": Query(frozenset({"tenant_id", "reserved"}), V2_75),
    "/os-quota-sets/{project_id}": Query(_USER, V2_75),
    "/os-quota-sets/{project_id}/detail": Query(_USER, V2_75),
    "/os-simple-tenant-usage": Query(_PAGE | _PERIOD | {"detailed"}, V2_75),
    "/os-simple-tenant-usage/{project_id}": Query(_PAGE | _PERIOD, V2_75),
    "/os-services": Query(frozenset({"host", "binary"}), V2_75),
    "/os-hypervisors": Query(_HYPERVISORS, V2_53),
    "/os-hypervisors/detail": Query(_HYPERVISORS, V2_53),
    "/os-hypervisors/{id}": Query(frozenset({"with_servers"}), V2_53),
    "/os-migrations": Query(_MIGRATIONS | _PAGE | _CHANGES | _USER, V2_75),
}


def checked(route: Route) -> Route:
    """The same route, refusing words that its path does not know."""
    known = _BY_PATH.get(route.path, _NONE)

    def handler(request: Request) -> Response:
        _check(request, known)
        return route.handler(request)  # type: ignore[return-value]

    return replace(route, handler=handler)


def _check(request: Request, known: Query) -> None:
    if not request.query or request.microversion < known.strict_from:
        return
    unknown = sorted(set(request.query.keys()) - known.words)
    if unknown:
        raise Invalid(
            f"Invalid input for query parameters: {', '.join(unknown)} is not known here.", field=unknown[0]
        )
