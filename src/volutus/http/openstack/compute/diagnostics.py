"""What an operator may ask about a server's run: counters, topology; and the list of migrations."""

import uuid
from typing import Any

from starlette.responses import Response

from volutus import compute
from volutus.compute.moves import Migration
from volutus.errors import Conflict, NotFound
from volutus.http.kernel import Request, Version, document
from volutus.http.openstack.compute import views

V2_23 = Version(2, 23)
V2_48 = Version(2, 48)
V2_59 = Version(2, 59)
V2_78 = Version(2, 78)
V2_80 = Version(2, 80)
# By Nova's number of the power state.
_STATES = {0: "pending", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}
# Ids of migrations as UUIDs, which do not change while the number does not.
_NAMESPACE = uuid.UUID("6f3a3d3e-4f0b-4a64-9f55-54c59f2d8c31")


def show(request: Request) -> Response:
    """Counters of the guest as its host reported them last. Raises Conflict for one that does not run."""
    found = compute.details.get(request.tx, request.caller, request.params["id"])
    server, guest = found.server, found.server.guest
    if guest is None or guest.state not in ("running", "paused"):
        raise Conflict(f"Instance {server.id} is not running: there is nothing to diagnose.")
    macs = {address.port_id: address.mac for address in found.addresses}
    nics = [_nic(counter, macs.get(counter["port_id"])) for counter in guest.counters]
    if request.microversion < V2_48:
        old: dict[str, Any] = {"cpu0_time": guest.cpu_time_ns, "memory": server.memory_mib << 10}
        for number, nic in enumerate(nics):
            old |= {f"vnet{number}_rx": nic["rx_octets"], f"vnet{number}_tx": nic["tx_octets"]}
        return document(old)
    answer = {
        "state": _STATES[server.status.power_state.value],
        "driver": "libvirt",
        "hypervisor": "qemu",
        "hypervisor_os": "linux",
        "uptime": int((request.tx.now - guest.state_since).total_seconds()) if guest.state_since else None,
        "config_drive": server.config_drive,
        "num_cpus": server.cores,
        "num_nics": len(guest.nics),
        "num_disks": len(guest.disks),
        # The host counts the guest's CPU as a whole.
        "cpu_details": [{"id": None, "time": guest.cpu_time_ns, "utilisation": None}],
        "nic_details": nics,
        "disk_details": [dict.fromkeys(_DISK) for _ in guest.disks],
        "memory_details": {"maximum": server.memory_mib, "used": None},
    }
    return document(answer)


def topology(request: Request) -> Response:
    """The guest's NUMA nodes: one."""
    if request.microversion < V2_78:
        raise NotFound("The resource could not be found.")
    server = compute.servers.get(request.tx, request.caller, request.params["id"])
    node: dict[str, Any] = {
        "memory_mb": server.memory_mib,
        "siblings": [],
        "vcpu_set": list(range(server.cores)),
    }
    if request.caller.is_admin:
        node |= {"host_node": 0, "cpu_pinning": {}}
    return document({"nodes": [node], "pagesize_kb": None})


def migrations(request: Request) -> Response:
    """All resizes."""
    found = compute.moves.list_(request.tx)
    return document({"migrations": [_migration(request, one) for one in found]})


def server_migrations(request: Request) -> Response:
    """Live migrations of a server that are under way: none ever is."""
    compute.servers.get(request.tx, request.caller, request.params["id"])
    return document({"migrations": []})


_DISK = ("read_bytes", "read_requests", "write_bytes", "write_requests", "errors_count")


def _nic(counter: dict[str, Any], mac: str | None) -> dict[str, Any]:
    return {
        "mac_address": mac,
        "rx_octets": counter["received_bytes"],
        "rx_packets": counter["received_packets"],
        "tx_octets": counter["sent_bytes"],
        "tx_packets": counter["sent_packets"],
        **dict.fromkeys(("rx_errors", "rx_drop", "rx_rate", "tx_errors", "tx_drop", "tx_rate")),
    }


def _migration(request: Request, one: Migration) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": one.id,
        "status": one.status,
        "instance_uuid": one.server_id,
        **dict.fromkeys(("source_node", "source_compute", "dest_node", "dest_compute"), one.host),
        "dest_host": None,
        "old_instance_type_id": None,
        "new_instance_type_id": None,
        "created_at": views.long_time(one.started_at),
        "updated_at": views.long_time(one.finished_at),
    }
    if request.microversion >= V2_23:
        view["migration_type"] = "resize"
    if request.microversion >= V2_59:
        view["uuid"] = str(uuid.uuid5(_NAMESPACE, str(one.id)))
    if request.microversion >= V2_80:
        view |= {"user_id": one.user_id, "project_id": one.project_id}
    return view
