"""Servers as Nova shows them, at the version asked for. Every difference between versions is here."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from volutus.compute import Server
from volutus.compute.details import Detailed
from volutus.http.kernel import Request, Version

V2_3 = Version(2, 3)
V2_9 = Version(2, 9)
V2_16 = Version(2, 16)
V2_19 = Version(2, 19)
V2_26 = Version(2, 26)
V2_47 = Version(2, 47)
V2_63 = Version(2, 63)
V2_71 = Version(2, 71)
V2_73 = Version(2, 73)
V2_75 = Version(2, 75)
V2_90 = Version(2, 90)
V2_96 = Version(2, 96)
V2_98 = Version(2, 98)
V2_100 = Version(2, 100)

# A page of a list has at most so many.
HOST_IDS_MAX = 1000
# While a server is in one of these it has a progress; ours is done when it is ACTIVE.
_PROGRESS = {"ACTIVE": 100, "BUILD": 0, "REBUILD": 0, "RESIZE": 0, "VERIFY_RESIZE": 100}
_FAULTY = ("ERROR", "DELETED")
# Of an image's properties those are shown that say what machine it is for; the rest are its owner's own.
_STANDARD = re.compile(r"(hw|os|img)_|(architecture|hypervisor_type|vm_mode)$")


def time(at: datetime | None) -> str | None:
    """`2026-11-21T12:00:00Z`, to the second."""
    # A list has thousands: this is a tenth of what a format string costs.
    return f"{at.isoformat()[:19]}Z" if at else None


def long_time(at: datetime | None) -> str | None:
    """`2026-11-21T12:00:00.000000`, as Nova shows some times: without a zone."""
    return at.isoformat(timespec="microseconds")[:26] if at else None


def links(request: Request, kind: str, name: str) -> list[dict[str, str]]:
    """`self` and `bookmark` of a thing."""
    return [
        {"rel": "self", "href": f"{request.origin}/compute/v2.1/{kind}/{name}"},
        {"rel": "bookmark", "href": f"{request.origin}/compute/{kind}/{name}"},
    ]


def bookmark(request: Request, kind: str, name: str) -> list[dict[str, str]]:
    """Only the `bookmark`."""
    return [{"rel": "bookmark", "href": f"{request.origin}/compute/{kind}/{name}"}]


def server_created(request: Request, server: Server, groups: Sequence[str], password: str) -> dict[str, Any]:
    """The answer to a creation."""
    return {
        "id": server.id,
        "links": links(request, "servers", server.id),
        "OS-DCF:diskConfig": server.disk_config,
        "security_groups": [{"name": name} for name in groups or ["default"]],
        "adminPass": password,
    }


def server_brief(request: Request, server: Server) -> dict[str, Any]:
    """A line of the short list."""
    return {"id": server.id, "name": server.name, "links": links(request, "servers", server.id)}


def server_updated(request: Request, found: Detailed) -> dict[str, Any]:
    """After a change: before 2.75 a shorter view, since then the whole one."""
    if request.microversion >= V2_75:
        return server_detail(request, found, groups_shown=True)
    view = _core(request, found, with_types=False)
    _versioned(request, found.server, view)
    if request.microversion >= V2_71:
        view["server_groups"] = _groups(found.server)
    return view


def server_detail(request: Request, found: Detailed, *, groups_shown: bool = False) -> dict[str, Any]:
    """Everything about a server. `groups_shown` is for one server: the list leaves its group out."""
    server, version = found.server, request.microversion
    view = _core(request, found, with_types=True)
    _versioned(request, server, view)
    status = server.status
    zone = server.guest.zone if server.guest else (server.zone or "")
    view |= {
        "OS-EXT-AZ:availability_zone": zone,
        "config_drive": "True" if server.config_drive else "",
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": long_time(server.first_launched_at),
        "OS-SRV-USG:terminated_at": long_time(server.deleted_at),
        "OS-EXT-STS:task_state": status.task_state,
        "OS-EXT-STS:vm_state": status.vm_state,
        "OS-EXT-STS:power_state": status.power_state.value,
        "os-extended-volumes:volumes_attached": _attached(found, version),
    }
    # One that is being built shows none yet, as in Nova: clients go on showing what they asked for.
    if found.security_groups and status.vm_state != "building":
        view["security_groups"] = [{"name": name} for name in found.security_groups]
    if request.caller.is_admin:
        _for_admin(view, found, version)
    elif version >= V2_90:
        view["OS-EXT-SRV-ATTR:hostname"] = server.hostname
    if version >= V2_71 and groups_shown:
        view["server_groups"] = _groups(server)
    if version >= V2_96:
        view["pinned_availability_zone"] = server.zone
    if version >= V2_100:
        view["scheduler_hints"] = server.hints
    return view


def addresses(found: Detailed, *, with_types: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Network name to addresses."""
    view: dict[str, list[dict[str, Any]]] = {}
    for address in found.addresses:
        entry: dict[str, Any] = {"version": address.version, "addr": address.ip}
        if with_types:
            entry["OS-EXT-IPS:type"] = address.type
            entry["OS-EXT-IPS-MAC:mac_addr"] = address.mac
        view.setdefault(address.network_name, []).append(entry)
    return view


