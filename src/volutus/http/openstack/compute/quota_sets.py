"""Quotas and limits: what a project may have and has.

Nova's documents have no place for MHz, the resource that is ours: `mhz` can be set here, and is shown by the
billing service's API.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import quota
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, document, empty
from volutus.http.openstack.compute import schemas

V2_36 = Version(2, 36)
V2_39 = Version(2, 39)
V2_57 = Version(2, 57)

_OURS = (
    "instances",
    "cores",
    "ram",
    "metadata_items",
    "key_pairs",
    "server_groups",
    "server_group_members",
)
# What Nova once counted for the network, by the names of the network's own quotas.
_NETWORK = {
    "floating_ips": "floatingip",
    "security_groups": "security_group",
    "security_group_rules": "security_group_rule",
}
# Shown as long as files could be sent with an order.
_INJECTED = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
_NOT_USED = {"metadata_items", "key_pairs", "server_group_members", *_INJECTED, "fixed_ips"}


class QuotaBody(Struct, forbid_unknown_fields=True):
    instances: schemas.Number | None = None
    cores: schemas.Number | None = None
    ram: schemas.Number | None = None
    mhz: schemas.Number | None = None
    metadata_items: schemas.Number | None = None
    key_pairs: schemas.Number | None = None
    server_groups: schemas.Number | None = None
    server_group_members: schemas.Number | None = None
    floating_ips: schemas.Number | None = None
    fixed_ips: schemas.Number | None = None
    security_groups: schemas.Number | None = None
    security_group_rules: schemas.Number | None = None
    injected_files: schemas.Number | None = None
    injected_file_content_bytes: schemas.Number | None = None
    injected_file_path_bytes: schemas.Number | None = None
    force: schemas.Flag | None = None
    tenant_id: str | None = None


class UpdateBody(Struct, forbid_unknown_fields=True):
    quota_set: QuotaBody


class ClassBody(Struct, forbid_unknown_fields=True):
    quota_class_set: QuotaBody


def show(request: Request) -> Response:
    """A project's limits."""
    project_id = _project(request)
    return document(
        {"quota_set": {"id": project_id, **_limits(request, quota.limits(request.tx, project_id))}}
    )


def defaults(request: Request) -> Response:
    """The limits of a project for which nothing was set."""
    return document({"quota_set": {"id": _project(request), **_limits(request, quota.defaults(request.tx))}})


def detail(request: Request) -> Response:
    """Limits beside what is used."""
    project_id = _project(request)
    limits = _limits(request, quota.limits(request.tx, project_id))
    used = _renamed(quota.usage(request.tx, project_id))
    lines = {
        name: {"limit": limit, "in_use": 0 if name in _NOT_USED else used.get(name, 0), "reserved": 0}
        for name, limit in limits.items()
    }
    return document({"quota_set": {"id": project_id, **lines}})


def update(request: Request) -> Response:
    """Set limits of a project."""
    body = request.read(UpdateBody).quota_set
    project_id = request.params["project_id"]
    forced = schemas.flag(body.force, "force")
    used = quota.usage(request.tx, project_id)
    changes = _changes(body)
    for resource, value in changes.items():
        if not forced and quota.UNLIMITED < value < used.get(resource, 0):
            raise Invalid(
                f"Quota limit {value} for {resource} must be greater than or equal to already used and "
                f"reserved {used[resource]}.",
                field=resource,
            )
    quota.set_limits(request.tx, project_id, changes)
    return document({"quota_set": _limits(request, quota.limits(request.tx, project_id))})


def delete(request: Request) -> Response:
    """Go back to the defaults."""
    quota.reset_limits(request.tx, request.params["project_id"], [*_OURS, *_INJECTED, "fixed_ips", "mhz"])
    return empty()


def class_show(request: Request) -> Response:
    """The defaults by Nova's other name for them."""
    values = _limits(request, quota.defaults(request.tx))
    return document({"quota_class_set": {"id": request.params["class_name"], **values}})


def class_update(request: Request) -> Response:
    """Set what holds for projects for which nothing was set. There is one class."""
    if request.params["class_name"] != "default":
        raise NotFound("The only class of quotas is default.")
    quota.set_defaults(request.tx, _changes(request.read(ClassBody).quota_class_set))
    return document({"quota_class_set": _limits(request, quota.defaults(request.tx))})


def _changes(body: QuotaBody) -> dict[str, int]:
    changes = {}
    for name in (*_OURS, *_INJECTED, "fixed_ips", "mhz", *_NETWORK):
        value = schemas.number(getattr(body, name), name, quota.UNLIMITED)
        if value is not None:
            changes[_NETWORK.get(name, name)] = value
    return changes


def limits(request: Request) -> Response:
    """The caller's limits and usage in one document."""
    asked = request.query.get("tenant_id")
    project_id = asked if asked and request.caller.is_admin else request.caller.own_project()
    absolute = _absolute(request, project_id)
    return document({"limits": {"rate": [], "absolute": absolute}})


def _absolute(request: Request, project_id: str) -> dict[str, Any]:
    limit, used = quota.limits(request.tx, project_id), quota.usage(request.tx, project_id)
    version = request.microversion
    view = {
        "maxTotalInstances": limit["instances"],
        "maxTotalCores": limit["cores"],
        "maxTotalRAMSize": limit["ram"],
        "maxTotalKeypairs": limit["key_pairs"],
        "maxServerMeta": limit["metadata_items"],
        "maxServerGroups": limit["server_groups"],
        "maxServerGroupMembers": limit["server_group_members"],
        "totalInstancesUsed": used["instances"],
        "totalCoresUsed": used["cores"],
        "totalRAMUsed": used["ram"],
        "totalServerGroupsUsed": used["server_groups"],
    }
    if version < V2_36:
        view |= {
            "maxTotalFloatingIps": limit["floatingip"],
            "maxSecurityGroups": limit["security_group"],
            "maxSecurityGroupRules": limit["security_group_rule"],
            "totalFloatingIpsUsed": used["floatingip"],
            "totalSecurityGroupsUsed": used["security_group"],
        }
    if version < V2_39:
        view["maxImageMeta"] = limit["metadata_items"]
    if version < V2_57:
        view["maxPersonality"] = limit["injected_files"]
        view["maxPersonalitySize"] = limit["injected_file_content_bytes"]
    return view


def _project(request: Request) -> str:
    """Another project's quotas are only for administrators: who is not gets the answer of the policy."""
    project_id = request.params["project_id"]
    if not request.caller.sees(project_id):
        request.plane.policy.require("compute:quota_sets:show:any", request.caller)
    return project_id


def _limits(request: Request, found: Mapping[str, int]) -> dict[str, int]:
    named = _renamed(found)
    version = request.microversion
    view = {name: named[name] for name in _OURS}
    if version < V2_36:
        view |= {name: named[name] for name in (*_NETWORK, "fixed_ips")}
    if version < V2_57:
        view |= {name: named[name] for name in _INJECTED}
    return view


def _renamed(values: Mapping[str, int]) -> dict[str, int]:
    return {**values, **{name: values[theirs] for name, theirs in _NETWORK.items()}}
