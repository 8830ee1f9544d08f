"""What the service says of itself, quotas, and what it does not have."""

from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from volutus import quota
from volutus.errors import Forbidden
from volutus.http.kernel import Request, document, no_content
from volutus.http.kernel.bodies import decode
from volutus.http.openstack.loadbalancer.schemas import PROVIDER, QuotaBody, read_part
from volutus.network.loadbalancer.errors import InvalidOption, UnsupportedOption

RESOURCES = ("load_balancer", "listener", "pool", "member", "health_monitor")
_OLD_NAMES = {"loadbalancer": "load_balancer", "healthmonitor": "health_monitor"}
_LISTED_MAX = 1000


def versions(request: Request) -> Response:
    """The one version."""
    links = [{"rel": "self", "href": f"{request.service_url}/v2.0"}]
    updated = "2026-11-21T00:00:00Z"
    return document({"versions": [{"id": "v2.0", "status": "CURRENT", "updated": updated, "links": links}]})


def providers(request: Request) -> Response:  # noqa: ARG001 - every handler is given the request
    return document({"providers": [{"name": PROVIDER, "description": "Open Virtual Network"}]})


def policies(request: Request) -> Response:  # noqa: ARG001 - every handler is given the request
    """There are none, ever."""
    return document({"l7policies": []})


def refuse_policy(request: Request) -> Response:  # noqa: ARG001 - every handler is given the request
    """Raises UnsupportedOption."""
    raise UnsupportedOption("l7policy is not supported: connections are balanced whole.", field="l7policy")


def list_quotas(request: Request) -> Response:
    projects = quota.projects_with_limits(request.tx, list(RESOURCES), _LISTED_MAX)
    return document(
        {"quotas": [_view(quota.limits(request.tx, one)) | {"project_id": one} for one in projects]}
    )


def default_quota(request: Request) -> Response:  # noqa: ARG001 - every handler is given the request
    return document({"quota": _view(quota.DEFAULTS)})


def show_quota(request: Request) -> Response:
    project_id = request.params["project_id"]
    if not request.caller.sees(project_id):
        raise Forbidden("Policy does not allow this request to be performed.")
    return document({"quota": _view(quota.limits(request.tx, project_id))})


def change_quota(request: Request) -> Response:
    part = decode(request.body, dict[str, Any]).get("quota")
    if not isinstance(part, dict):
        raise InvalidOption("The body should be an object named 'quota'.", field="quota")
    body = read_part(part, QuotaBody)
    given = {name: getattr(body, name) for name in (*RESOURCES, *_OLD_NAMES)}
    changes = {
        _OLD_NAMES.get(name, name): value
        for name, value in given.items()
        if value is not UNSET and value is not None
    }
    quota.set_limits(request.tx, request.params["project_id"], changes)
    return document({"quota": _view(quota.limits(request.tx, request.params["project_id"]))}, 202)


def reset_quota(request: Request) -> Response:
    quota.reset_limits(request.tx, request.params["project_id"], list(RESOURCES))
    return no_content()


def _view(limits: Any) -> dict[str, int]:
    named = {name: limits[name] for name in RESOURCES}
    return named | {old: limits[name] for old, name in _OLD_NAMES.items()}