def _core(request: Request, found: Detailed, *, with_types: bool) -> dict[str, Any]:
    server = found.server
    status = server.status.name
    view: dict[str, Any] = {
        "id": server.id,
        "name": server.name,
        "status": status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": _host_id(server.project_id, server.guest.host_name) if server.guest else "",
        "image": _image(request, server),
        "flavor": _flavor(request, server),
        "created": time(server.created_at),
        "updated": time(server.updated_at),
        "addresses": addresses(found, with_types=with_types),
        "accessIPv4": server.access_ipv4,
        "accessIPv6": server.access_ipv6,
        "links": links(request, "servers", server.id),
        "OS-DCF:diskConfig": server.disk_config,
    }
    if status in _PROGRESS:
        view["progress"] = _PROGRESS[status]
    if status in _FAULTY and server.fault is not None:
        view["fault"] = {
            "code": server.fault.code,
            "created": time(server.fault.at),
            "message": server.fault.message,
        }
        if request.caller.is_admin and server.fault.detail:
            view["fault"]["details"] = server.fault.detail
    return view


def _versioned(request: Request, server: Server, view: dict[str, Any]) -> None:
    version = request.microversion
    if version >= V2_9:
        view["locked"] = server.locked
    if version >= V2_19:
        view["description"] = server.description
    if version >= V2_26:
        view["tags"] = server.tags
    if version >= V2_63:
        view["trusted_image_certificates"] = None
    if version >= V2_73:
        view["locked_reason"] = server.locked_reason


def _for_admin(view: dict[str, Any], found: Detailed, version: Version) -> None:
    server, guest = found.server, found.server.guest
    view |= {
        "OS-EXT-SRV-ATTR:host": guest.host_name if guest else None,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": guest.host_name if guest else None,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{server.id[:8]}",
    }
    if version >= V2_3:
        view |= {
            "OS-EXT-SRV-ATTR:reservation_id": server.reservation_id,
            "OS-EXT-SRV-ATTR:launch_index": server.launch_index,
            "OS-EXT-SRV-ATTR:hostname": server.hostname,
            "OS-EXT-SRV-ATTR:kernel_id": (server.kernel_image or {}).get("image_id", ""),
            "OS-EXT-SRV-ATTR:ramdisk_id": (server.ramdisk_image or {}).get("image_id", ""),
            "OS-EXT-SRV-ATTR:root_device_name": server.root_device,
            "OS-EXT-SRV-ATTR:user_data": server.user_data,
        }
    if version >= V2_16:
        view["host_status"] = _host_status(found.host_up)


def _host_status(up: bool | None) -> str:
    if up is None:
        return ""
    return "UP" if up else "UNKNOWN"


@lru_cache(maxsize=HOST_IDS_MAX)
def _host_id(project_id: str, host_name: str) -> str:
    """The same for servers of one project on one host, and of no use for finding the host."""
    return hashlib.sha224(f"{project_id}{host_name}".encode()).hexdigest()


def _image(request: Request, server: Server) -> dict[str, Any] | str:
    if server.image_id is None:
        return ""
    view: dict[str, Any] = {"id": server.image_id, "links": bookmark(request, "images", server.image_id)}
    if request.microversion >= V2_98:
        properties = server.image_properties.items()
        view["properties"] = {
            name: value for name, value in properties if value is not None and _STANDARD.match(name)
        }
    return view


def _flavor(request: Request, server: Server) -> dict[str, Any]:
    if request.microversion < V2_47:
        return {"id": server.flavor_id, "links": bookmark(request, "flavors", server.flavor_id)}
    return {
        "original_name": server.flavor_name,
        "vcpus": server.cores,
        "ram": server.memory_mib,
        "disk": server.disk_gib,
        "ephemeral": server.ephemeral_gib,
        "swap": server.swap_mib,
        "extra_specs": server.extra_specs,
    }


def _attached(found: Detailed, version: Version) -> list[dict[str, Any]]:
    if version < V2_3:
        return [{"id": attachment.volume_id} for attachment in found.attachments]
    return [
        {"id": attachment.volume_id, "delete_on_termination": attachment.delete_on_termination}
        for attachment in found.attachments
    ]


def _groups(server: Server) -> list[str]:
    return [server.group_id] if server.group_id else []
