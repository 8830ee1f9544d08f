"""What operators look at: zones, hosts as hypervisors and as services. All of it is placement's."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import compute, placement
from volutus.compute import ServerFilter
from volutus.db import Page
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, document, next_links, parse_page
from volutus.http.openstack.compute import schemas, views
from volutus.placement import Host
from volutus.placement.hosts import HostQuery

V2_11 = Version(2, 11)
V2_28 = Version(2, 28)
V2_33 = Version(2, 33)
V2_53 = Version(2, 53)
V2_88 = Version(2, 88)
BINARY = "nova-compute"


class ServiceBody(Struct, forbid_unknown_fields=True):
    host: str | None = None
    binary: str | None = None
    status: str | None = None
    disabled_reason: str | None = None
    forced_down: schemas.Flag | None = None


def zones(request: Request) -> Response:
    """The zones in which servers can be ordered."""
    return _zones(request, with_hosts=False)


def zones_detail(request: Request) -> Response:
    """The same with the hosts in them."""
    return _zones(request, with_hosts=True)


def hypervisors(request: Request) -> Response:
    """The short list."""
    found, page = _matching(request)
    return _hypervisors(request, page, [_hypervisor_brief(request, host) for host in found])


def hypervisors_detail(request: Request) -> Response:
    """The long list."""
    found, page = _matching(request)
    running = _running(request, found)
    return _hypervisors(request, page, [_hypervisor(request, host, running) for host in found])


def hypervisor(request: Request) -> Response:
    """One host. Its id is our own; the number of older versions is understood too."""
    host = _host(request, request.params["id"])
    return document({"hypervisor": _hypervisor(request, host, _running(request, [host]))})


def hypervisor_uptime(request: Request) -> Response:
    """Since 2.88 part of the host itself."""
    if request.microversion >= V2_88:
        raise NotFound("The resource could not be found.")
    host = _host(request, request.params["id"])
    return document({"hypervisor": {**_hypervisor_brief(request, host), "uptime": _uptime(host)}})


def hypervisor_statistics(request: Request) -> Response:
    """The sum of all hosts."""
    if request.microversion >= V2_88:
        raise NotFound("The resource could not be found.")
    found = placement.hosts.search(request.tx, HostQuery())
    sums: dict[str, int] = {"count": len(found)}
    running = _running(request, found)
    for host in found:
        for name, value in _sizes(host, running).items():
            sums[name] = sums.get(name, 0) + (value or 0)
    return document({"hypervisor_statistics": sums if found else {"count": 0, **dict.fromkeys(_SIZES, 0)}})


def hypervisor_search(request: Request) -> Response:
    """Hosts of which the name contains something."""
    pattern = request.params["id"]
    found = placement.hosts.search(request.tx, HostQuery(name_part=pattern))
    if not found:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return document({"hypervisors": [_hypervisor_brief(request, host) for host in found]})


def hypervisor_servers(request: Request) -> Response:
    """The servers on hosts of which the name contains something."""
    pattern = request.params["id"]
    found = placement.hosts.search(request.tx, HostQuery(name_part=pattern))
    if not found:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    lines = []
    for host in found:
        line = _hypervisor_brief(request, host)
        if servers := _servers(request, host):
            line["servers"] = servers
        lines.append(line)
    return document({"hypervisors": lines})


def services(request: Request) -> Response:
    """One service for each host: its agent."""
    host_name, binary = request.query.get("host"), request.query.get("binary")
    found = placement.hosts.search(request.tx, HostQuery())
    lines = [
        _service(request, host)
        for host in found
        if host_name in (None, host.hostname) and binary in (None, BINARY)
    ]
    return document({"services": lines})


def service_update(request: Request) -> Response:
    """Let new guests go to a host, or stop that (since 2.53)."""
    body = request.read(ServiceBody)
    host = placement.hosts.get(request.tx, request.params["id"])
    if body.status not in (None, "enabled", "disabled"):
        raise Invalid("Invalid input for field/attribute status.", field="status")
    if body.status is not None:
        placement.hosts.set_enabled(request.tx, host.id, body.status == "enabled", body.disabled_reason or "")
    return document({"service": _service(request, placement.hosts.get(request.tx, host.id))})


def service_act(request: Request) -> Response:
    """The same as it was before 2.53: enable, disable, disable-log-reason."""
    body = request.read(ServiceBody)
    verb = request.params["id"]
    if verb not in ("enable", "disable", "disable-log-reason"):
        raise NotFound("Unknown action")
    host = placement.hosts.by_name(request.tx, body.host or "")
    placement.hosts.set_enabled(request.tx, host.id, verb == "enable", body.disabled_reason or "")
    view = {"host": host.hostname, "binary": BINARY, "status": "enabled" if verb == "enable" else "disabled"}
    if verb == "disable-log-reason":
        view["disabled_reason"] = body.disabled_reason or ""
    return document({"service": view})


def service_delete(_request: Request) -> Response:
    """A host leaves by its own command, which looks after what is on it."""
    raise Invalid("A host is removed with the command of its agent, not here.")


def _zones(request: Request, *, with_hosts: bool) -> Response:
    zones: dict[str, list[Host]] = {}
    for host in placement.hosts.search(request.tx, HostQuery()):
        zones.setdefault(host.zone, []).append(host)
    if not zones:
        zones[request.plane.settings.zone] = []
    lines = []
    for name, members in sorted(zones.items()):
        usable = any(host.enabled and host.up for host in members)
        hosts = {host.hostname: {BINARY: _liveness(host)} for host in members} if with_hosts else None
        lines.append({"zoneName": name, "zoneState": {"available": usable}, "hosts": hosts})
    return document({"availabilityZoneInfo": lines})


def _liveness(host: Host) -> dict[str, Any]:
    return {"available": host.up, "active": host.enabled, "updated_at": views.long_time(host.last_seen_at)}


def _matching(request: Request) -> tuple[list[Host], Page]:
    asked = parse_page(request) if request.microversion >= V2_33 else Page()
    page = Page(asked.limit, asked.marker)
    pattern = request.query.get("hypervisor_hostname_pattern")
    if pattern is None or request.microversion < V2_53:
        return placement.hosts.list_(request.tx, page), page
    found = placement.hosts.search(request.tx, HostQuery(name_part=pattern))
    if not found:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return found, Page()


def _hypervisors(request: Request, page: Page, lines: list[dict[str, Any]]) -> Response:
    more = next_links(request, "hypervisors", page, [str(line["id"]) for line in lines])
    return document({"hypervisors": lines, **(more if request.microversion >= V2_33 else {})})


def _host(request: Request, host_id: str) -> Host:
    if host_id.isdigit():
        for host in placement.hosts.search(request.tx, HostQuery()):
            if str(_number(host)) == host_id:
                return host
    return placement.hosts.get(request.tx, host_id)


def _number(host: Host) -> int:
    """Before 2.53 ids were numbers: one made of the host's id, the same at every question."""
    return int(host.id.replace("-", "")[:7], 16)


