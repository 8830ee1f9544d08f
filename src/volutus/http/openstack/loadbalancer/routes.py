"""The paths of the load-balancer service: method, path, handler, permission."""

from types import ModuleType

from volutus.http.kernel import Route
from volutus.http.openstack.loadbalancer import balancers, listeners, members, monitors, pools, service

ROOT = "/v2.0/lbaas"


def _five(path: str, noun: str, module: ModuleType, item: str = "{id}") -> tuple[Route, ...]:
    one = f"{path}/{item}"
    return (
        Route("POST", path, module.create, f"loadbalancer:{noun}:create"),
        Route("GET", path, module.index, f"loadbalancer:{noun}:list"),
        Route("GET", one, module.show, f"loadbalancer:{noun}:show"),
        Route("PUT", one, module.change, f"loadbalancer:{noun}:update"),
        Route("DELETE", one, module.delete, f"loadbalancer:{noun}:delete"),
    )


def _quotas() -> tuple[Route, ...]:
    path = f"{ROOT}/quotas"
    return (
        Route("GET", path, service.list_quotas, "loadbalancer:quotas:list"),
        Route("GET", f"{path}/defaults", service.default_quota, "loadbalancer:quotas:show"),
        Route("GET", f"{path}/{{project_id}}", service.show_quota, "loadbalancer:quotas:show"),
        Route("PUT", f"{path}/{{project_id}}", service.change_quota, "loadbalancer:quotas:update"),
        Route("DELETE", f"{path}/{{project_id}}", service.reset_quota, "loadbalancer:quotas:update"),
    )


_BALANCER = f"{ROOT}/loadbalancers/{{id}}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "", service.versions, open=True),
    Route("GET", f"{ROOT}/providers", service.providers, "loadbalancer:providers:list"),
    *_five(f"{ROOT}/loadbalancers", "load_balancers", balancers),
    Route("GET", f"{_BALANCER}/status", balancers.statuses, "loadbalancer:load_balancers:show"),
    Route("GET", f"{_BALANCER}/statuses", balancers.statuses, "loadbalancer:load_balancers:show"),
    *_five(f"{ROOT}/listeners", "listeners", listeners),
    *_five(f"{ROOT}/pools", "pools", pools),
    *_five(f"{ROOT}/pools/{{id}}/members", "members", members, "{member_id}"),
    Route("PUT", f"{ROOT}/pools/{{id}}/members", members.replace, "loadbalancer:members:update"),
    *_five(f"{ROOT}/healthmonitors", "health_monitors", monitors),
    Route("GET", f"{ROOT}/l7policies", service.policies, "loadbalancer:listeners:list"),
    Route("POST", f"{ROOT}/l7policies", service.refuse_policy, "loadbalancer:listeners:create"),
    *_quotas(),
)
