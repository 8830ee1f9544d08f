"""Routers, their interfaces and gateways, and floating IPs through them."""

import pytest

from tests.conftest import make_caller
from tests.network.test_servers import make_network
from volutus.errors import Invalid
from volutus.network import floating_ips, networks, port_changes, ports, router_interfaces, routers, subnets
from volutus.network.errors import (
    ExternalGatewayForFloatingIPNotFound,
    FloatingIPPortAlreadyAssociated,
    RouterExternalGatewayInUseByFloatingIp,
    RouterInterfaceInUseByFloatingIP,
    RouterInUse,
    ServicePortInUse,
)
from volutus.network.floating_ips import FloatingIpChanges, FloatingIpOrder
from volutus.network.listing import Query
from volutus.network.ports import PortOrder
from volutus.network.router_gateways import GatewayOrder
from volutus.network.routers import RouterChanges, RouterOrder
from volutus.network.subnets import HostRoute, SubnetOrder


@pytest.fixture
def admin():
    return make_caller("admin-project", "admin", user="admin")


@pytest.fixture
def public(tx, admin):
    made = make_network(
        tx, admin, "public", None, external=True, network_type="flat", physical_network="physnet1"
    )
    order = SubnetOrder(admin.own_project(), made.id, "172.24.4.0/24", enable_dhcp=False)
    subnets.create(tx, admin, order)
    return made


def a_router(tx, caller, public, private):
    router = routers.create(tx, caller, RouterOrder(caller.own_project(), gateway=GatewayOrder(public.id)))
    (subnet_id,) = networks.get(tx, caller, private.id).subnet_ids
    router_interfaces.add_by_subnet(tx, caller, router.id, subnet_id)
    return router, subnet_id


def test_a_router_joins_a_subnet_at_its_gateway(tx, caller, admin, public):
    private = make_network(tx, caller)
    router, subnet_id = a_router(tx, caller, public, private)
    (port,) = ports.list_(tx, caller, Query({"device_id": [router.id]}))
    assert (port.device_owner, port.fixed_ips[0].address) == ("network:router_interface", "10.0.0.1")
    gateway = ports.get(tx, admin, router.gateway.port_id)
    assert (gateway.device_owner, gateway.project_id) == ("network:router_gateway", "")
    with pytest.raises(Invalid, match="already has a port"):
        router_interfaces.add_by_subnet(tx, caller, router.id, subnet_id)
    with pytest.raises(ServicePortInUse):
        port_changes.remove(tx, caller, port.id)
    with pytest.raises(RouterInUse):
        routers.remove(tx, caller, router.id)
    router_interfaces.remove(tx, caller, router.id, subnet_id=subnet_id)
    routers.remove(tx, caller, router.id)
    assert ports.list_(tx, admin, Query({"device_id": [router.id]})) == []


def test_floating_ips_need_a_way_and_hold_it(tx, caller, public):
    private = make_network(tx, caller)
    port = ports.create(tx, caller, PortOrder(private.id, caller.own_project()))
    floating = floating_ips.create(tx, caller, FloatingIpOrder(caller.own_project(), public.id))
    with pytest.raises(ExternalGatewayForFloatingIPNotFound):
        floating_ips.change(tx, caller, floating.id, FloatingIpChanges(port_id=port.id))
    router, subnet_id = a_router(tx, caller, public, private)
    changed = floating_ips.change(tx, caller, floating.id, FloatingIpChanges(port_id=port.id))
    assert (changed.router_id, changed.fixed_address) == (router.id, port.fixed_ips[0].address)
    other = floating_ips.create(tx, caller, FloatingIpOrder(caller.own_project(), public.id))
    with pytest.raises(FloatingIPPortAlreadyAssociated):
        floating_ips.change(tx, caller, other.id, FloatingIpChanges(port_id=port.id))
    with pytest.raises(RouterInterfaceInUseByFloatingIP):
        router_interfaces.remove(tx, caller, router.id, subnet_id=subnet_id)
    with pytest.raises(RouterExternalGatewayInUseByFloatingIp):
        routers.change(tx, caller, router.id, RouterChanges(gateway=None))
    port_changes.remove(tx, caller, port.id)
    assert floating_ips.get(tx, caller, floating.id).port_id is None
    floating_ips.remove(tx, caller, floating.id)
    assert [one.id for one in floating_ips.list_(tx, caller, Query())] == [other.id]


def test_routes_lead_through_what_the_router_is_on(tx, caller, public):
    private = make_network(tx, caller)
    router, _ = a_router(tx, caller, public, private)
    for next_hop in ("10.9.0.1", "10.0.0.1"):
        with pytest.raises(Invalid, match="nexthop"):
            routers.add_routes(tx, caller, router.id, [HostRoute("192.168.0.0/24", next_hop)])
    route = HostRoute("192.168.0.0/24", "10.0.0.77")
    assert routers.add_routes(tx, caller, router.id, [route]).routes == (route,)
    assert routers.remove_routes(tx, caller, router.id, [route]).routes == ()
