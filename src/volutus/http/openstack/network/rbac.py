"""`/v2.0/rbac-policies`: who may use what of whom."""

from msgspec import UNSET
from starlette.responses import Response

from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network import lists, views
from volutus.http.openstack.network.bodies import project_of, read_one
from volutus.http.openstack.network.schemas import RbacBody
from volutus.network import rbac
from volutus.network.errors import InvalidInput
from volutus.network.rbac import RbacOrder

_NAMES = {
    "id": "id",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "object_type": "object_type",
    "object_id": "object_id",
    "action": "action",
    "target_tenant": "target_project",
    "target_project": "target_project",
}


def create(request: Request) -> Response:
    body = read_one(request, "rbac_policy", RbacBody)
    for name in ("object_type", "object_id", "action"):
        if getattr(body, name) is UNSET:
            raise InvalidInput(f"Failed to parse request. Required attribute '{name}' not specified")
    order = RbacOrder(
        project_id=project_of(request, body),
        object_type=str(body.object_type),
        object_id=str(body.object_id),
        action=str(body.action),
        target_project=_target(body),
    )
    made = rbac.create(request.tx, request.caller, order)
    return created({"rbac_policy": views.rbac_policy(made)})


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    found = rbac.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "rbac_policies", asked, [views.rbac_policy(one) for one in found])


def show(request: Request) -> Response:
    found = rbac.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, "rbac_policy", views.rbac_policy(found))


def change(request: Request) -> Response:
    target = _target(read_one(request, "rbac_policy", RbacBody))
    changed = rbac.change(request.tx, request.caller, request.params["id"], target)
    return lists.one(request, "rbac_policy", views.rbac_policy(changed))


def delete(request: Request) -> Response:
    rbac.remove(request.tx, request.caller, request.params["id"])
    return no_content()


def _target(body: RbacBody) -> str:
    for given in (body.target_tenant, body.target_project):
        if given is not UNSET:
            return given
    raise InvalidInput("Failed to parse request. Required attribute 'target_tenant' not specified")
