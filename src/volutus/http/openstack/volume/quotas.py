"""`/os-quota-sets`, `/os-quota-class-sets` and `/limits`."""

from typing import Any

from starlette.responses import Response

from volutus import quota
from volutus.errors import Forbidden, Invalid
from volutus.http.kernel import Request, decode, document, empty
from volutus.http.openstack.volume.bodies import flag

RESOURCES = (
    "volumes",
    "snapshots",
    "gigabytes",
    "backups",
    "backup_gigabytes",
    "per_volume_gigabytes",
    "groups",
)
# What Cinder's column holds.
LIMIT_MAX = 2**31 - 1
# More digits than any limit has: not even read.
LIMIT_DIGITS_MAX = 18


def show(request: Request) -> Response:
    """`GET /os-quota-sets/PROJECT`, with `usage=true` also what is used."""
    project_id = _project(request)
    limits = quota.limits(request.tx, project_id)
    if not flag(request, "usage"):
        return document({"quota_set": {"id": project_id, **{name: limits[name] for name in RESOURCES}}})
    used = quota.usage(request.tx, project_id)
    sets: dict[str, Any] = {
        name: {"limit": limits[name], "in_use": used[name], "reserved": 0} for name in RESOURCES
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
    quota.set_limits(request.tx, project_id, _limits(changes))
    limits = quota.limits(request.tx, project_id)
    return document({"quota_set": {name: limits[name] for name in RESOURCES}})


def delete(request: Request) -> Response:
    """`DELETE /os-quota-sets/PROJECT`: back to the defaults."""
    quota.reset_limits(request.tx, request.params["target_id"], list(RESOURCES))
    return empty(200)


def show_class(request: Request) -> Response:
    """`GET /os-quota-class-sets/NAME`: there is one class, the defaults."""
    return document({"quota_class_set": {"id": request.params["class_name"], **_defaults(request)}})


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


def _defaults(request: Request) -> dict[str, int]:
    found = quota.defaults(request.tx)
    return {name: found[name] for name in RESOURCES}


def _limits(changes: dict[str, Any]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for name, value in changes.items():
        if name == "tenant_id":
            continue
        if name not in RESOURCES:
            raise Invalid(f"Bad key(s) in quota set: {name}", field=name)
        text = str(value)
        if (
            isinstance(value, bool)
            or not text.removeprefix("-").isdigit()
            or len(text) > LIMIT_DIGITS_MAX
            or not -1 <= int(text) <= LIMIT_MAX
        ):
            raise Invalid(f"Quota limit {value} for {name} must be from -1 to {LIMIT_MAX}.", field=name)
        wanted[name] = int(text)
    return wanted
