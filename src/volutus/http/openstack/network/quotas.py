"""`/v2.0/quotas`: limits of what this service counts, and what is used of them."""

from msgspec import UNSET
from starlette.responses import Response

from volutus import quota
from volutus.http.kernel import Request, document, no_content
from volutus.http.openstack.network import views
from volutus.http.openstack.network.bodies import read_one
from volutus.http.openstack.network.schemas import QuotaBody
from volutus.network.errors import InvalidQuotaValue, PolicyNotAuthorized

# What this service counts.
RESOURCES = (
    "network",
    "subnet",
    "subnetpool",
    "port",
    "router",
    "floatingip",
    "security_group",
    "security_group_rule",
    "rbac_policy",
)
_LISTED_MAX = 1000


def index(request: Request) -> Response:
    """The projects that have limits of their own."""
    projects = quota.projects_with_limits(request.tx, list(RESOURCES), _LISTED_MAX)
    return document({"quotas": [{**_limits(request, p), "project_id": p, "tenant_id": p} for p in projects]})


def show(request: Request) -> Response:
    return document({"quota": _limits(request, _project(request))})


def show_own(request: Request) -> Response:
    """Whose the token is, as some clients ask first."""
    return document({"tenant": {"tenant_id": request.caller.own_project()}})


def show_default(request: Request) -> Response:
    _project(request)
    return document({"quota": views.quota(quota.defaults(request.tx), RESOURCES)})


def show_details(request: Request) -> Response:
    project_id = _project(request)
    limits, used = quota.limits(request.tx, project_id), quota.usage(request.tx, project_id)
    return document({"quota": views.quota_details(limits, used, RESOURCES)})


def change(request: Request) -> Response:
    body = read_one(request, "quota", QuotaBody)
    given = {name: getattr(body, name) for name in RESOURCES}
    changes = {name: value for name, value in given.items() if value is not UNSET}
    if body.check_limit is True:
        _refuse_below_usage(request, changes)
    quota.set_limits(request.tx, request.params["project_id"], changes)
    return document({"quota": _limits(request, request.params["project_id"])})


def reset(request: Request) -> Response:
    quota.reset_limits(request.tx, request.params["project_id"], list(RESOURCES))
    return no_content()


def _project(request: Request) -> str:
    project_id = request.params["project_id"]
    if not request.caller.sees(project_id):
        raise PolicyNotAuthorized("(rule:get_quota) is disallowed by policy")
    return project_id


def _refuse_below_usage(request: Request, changes: dict[str, int]) -> None:
    used = quota.usage(request.tx, request.params["project_id"])
    below = sorted(name for name, limit in changes.items() if -1 < limit < used[name])
    if below:
        raise InvalidQuotaValue(
            f"Change would make usage less than 0 for the following resources: {below}.", field=below[0]
        )


def _limits(request: Request, project_id: str) -> dict[str, int]:
    return views.quota(quota.limits(request.tx, project_id), RESOURCES)
