"""Hosts in the form Nova had before 2.43, to be read: what is done with them is done as services."""

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import placement
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, document
from volutus.placement import Host
from volutus.placement.hosts import HostQuery

V2_43 = Version(2, 43)


class Change(Struct, forbid_unknown_fields=True):
    status: str | None = None
    maintenance_mode: str | None = None


def index(request: Request) -> Response:
    """The hosts that run guests, by zone if asked, and the control plane."""
    _check_version(request)
    zone = request.query.get("zone")
    found = placement.hosts.search(request.tx, HostQuery())
    lines = [{"host_name": host.hostname, "service": "compute", "zone": host.zone} for host in found]
    lines.append({"host_name": "control", "service": "conductor", "zone": "internal"})
    return document({"hosts": [line for line in lines if not zone or line["zone"] == zone]})


def show(request: Request) -> Response:
    """What one host has, and what of it is given away."""
    _check_version(request)
    host = placement.hosts.by_name(request.tx, request.params["name"])
    lines = [_resource(host, "(total)", used=False), _resource(host, "(used_now)", used=True)]
    return document({"host": lines})


def update(request: Request) -> Response:
    """Let new guests go to a host, or stop that."""
    _check_version(request)
    body = request.read(Change)
    host = placement.hosts.by_name(request.tx, request.params["name"])
    if body.status not in ("enable", "disable") or body.maintenance_mode is not None:
        raise Invalid("A host's status is enable or disable; there is no other mode.", field="status")
    placement.hosts.set_enabled(request.tx, host.id, body.status == "enable")
    return document({"host": host.hostname, "status": f"{body.status}d"})


def power(request: Request) -> Response:
    """What is running below its guests is the operator's, and reached by other means."""
    _check_version(request)
    if request.params["act"] not in ("startup", "shutdown", "reboot"):
        raise NotFound("The resource could not be found.")
    host = placement.hosts.by_name(request.tx, request.params["name"])
    raise Invalid(f"Host {host.hostname} is not switched on, off or rebooted by this API.")


def _resource(host: Host, what: str, *, used: bool) -> dict[str, Any]:
    return {
        "resource": {
            "host": host.hostname,
            "project": what,
            "cpu": host.cores_used if used else host.cores,
            "memory_mb": host.memory_mib_used if used else host.memory_mib,
            "disk_gb": host.disk_gib_used if used else host.disk_gib,
        }
    }


def _check_version(request: Request) -> None:
    if request.microversion >= V2_43:
        raise NotFound("The resource could not be found.")
