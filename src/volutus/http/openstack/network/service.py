"""What the service says of itself: versions, extensions, zones, who does the work on the hosts."""

from typing import Any

from starlette.responses import Response

from volutus import placement
from volutus.db import Page
from volutus.errors import NotFound
from volutus.http.kernel import HttpProblem, Request, document
from volutus.http.openstack.network import views
from volutus.http.openstack.network.extensions import EXTENSIONS
from volutus.network.errors import AgentNotFound
from volutus.placement import Host

_RESOURCES = (
    ("network", "networks"),
    ("subnet", "subnets"),
    ("segment", "segments"),
    ("subnetpool", "subnetpools"),
    ("port", "ports"),
    ("router", "routers"),
    ("floatingip", "floatingips"),
    ("security_group", "security-groups"),
    ("security_group_rule", "security-group-rules"),
    ("rbac_policy", "rbac-policies"),
    ("address_scope", "address-scopes"),
    ("address_group", "address-groups"),
    ("flavor", "flavors"),
    ("service_profile", "service_profiles"),
    ("default_security_group_rule", "default-security-group-rules"),
    ("qos_policy", "qos/policies"),
    ("trunk", "trunks"),
    ("quota", "quotas"),
    ("extension", "extensions"),
    ("agent", "agents"),
    ("availability_zone", "availability_zones"),
    ("metering_label", "metering/metering-labels"),
    ("metering_label_rule", "metering/metering-label-rules"),
    ("network_ip_availability", "network-ip-availabilities"),
)
# When the list of extensions last changed is nothing that clients use.
_UPDATED = "2026-11-21T00:00:00-00:00"


def versions(request: Request) -> Response:
    """The one version."""
    return document(
        {
            "versions": [
                {
                    "id": "v2.0",
                    "status": "CURRENT",
                    "links": [{"rel": "self", "href": f"{request.service_url}/v2.0/"}],
                }
            ]
        }
    )


def resources(request: Request) -> Response:
    """What the version offers."""
    return document(
        {
            "resources": [
                {
                    "name": name,
                    "collection": path,
                    "links": [{"rel": "self", "href": f"{request.service_url}/v2.0/{path}"}],
                }
                for name, path in _RESOURCES
            ]
        }
    )


def extensions(request: Request) -> Response:  # noqa: ARG001 - the same for everybody
    return document({"extensions": [_extension(alias) for alias in sorted(EXTENSIONS)]})


def extension(request: Request) -> Response:
    alias = request.params["alias"]
    if alias not in EXTENSIONS:
        raise HttpProblem(404, f"Extension with alias {alias} does not exist")
    return document({"extension": _extension(alias)})


def zones(request: Request) -> Response:
    zone = request.plane.settings.zone
    found = [{"name": zone, "resource": kind, "state": "available"} for kind in ("network", "router")]
    for name, values in request.query.multi_items():
        found = [one for one in found if one.get(name, values) == values]
    return document({"availability_zones": found})


def providers(request: Request) -> Response:  # noqa: ARG001 - the same for everybody
    provider = {"service_type": "L3_ROUTER_NAT", "name": "ovn", "default": True}
    return document({"service_providers": [provider]})


def agents(request: Request) -> Response:
    """One for each host: OVN's controller there. Who may not look into them sees none, as in Neutron."""
    if not request.plane.policy.allows("network:agents:show", request.caller):
        return document({"agents": []})
    found = [_agent(host) for host in placement.hosts.list_(request.tx, Page()) if host.facts]
    for name, value in request.query.multi_items():
        found = [one for one in found if str(one.get(name, value)).lower() == value.lower()]
    return document({"agents": found})


def agent(request: Request) -> Response:
    try:
        return document({"agent": _agent(placement.hosts.get(request.tx, request.params["id"]))})
    except NotFound:
        raise AgentNotFound(f"Agent {request.params['id']} could not be found.") from None


def _extension(alias: str) -> dict[str, Any]:
    name, description = EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": description, "updated": _UPDATED, "links": []}


def _agent(host: Host) -> dict[str, Any]:
    seen = views.time(host.last_seen_at or host.enrolled_at)
    return {
        "id": host.id,
        "agent_type": "OVN Controller agent",
        "binary": "ovn-controller",
        "host": host.hostname,
        "topic": "n/a",
        "alive": host.up,
        "admin_state_up": True,
        "availability_zone": host.zone,
        "description": "",
        "configurations": {"chassis_name": host.facts.chassis if host.facts else "", "bridge-mappings": ""},
        "resources_synced": None,
        "created_at": views.time(host.enrolled_at),
        "started_at": views.time(host.enrolled_at),
        "heartbeat_timestamp": seen,
    }
