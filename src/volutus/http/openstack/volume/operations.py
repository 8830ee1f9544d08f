"""What operators look at: pools, hosts, zones, extensions."""

from typing import Any

from starlette.responses import Response

from volutus.errors import NotFound
from volutus.http.kernel import Request, document
from volutus.http.openstack.volume.bodies import flag
from volutus.http.openstack.volume.views import moment
from volutus.placement import Host
from volutus.volume import volumes
from volutus.volume.capabilities import CAPABILITIES, Pool
from volutus.volume.capabilities import find as find_pools
from volutus.volume.capabilities import pools as all_pools

BINARY = "cinder-volume"
# Groups of calls that stock clients look for by name.
EXTENSIONS = {
    "backups": "Backups",
    "consistencygroups": "Consistencygroups",
    "encryption": "VolumeTypeEncryption",
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
    "os-snapshot-manage": "SnapshotManage",
    "os-snapshot-unmanage": "SnapshotUnmanage",
    "os-vol-host-attr": "VolumeHostAttribute",
    "os-vol-image-meta": "VolumeImageMetadata",
    "os-vol-tenant-attr": "VolumeTenantAttribute",
    "os-volume-actions": "VolumeActions",
    "os-volume-encryption-metadata": "VolumeEncryptionMetadata",
    "os-volume-manage": "VolumeManage",
    "os-volume-transfer": "VolumeTransfer",
    "os-volume-unmanage": "VolumeUnmanage",
    "os-volume-type-access": "VolumeTypeAccess",
    "qos-specs": "Qos_specs_manage",
    "scheduler-stats": "Scheduler_stats",
}


def pools(request: Request) -> Response:
    """`GET /scheduler-stats/get_pools`."""
    detail = flag(request, "detail")
    return document({"pools": [_pool(pool, detail=detail) for pool in all_pools(request.tx)]})


def capabilities(request: Request) -> Response:
    """`GET /capabilities/HOST@POOL`."""
    pool = _named(request)
    return document(
        {
            "namespace": f"OS::Storage::Capabilities::{pool.host.hostname}@{pool.name}",
            "vendor_name": CAPABILITIES["vendor_name"],
            "volume_backend_name": pool.name,
            "pool_name": pool.name,
            "driver_version": _driver_version(pool.host),
            "storage_protocol": CAPABILITIES["storage_protocol"],
            "display_name": pool.name,
            "description": "Disks in a directory of the host",
            "visibility": "public",
            "replication_targets": [],
            "properties": {},
        }
    )


def hosts(request: Request) -> Response:
    """`GET /os-hosts`."""
    return document({"hosts": [_host(pool) for pool in all_pools(request.tx)]})


def host(request: Request) -> Response:
    """`GET /os-hosts/HOST@POOL`: how many volumes it keeps, in all and by project."""
    named, pool = request.params["host"], _named(request)
    counts = volumes.stored_on(request.tx, pool.host.id, pool.name)
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
        "backup": ["name", "status", "volume_id"],
    }
    asked = request.query.get("resource")
    entries = [{"resource": name, "filters": keys} for name, keys in filters.items() if asked in (None, name)]
    return document({"resource_filters": entries})


def _named(request: Request) -> Pool:
    found = find_pools(request.tx, request.params["host"])
    if "@" not in request.params["host"] or not found:
        raise NotFound(f"Host {request.params['host']} could not be found.")
    return found[0]


def _pool(pool: Pool, *, detail: bool) -> dict[str, Any]:
    host = pool.host
    entry: dict[str, Any] = {"name": f"{host.hostname}@{pool.name}#{pool.name}"}
    if detail:
        entry["capabilities"] = {
            "volume_backend_name": pool.name,
            "vendor_name": CAPABILITIES["vendor_name"],
            "driver_version": _driver_version(host),
            "storage_protocol": CAPABILITIES["storage_protocol"],
            "total_capacity_gb": pool.gib,
            "free_capacity_gb": max(0, pool.gib - pool.used_gib),
            "allocated_capacity_gb": pool.used_gib,
            "reserved_percentage": 0,
            "QoS_support": True,
            "multiattach": True,
            "thin_provisioning_support": True,
            "timestamp": moment(host.last_seen_at),
        }
    return entry


def _host(pool: Pool) -> dict[str, Any]:
    return {
        "service-status": "available" if pool.host.up else "unavailable",
        "service": BINARY,
        "zone": pool.host.zone,
        "service-state": "enabled" if pool.host.enabled and pool.open else "disabled",
        "host_name": f"{pool.host.hostname}@{pool.name}",
        "last-update": moment(pool.host.last_seen_at),
    }


def _resource(host: str, project: str, counts: list[int]) -> dict[str, Any]:
    names = ("volume_count", "total_volume_gb", "snapshot_count", "total_snapshot_gb")
    numbers = {name: str(number) for name, number in zip(names, counts, strict=True)}
    return {"resource": {"host": host, "project": project, **numbers}}


def _driver_version(host: Host) -> str:
    return host.facts.agent_version if host.facts else "0"
