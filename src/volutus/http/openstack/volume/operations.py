"""What operators look at: services, pools, hosts, zones, extensions."""

from typing import Any

from starlette.responses import Response

from volutus import placement
from volutus.db import Page, SortKey
from volutus.errors import NotFound
from volutus.http.kernel import Request, Version, document
from volutus.http.openstack.volume.bodies import flag
from volutus.http.openstack.volume.views import moment
from volutus.placement import Host
from volutus.volume import volumes
from volutus.volume.capabilities import BACKEND, CAPABILITIES

BINARY = "cinder-volume"
BY_NAME = Page(sort=(SortKey("hostname"),))
# Groups of calls that stock clients look for by name.
EXTENSIONS = {
    "os-admin-actions": "AdminActions",
    "os-availability-zone": "AvailabilityZones",
    "os-extended-snapshot-attributes": "ExtendedSnapshotAttributes",
    "os-hosts": "Hosts",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas",
    "os-services": "Services",
    "os-snapshot-actions": "SnapshotActions",
    "os-types-extra-specs": "TypesExtraSpecs",
    "os-types-manage": "TypesManage",
    "os-used-limits": "UsedLimits",
    "os-vol-host-attr": "VolumeHostAttribute",
    "os-vol-image-meta": "VolumeImageMetadata",
    "os-vol-tenant-attr": "VolumeTenantAttribute",
    "os-volume-actions": "VolumeActions",
    "os-volume-transfer": "VolumeTransfer",
    "os-volume-type-access": "VolumeTypeAccess",
    "qos-specs": "Qos_specs_manage",
    "scheduler-stats": "Scheduler_stats",
}


def services(request: Request) -> Response:
    """`GET /os-services`: each host keeps volumes."""
    query = request.query
    entries = [_service(request, host) for host in placement.hosts.list_(request.tx, BY_NAME)]
    if binary := query.get("binary"):
        entries = [entry for entry in entries if entry["binary"] == binary]
    if host := query.get("host"):
        # A host may be named with its back end or without.
        entries = [entry for entry in entries if host in (entry["host"], entry["host"].partition("@")[0])]
    return document({"services": entries})


def pools(request: Request) -> Response:
    """`GET /scheduler-stats/get_pools`."""
    detail = flag(request, "detail")
    found = placement.hosts.list_(request.tx, BY_NAME)
    return document({"pools": [_pool(host, detail=detail) for host in found]})


def capabilities(request: Request) -> Response:
    """`GET /capabilities/HOST@BACKEND`."""
    host = placement.hosts.by_name(request.tx, request.params["host"].partition("@")[0])
    return document(
        {
            "namespace": f"OS::Storage::Capabilities::{host.hostname}@{BACKEND}",
            "vendor_name": CAPABILITIES["vendor_name"],
            "volume_backend_name": BACKEND,
            "pool_name": BACKEND,
            "driver_version": _driver_version(host),
            "storage_protocol": CAPABILITIES["storage_protocol"],
            "display_name": BACKEND,
            "description": "Disks in a directory of the host",
            "visibility": "public",
            "replication_targets": [],
            "properties": {},
        }
    )


def hosts(request: Request) -> Response:
    """`GET /os-hosts`."""
    found = placement.hosts.list_(request.tx, BY_NAME)
    return document({"hosts": [_host(host) for host in found]})


def host(request: Request) -> Response:
    """`GET /os-hosts/HOST@BACKEND`: how many volumes it keeps, in all and by project."""
    named = request.params["host"]
    found = placement.hosts.by_name(request.tx, named.partition("@")[0])
    if not named.endswith(f"@{BACKEND}"):
        raise NotFound(f"Host {named} could not be found.")
    counts = volumes.stored_on(request.tx, found.id)
    totals = [sum(one[i] for one in counts.values()) for i in range(4)]
    resources = [_resource(named, "(total)", totals)]
    resources += [_resource(named, project_id, list(one)) for project_id, one in counts.items()]
    return document({"host": resources})


def zones(request: Request) -> Response:
    """`GET /os-availability-zone`."""
    names = volumes.zones(request.tx) or [request.plane.settings.zone]
    entries = [{"zoneName": name, "zoneState": {"available": True}} for name in names]
    return document({"availabilityZoneInfo": entries})


def extensions(_request: Request) -> Response:
    """`GET /extensions`."""
    entries = [
        {
            "alias": alias,
            "name": name,
            "description": name,
            "namespace": "",
            "links": [],
            "updated": "2016-01-01T00:00:00+00:00",
        }
        for alias, name in EXTENSIONS.items()
    ]
    return document({"extensions": entries})


def resource_filters(request: Request) -> Response:
    """`GET /resource_filters`, since 3.33: by what lists can be filtered."""
    filters = {
        "volume": ["name", "status", "metadata", "bootable", "availability_zone", "id", "volume_type"],
        "snapshot": ["name", "status", "volume_id", "metadata", "id"],
        "attachment": ["volume_id", "status", "instance_id"],
    }
    asked = request.query.get("resource")
    entries = [{"resource": name, "filters": keys} for name, keys in filters.items() if asked in (None, name)]
    return document({"resource_filters": entries})


def _service(request: Request, host: Host) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "binary": BINARY,
        "host": f"{host.hostname}@{BACKEND}",
        "zone": host.zone,
        "status": "enabled" if host.enabled else "disabled",
        "state": "up" if host.up else "down",
        "updated_at": moment(host.last_seen_at or host.enrolled_at),
        "disabled_reason": host.disabled_reason or None,
        "frozen": False,
        "replication_status": "disabled",
        "active_backend_id": None,
    }
    if request.microversion >= Version(3, 7):
        entry["cluster"] = None
    if request.microversion >= Version(3, 49):
        entry["backend_state"] = entry["state"]
    return entry


def _pool(host: Host, *, detail: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": f"{host.hostname}@{BACKEND}#{BACKEND}"}
    if detail:
        entry["capabilities"] = {
            "volume_backend_name": BACKEND,
            "vendor_name": CAPABILITIES["vendor_name"],
            "driver_version": _driver_version(host),
            "storage_protocol": CAPABILITIES["storage_protocol"],
            "total_capacity_gb": host.disk_gib,
            "free_capacity_gb": max(0, host.disk_gib - host.disk_gib_used),
            "allocated_capacity_gb": host.disk_gib_used,
            "reserved_percentage": 0,
            "QoS_support": False,
            "multiattach": False,
            "thin_provisioning_support": True,
            "timestamp": moment(host.last_seen_at),
        }
    return entry


def _host(host: Host) -> dict[str, Any]:
    return {
        "service-status": "available" if host.up else "unavailable",
        "service": BINARY,
        "zone": host.zone,
        "service-state": "enabled" if host.enabled else "disabled",
        "host_name": f"{host.hostname}@{BACKEND}",
        "last-update": moment(host.last_seen_at),
    }


def _resource(host: str, project: str, counts: list[int]) -> dict[str, Any]:
    names = ("volume_count", "total_volume_gb", "snapshot_count", "total_snapshot_gb")
    numbers = {name: str(number) for name, number in zip(names, counts, strict=True)}
    return {"resource": {"host": host, "project": project, **numbers}}


def _driver_version(host: Host) -> str:
    return host.facts.agent_version if host.facts else "0"
