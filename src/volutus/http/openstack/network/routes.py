"""The paths of the network service: method, path, handler, permission."""

from collections.abc import Callable
from types import ModuleType

from volutus.http.kernel import Route
from volutus.http.openstack.network import (
    floating_ips,
    ip_availability,
    networks,
    ports,
    quotas,
    routers,
    security_groups,
    service,
    subnet_pools,
    subnets,
    tags,
    traces,
    vpn_gateways,
    vpn_peers,
)

# A bulk order of some hundred ports with all their attributes.
_BULK_MAX_BYTES = 4 << 20


def _five(path: str, noun: str, module: ModuleType) -> tuple[Route, ...]:
    """What can be done with every kind of object."""
    return (
        Route("POST", path, module.create, f"{noun}:create", body_max_bytes=_BULK_MAX_BYTES),
        # A project's default security group comes to be when it is first looked at.
        Route("GET", path, module.index, f"{noun}:list", writes=noun == "network:security_groups" or None),
        Route("GET", f"{path}/{{id}}", module.show, f"{noun}:show"),
        Route("PUT", f"{path}/{{id}}", module.change, f"{noun}:update"),
        Route("DELETE", f"{path}/{{id}}", module.delete, f"{noun}:delete"),
    )


def _tags() -> tuple[Route, ...]:
    routes: list[Route] = []
    for plural, kind in tags.RESOURCES.items():
        path = f"/v2.0/{plural}/{{id}}/tags"
        table: list[tuple[str, str, Callable[[str], tags.Handler], str]] = [
            ("GET", path, tags.index, "show"),
            ("PUT", path, tags.replace, "update"),
            ("DELETE", path, tags.clear, "update"),
            ("GET", f"{path}/{{tag}}", tags.show, "show"),
            ("PUT", f"{path}/{{tag}}", tags.add, "update"),
            ("DELETE", f"{path}/{{tag}}", tags.remove, "update"),
        ]
        routes += [Route(m, p, make(kind), f"network:tags:{verb}") for m, p, make, verb in table]
    return tuple(routes)


def _router_actions() -> tuple[Route, ...]:
    actions = {
        "add_router_interface": routers.add_interface,
        "remove_router_interface": routers.remove_interface,
        "add_extraroutes": routers.add_routes,
        "remove_extraroutes": routers.remove_routes,
    }
    return tuple(
        Route("PUT", f"/v2.0/routers/{{id}}/{name}", handler, "network:routers:update")
        for name, handler in actions.items()
    )


def _rules() -> tuple[Route, ...]:
    path, noun = "/v2.0/security-group-rules", "network:security_group_rules"
    return (
        Route("POST", path, security_groups.create_rule, f"{noun}:create", body_max_bytes=_BULK_MAX_BYTES),
        Route("GET", path, security_groups.list_rules, f"{noun}:list"),
        Route("GET", f"{path}/{{id}}", security_groups.show_rule, f"{noun}:show"),
        Route("DELETE", f"{path}/{{id}}", security_groups.delete_rule, f"{noun}:delete"),
    )


def _quotas() -> tuple[Route, ...]:
    path = "/v2.0/quotas"
    return (
        Route("GET", path, quotas.index, "network:quotas:list"),
        Route("GET", f"{path}/tenant", quotas.show_own, "network:quotas:show"),
        Route("GET", f"{path}/project", quotas.show_own, "network:quotas:show"),
        Route("GET", f"{path}/{{project_id}}", quotas.show, "network:quotas:show"),
        Route("GET", f"{path}/{{project_id}}/default", quotas.show_default, "network:quotas:show"),
        Route("GET", f"{path}/{{project_id}}/details", quotas.show_details, "network:quotas:show"),
        Route("GET", f"{path}/{{project_id}}/details.json", quotas.show_details, "network:quotas:show"),
        Route("PUT", f"{path}/{{project_id}}", quotas.change, "network:quotas:update"),
        Route("DELETE", f"{path}/{{project_id}}", quotas.reset, "network:quotas:update"),
    )


def _ip_availability() -> tuple[Route, ...]:
    path, noun = "/v2.0/network-ip-availabilities", "network:ip_availability"
    return (
        Route("GET", path, ip_availability.index, f"{noun}:list"),
        Route("GET", f"{path}/{{id}}", ip_availability.show, f"{noun}:show"),
    )


def _vpn_peers() -> tuple[Route, ...]:
    path, noun = "/v2.0/vpn/peers", "network:vpn_peers"
    return (
        Route("POST", path, vpn_peers.create, f"{noun}:create"),
        Route("GET", path, vpn_peers.index, f"{noun}:list"),
        Route("GET", f"{path}/{{id}}", vpn_peers.show, f"{noun}:show"),
        Route("GET", f"{path}/{{id}}/configuration", vpn_peers.configuration, f"{noun}:configure"),
        Route("DELETE", f"{path}/{{id}}", vpn_peers.delete, f"{noun}:delete"),
    )


ROUTES: tuple[Route, ...] = (
    Route("GET", "", service.versions, open=True),
    Route("GET", "/v2.0", service.resources, open=True),
    Route("GET", "/v2.0/extensions", service.extensions, "network:extensions:list"),
    Route("GET", "/v2.0/extensions/{alias}", service.extension, "network:extensions:list"),
    Route("GET", "/v2.0/availability_zones", service.zones, "network:zones:list"),
    Route("GET", "/v2.0/service-providers", service.providers, "network:service_providers:list"),
    Route("GET", "/v2.0/agents", service.agents, "network:agents:list"),
    Route("GET", "/v2.0/agents/{id}", service.agent, "network:agents:show"),
    *_five("/v2.0/networks", "network:networks", networks),
    *_five("/v2.0/subnets", "network:subnets", subnets),
    *_five("/v2.0/subnetpools", "network:subnet_pools", subnet_pools),
    *_five("/v2.0/ports", "network:ports", ports),
    Route("GET", "/v2.0/ports/{id}/trace", traces.show, "network:ports:trace", streams=True),
    *_five("/v2.0/routers", "network:routers", routers),
    *_router_actions(),
    *_five("/v2.0/floatingips", "network:floating_ips", floating_ips),
    *_five("/v2.0/security-groups", "network:security_groups", security_groups),
    *_rules(),
    *_five("/v2.0/vpn/gateways", "network:vpn_gateways", vpn_gateways),
    *_vpn_peers(),
    *_quotas(),
    *_ip_availability(),
    *_tags(),
)
