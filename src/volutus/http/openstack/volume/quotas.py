"""`/os-quota-sets`, `/os-quota-class-sets` and `/limits`."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from volutus import quota
from volutus.db import Page
from volutus.errors import Forbidden, Invalid
from volutus.http.kernel import Request, decode, document, empty
from volutus.http.openstack.volume.bodies import flag
from volutus.identity.caller import CLOUD
from volutus.volume import types

RESOURCES = (
    "volumes",
    "snapshots",
    "gigabytes",
    "backups",
    "backup_gigabytes",
    "per_volume_gigabytes",
    "groups",
)
# These are also limited by volume type.
BY_TYPE = ("volumes", "snapshots", "gigabytes")
# More types than this have no limits of their own on the wire.
TYPES_MAX = 100
# What Cinder's column holds.
LIMIT_MAX = 2**31 - 1
# More digits than any limit has: not even read.
LIMIT_DIGITS_MAX = 18


def show(request: Request) -> Response:
    """`GET /os-quota-sets/PROJECT`, with `usage=true` also what is used."""
    project_id = _project(request)
    limits, names = quota.limits(request.tx, project_id), _names(request)
    if not flag(request, "usage"):
        return document({"quota_set": {"id": project_id, **_shown(names, limits)}})
    used = quota.usage(request.tx, project_id)
    sets: dict[str, Any] = {
        shown: {"limit": limits.get(name, quota.UNLIMITED), "in_use": used.get(name, 0), "reserved": 0}
        for shown, name in names.items()
    }
    return document({"quota_set": {"id": project_id, **sets}})


def defaults(request: Request) -> Response:
    """`GET /os-quota-sets/PROJECT/defaults`."""
    project_id = _project(request)
    return document({"quota_set": {"id": project_id, **_defaults(request)}})


def update(request: Request) -> Response:
    """`PUT /os-quota-sets/PROJECT`."""
    project_id = request.params["target_id"]
    changes = decode(request.body, dict[str, Any]).get("quota_set")
    if not isinstance(changes, dict):
        raise Invalid("Invalid input for quota_set: the body has no such object.", field="quota_set")
    names = _names(request)
    quota.set_limits(request.tx, project_id, _limits(changes, names))
    return document({"quota_set": _shown(names, quota.limits(request.tx, project_id))})


def delete(request: Request) -> Response:
    """`DELETE /os-quota-sets/PROJECT`: back to the defaults."""
    quota.reset_limits(request.tx, request.params["target_id"], list(_names(request).values()))
    return empty(200)


def show_class(request: Request) -> Response:
    """`GET /os-quota-class-sets/NAME`: there is one class, the defaults."""
    return document({"quota_class_set": {"id": request.params["class_name"], **_defaults(request)}})


def update_class(request: Request) -> Response:
    """`PUT /os-quota-class-sets/default`: what holds for projects for which nothing was set."""
    changes = decode(request.body, dict[str, Any]).get("quota_class_set")
    if not isinstance(changes, dict):
        raise Invalid("Invalid input for quota_class_set: the body has none.", field="quota_class_set")
    wanted = _limits(changes, _names(request))
    if request.params["class_name"] != "default":
        raise Invalid("There is one quota class: default.", field="class_name")
    quota.set_defaults(request.tx, wanted)
    return document({"quota_class_set": _defaults(request)})


def limits(request: Request) -> Response:
    """`GET /limits`."""
    project_id = request.caller.own_project()
    asked = request.query.get("project_id")
    if asked and request.caller.is_admin:
        project_id = asked
    maxima, used = quota.limits(request.tx, project_id), quota.usage(request.tx, project_id)
    absolute = {
        "maxTotalVolumes": maxima["volumes"],
        "maxTotalSnapshots": maxima["snapshots"],
        "maxTotalVolumeGigabytes": maxima["gigabytes"],
        "maxTotalBackups": maxima["backups"],
        "maxTotalBackupGigabytes": maxima["backup_gigabytes"],
        "totalVolumesUsed": used["volumes"],
        "totalSnapshotsUsed": used["snapshots"],
        "totalGigabytesUsed": used["gigabytes"],
        "totalBackupsUsed": used["backups"],
        "totalBackupGigabytesUsed": used["backup_gigabytes"],
    }
    return document({"limits": {"rate": [], "absolute": absolute}})


def _project(request: Request) -> str:
    """Others' quota is an administrator's to see."""
    target = request.params["target_id"]
    if not request.caller.sees(target):
        raise Forbidden("Policy does not allow another project's quota to be shown.")
    return target


def _names(request: Request) -> dict[str, str]:
    """Names of limits on the wire, where a type's are called by the type's name, to those of quota."""
    found = types.list_(request.tx, CLOUD, Page(limit=TYPES_MAX), is_public=None)
    by_type = {f"{name}_{one.name}": f"{name}_{one.id}" for one in found for name in BY_TYPE}
    return {**{name: name for name in RESOURCES}, **by_type}


def _shown(names: dict[str, str], limits: Mapping[str, int]) -> dict[str, int]:
    return {shown: limits.get(name, quota.UNLIMITED) for shown, name in names.items()}


def _defaults(request: Request) -> dict[str, int]:
    return _shown(_names(request), quota.defaults(request.tx))


def _limits(changes: dict[str, Any], names: dict[str, str]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for name, value in changes.items():
        if name == "tenant_id":
            continue
        if name not in names:
            raise Invalid(f"Bad key(s) in quota set: {name}", field=name)
        text = str(value)
        if (
            isinstance(value, bool)
            or not text.removeprefix("-").isdigit()
            or len(text) > LIMIT_DIGITS_MAX
            or not -1 <= int(text) <= LIMIT_MAX
        ):
            raise Invalid(f"Quota limit {value} for {name} must be from -1 to {LIMIT_MAX}.", field=name)
        wanted[names[name]] = int(text)
    return wanted