def _hypervisor_brief(request: Request, host: Host) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": host.id if request.microversion >= V2_53 else _number(host),
        "hypervisor_hostname": host.hostname,
        "state": "up" if host.up else "down",
        "status": "enabled" if host.enabled else "disabled",
    }
    if request.microversion >= V2_53 and _flag(request, "with_servers"):
        view["servers"] = _servers(request, host)
    return view


def _running(request: Request, hosts: Sequence[Host]) -> Mapping[str, int]:
    """Guests that run on each of them. Since 2.88 it is not told."""
    if request.microversion >= V2_88:
        return {}
    return compute.usages.running_on(request.tx, [host.id for host in hosts])


def _hypervisor(request: Request, host: Host, running: Mapping[str, int]) -> dict[str, Any]:
    version, facts = request.microversion, host.facts
    view = _hypervisor_brief(request, host) | {
        "host_ip": facts.address if facts else None,
        "hypervisor_type": "QEMU",
        "hypervisor_version": facts.hypervisor_version if facts else 0,
        "service": {
            "id": host.id if version >= V2_53 else _number(host),
            "host": host.hostname,
            "disabled_reason": host.disabled_reason or None,
        },
    }
    if version >= V2_88:
        return view | {"uptime": None}
    sizes = _sizes(host, running)
    info: Any = {"arch": "x86_64", "topology": {"cores": facts.cores if facts else 0}}
    view["cpu_info"] = info if version >= V2_28 else ""
    return view | sizes


_SIZES = (
    "current_workload",
    "disk_available_least",
    "free_disk_gb",
    "free_ram_mb",
    "local_gb",
    "local_gb_used",
    "memory_mb",
    "memory_mb_used",
    "running_vms",
    "vcpus",
    "vcpus_used",
)


def _sizes(host: Host, running: Mapping[str, int]) -> dict[str, int]:
    free_disk = host.disk_gib - host.disk_gib_used
    values = (
        0,
        free_disk,
        free_disk,
        host.memory_mib - host.memory_mib_used,
        host.disk_gib,
        host.disk_gib_used,
        host.memory_mib,
        host.memory_mib_used,
        running.get(host.id, 0),
        host.cores,
        host.cores_used,
    )
    return dict(zip(_SIZES, values, strict=True))


def _uptime(host: Host) -> str:
    return f"last heard {views.time(host.last_seen_at) or 'never'}"


def _servers(request: Request, host: Host) -> list[dict[str, str]]:
    wanted = ServerFilter(host=host.hostname, all_projects=True)
    found = compute.servers.list_(request.tx, request.caller, wanted, Page())
    return [{"uuid": server.id, "name": server.name} for server in found]


def _service(request: Request, host: Host) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": host.id if request.microversion >= V2_53 else _number(host),
        "binary": BINARY,
        "host": host.hostname,
        "zone": host.zone,
        "status": "enabled" if host.enabled else "disabled",
        "state": "up" if host.up else "down",
        "updated_at": views.long_time(host.last_seen_at),
        "disabled_reason": host.disabled_reason or None,
    }
    if request.microversion >= V2_11:
        view["forced_down"] = False
    return view


def _flag(request: Request, name: str) -> bool:
    return schemas.flag(request.query.get(name), name)
