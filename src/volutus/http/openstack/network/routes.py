"""The paths of the network service: method, path, handler, permission."""

from collections.abc import Callable
from typing import Protocol

from starlette.responses import Response

from volutus.http.kernel import Request, Route
from volutus.http.openstack.network import (
    address_groups,
    address_scopes,
    default_rules,
    flavors,
    floating_ips,
    ip_availability,
    metering,
    networks,
    port_forwardings,
    ports,
    qos,
    quotas,
    rbac,
    routers,
    security_groups,
    segments,
    service,
    subnet_pools,
    subnets,
    tags,
    topologies,
    traces,
    trunks,
    vpn_gateways,
    vpn_peers,
)
from volutus.network import qos_rules

# A bulk order of some hundred ports with all their attributes.
_BULK_MAX_BYTES = 4 << 20


class Noun(Protocol):
    """The handlers of a kind of object: a module, or a `Resource`."""

    @property
    def create(self) -> Callable[[Request], Response]: ...
    @property
    def index(self) -> Callable[[Request], Response]: ...
    @property
    def show(self) -> Callable[[Request], Response]: ...
    @property
    def change(self) -> Callable[[Request], Response]: ...
    @property
    def delete(self) -> Callable[[Request], Response]: ...


def _five(path: str, noun: str, module: Noun) -> tuple[Route, ...]:
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
        "add_external_gateways": routers.add_gateways,
        "update_external_gateways": routers.change_gateways,
        "remove_external_gateways": routers.remove_gateways,
    }
    return tuple(
        Route("PUT", f"/v2.0/routers/{{id}}/{name}", handler, "network:routers:update")
        for name, handler in actions.items()
    )


def _rules() -> tuple[Route, ...]:
    path, noun = "/v2.0/security-group-rules", "network:security_group_rules"
    defaults = "/v2.0/default-security-group-rules", "network:default_rules"
    return (
        Route("POST", path, security_groups.create_rule, f"{noun}:create", body_max_bytes=_BULK_MAX_BYTES),
        Route("GET", path, security_groups.list_rules, f"{noun}:list"),
        Route("GET", f"{path}/{{id}}", security_groups.show_rule, f"{noun}:show"),
        Route("DELETE", f"{path}/{{id}}", security_groups.delete_rule, f"{noun}:delete"),
        Route("POST", defaults[0], default_rules.create, f"{defaults[1]}:create"),
        Route("GET", defaults[0], default_rules.index, f"{defaults[1]}:list"),
        Route("GET", f"{defaults[0]}/{{id}}", default_rules.show, f"{defaults[1]}:list"),
        Route("DELETE", f"{defaults[0]}/{{id}}", default_rules.delete, f"{defaults[1]}:delete"),
    )


def _address_groups() -> tuple[Route, ...]:
    path, noun = "/v2.0/address-groups", "network:address_groups"
    return (
        *_five(path, noun, address_groups.GROUPS),
        Route("PUT", f"{path}/{{id}}/add_addresses", address_groups.add_addresses, f"{noun}:update"),
        Route("PUT", f"{path}/{{id}}/remove_addresses", address_groups.remove_addresses, f"{noun}:update"),
    )


def _flavors() -> tuple[Route, ...]:
    path, noun = "/v2.0/flavors/{id}/service_profiles", "network:flavors"
    return (
        *_five("/v2.0/flavors", noun, flavors.FLAVORS),
        *_five("/v2.0/service_profiles", "network:service_profiles", flavors.PROFILES),
        Route("POST", path, flavors.add_profile, f"{noun}:update"),
        Route("DELETE", f"{path}/{{profile_id}}", flavors.remove_profile, f"{noun}:update"),
    )


def _qos() -> tuple[Route, ...]:
    base, noun = "/v2.0/qos/policies/{policy_id}", "network:qos_policies"
    routes = [
        Route("GET", "/v2.0/qos/rule-types", qos.rule_types, f"{noun}:list"),
        Route("GET", "/v2.0/qos/rule-types/{kind}", qos.rule_type, f"{noun}:list"),
    ]
    for kind in qos_rules.KINDS:
        path = f"{base}/{kind}_rules"
        routes += [
            Route("POST", path, qos.create_rule(kind), f"{noun}:update"),
            Route("GET", path, qos.list_rules(kind), f"{noun}:show"),
            Route("GET", f"{path}/{{id}}", qos.show_rule(kind), f"{noun}:show"),
            Route("PUT", f"{path}/{{id}}", qos.change_rule(kind), f"{noun}:update"),
            Route("DELETE", f"{path}/{{id}}", qos.delete_rule(kind), f"{noun}:update"),
        ]
    return (*_five("/v2.0/qos/policies", noun, qos.POLICIES), *routes)


def _trunks() -> tuple[Route, ...]:
    path, noun = "/v2.0/trunks", "network:trunks"
    return (
        *_five(path, noun, trunks),
        Route("PUT", f"{path}/{{id}}/add_subports", trunks.add_sub_ports, f"{noun}:update"),
        Route("PUT", f"{path}/{{id}}/remove_subports", trunks.remove_sub_ports, f"{noun}:update"),
        Route("GET", f"{path}/{{id}}/get_subports", trunks.show_sub_ports, f"{noun}:show"),
    )


def _topologies() -> tuple[Route, ...]:
    path, noun = "/v2.0/auto-allocated-topology/{project_id}", "network:topologies"
    return (
        # What is asked for is made.
        Route("GET", path, topologies.show, f"{noun}:show", writes=True),
        Route("DELETE", path, topologies.delete, f"{noun}:delete"),
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


def _metering() -> tuple[Route, ...]:
    """Labels and rules do not change: they are made, and deleted."""
    routes = []
    for plural, noun, module in (
        ("labels", "network:metering_labels", metering.LABELS),
        ("label-rules", "network:metering_label_rules", metering.RULES),
    ):
        made = _five(f"/v2.0/metering/metering-{plural}", noun, module)
        routes += [route for route in made if route.method != "PUT"]
    path = "/v2.0/metering/metering-labels/{id}/usage"
    return (*routes, Route("GET", path, metering.usage, "network:metering_labels:usage"))


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
    *_five("/v2.0/segments", "network:segments", segments.SEGMENTS),
    *_five("/v2.0/subnetpools", "network:subnet_pools", subnet_pools),
    *_five("/v2.0/ports", "network:ports", ports),
    Route("GET", "/v2.0/ports/{id}/trace", traces.show, "network:ports:trace", streams=True),
    *_five("/v2.0/routers", "network:routers", routers),
    *_router_actions(),
    *_five("/v2.0/floatingips", "network:floating_ips", floating_ips),
    *_five("/v2.0/security-groups", "network:security_groups", security_groups),
    *_rules(),
    *_five("/v2.0/rbac-policies", "network:rbac_policies", rbac),
    *_five("/v2.0/address-scopes", "network:address_scopes", address_scopes.SCOPES),
    *_address_groups(),
    *_flavors(),
    *_topologies(),
    *_qos(),
    *_trunks(),
    *_five(
        "/v2.0/floatingips/{floating_ip_id}/port_forwardings", "network:port_forwardings", port_forwardings
    ),
    *_five("/v2.0/vpn/gateways", "network:vpn_gateways", vpn_gateways),
    *_vpn_peers(),
    *_quotas(),
    *_ip_availability(),
    *_metering(),
    *_tags(),
)
