"""From verbs to what OVN holds: every change arrives, and nothing is left after deletion."""

import subprocess

import pytest
from sqlalchemy import text

from tests.conftest import make_caller
from tests.network.ovn.stack import OvsdbServer, remove, short_directory
from tests.network.test_servers import FACTS, make_network, nics
from volutus import network, placement
from volutus.clock import SystemClock
from volutus.network import (
    floating_ips,
    network_removal,
    networks,
    port_changes,
    ports,
    router_interfaces,
    routers,
    security_groups,
    subnets,
)
from volutus.network.floating_ips import FloatingIpOrder
from volutus.network.listing import Query
from volutus.network.ovn import MemoryNorthbound, OvsdbClient, OvsdbNorthbound
from volutus.network.ovn.model import Kind
from volutus.network.reconcilers import reconcilers
from volutus.network.router_gateways import GatewayOrder
from volutus.network.routers import RouterOrder
from volutus.network.subnets import SubnetOrder
from volutus.placement.inventory import Overcommit
from volutus.reconcile import Worker

ADMIN = make_caller("admin-project", "admin", user="admin")


@pytest.fixture(params=["memory", "ovsdb"])
def northbound(request):
    """Both northbound databases: the simulated one, and OVN's own."""
    request.node.remote = None
    if request.param == "memory":
        yield MemoryNorthbound()
        return
    directory = short_directory()
    server = OvsdbServer(directory)
    server.start()
    request.node.remote = server.remote
    client = OvsdbClient(server.remote, SystemClock())
    yield OvsdbNorthbound(client)
    client.close()
    server.stop()
    remove(directory)


@pytest.fixture
def worker(database, northbound, clock):
    return Worker(database, reconcilers(database, northbound, clock))


def a_project(tx, caller):
    public = make_network(
        tx, ADMIN, "public", None, external=True, network_type="flat", physical_network="physnet1"
    )
    subnets.create(tx, ADMIN, SubnetOrder(ADMIN.own_project(), public.id, "172.24.4.0/24", enable_dhcp=False))
    private = make_network(tx, caller)
    v6 = SubnetOrder(caller.own_project(), private.id, "fd00::/64", address_mode="slaac", ra_mode="slaac")
    subnets.create(tx, caller, v6)
    router = routers.create(tx, caller, RouterOrder(caller.own_project(), gateway=GatewayOrder(public.id)))
    for subnet_id in networks.get(tx, caller, private.id).subnet_ids:
        router_interfaces.add_by_subnet(tx, caller, router.id, subnet_id)
    (port_id,) = network.ports_for_server(tx, caller, nics(caller, network.NicRequest(private.id)))
    floating = floating_ips.create(
        tx, caller, FloatingIpOrder(caller.own_project(), public.id, port_id=port_id, fixed_address=None)
    )
    return private, router, port_id, floating


def plug_in(node, port_id):
    """What northd does when a host has bound the port; the simulated database does so by itself."""
    if node.remote:
        order = ["set", "Logical_Switch_Port", port_id, "up=true"]
        subprocess.run(["ovn-nbctl", f"--db={node.remote}", "--timeout=5", *order], check=True)


def test_all_is_written_and_ports_come_up(request, database, worker, northbound, caller, clock):
    with database.begin() as tx:
        _, _, port_id, _ = a_project(tx, caller)
        host_id = placement.hosts.register(tx, "host-1", "nova")
        placement.hosts.record_facts(tx, host_id, FACTS, Overcommit())
        network.bind_ports(tx, "server-1", placement.hosts.get(tx, host_id))
        assert not network.ports_ready(tx, "server-1")
    settle(worker, clock)
    plug_in(request.node, port_id)
    settle(worker, clock)
    index = northbound.read_index()
    kinds = sorted({(key.kind.value) for key in index})
    assert kinds == ["network", "port", "router", "security_group"]
    with database.begin() as tx:
        assert network.ports_ready(tx, "server-1")
        assert ports.get(tx, caller, port_id).status == "ACTIVE"
        assert tx.value(text("SELECT count(*) FROM network_units WHERE written < wanted")) == 0


def test_a_port_that_goes_down_is_noticed(request, database, worker, northbound, caller, clock):
    with database.begin() as tx:
        _, _, port_id, _ = a_project(tx, caller)
        host_id = placement.hosts.register(tx, "host-1", "nova")
        placement.hosts.record_facts(tx, host_id, FACTS, Overcommit())
        network.bind_ports(tx, "server-1", placement.hosts.get(tx, host_id))
    settle(worker, clock)
    with database.begin() as tx:
        tx.execute(text("UPDATE network_units SET up = NOT up WHERE id = :id"), {"id": port_id})
    clock.advance(60)
    worker.scan()
    with database.begin() as tx:
        seen = northbound.ports_up([port_id])
        assert ports.get(tx, caller, port_id).status == ("ACTIVE" if seen else "BUILD")


def test_nothing_drifts_and_nothing_is_left(database, worker, northbound, caller, clock):
    with database.begin() as tx:
        private, router, _, floating = a_project(tx, caller)
    settle(worker, clock)
    clock.advance(60)
    worker.scan()
    with database.begin() as tx:
        assert tx.value(text("SELECT count(*) FROM work WHERE kind <> 'server'")) == 0
        network.release_ports(tx, "server-1")
        floating_ips.remove(tx, caller, floating.id)
        for subnet_id in networks.get(tx, caller, private.id).subnet_ids:
            router_interfaces.remove(tx, caller, router.id, subnet_id=subnet_id)
        routers.remove(tx, caller, router.id)
        network_removal.remove(tx, caller, private.id)
        for group in security_groups.list_(tx, caller, Query()):
            security_groups.remove(tx, ADMIN, group.id)
    settle(worker, clock)
    left = {key for key in northbound.read_index() if key.id != "drop"}
    with database.begin() as tx:
        (public,) = networks.list_(tx, ADMIN, Query())
        assert {key.id for key in left if key.kind is Kind.NETWORK} == {public.id}
        assert not {key for key in left if key.kind in (Kind.PORT, Kind.ROUTER)}
        assert tx.value(text("SELECT count(*) FROM network_units WHERE deleted_at IS NOT NULL")) == 0
        used = tx.rows(text("SELECT resource FROM quota_usage WHERE used <> 0 AND project_id = 'project-a'"))
        assert [row.resource for row in used] == []


def settle(worker, clock):
    for _ in range(30):
        worker.run_once()
        clock.advance(1)


def test_a_changed_port_is_touched(database, worker, caller, clock):
    with database.begin() as tx:
        _, _, port_id, _ = a_project(tx, caller)
    settle(worker, clock)
    with database.begin() as tx:
        port_changes.change(tx, caller, port_id, port_changes.PortChanges(enabled=False))
        assert not network.ports_ready(tx, "server-1")
    settle(worker, clock)
    with database.begin() as tx:
        assert network.ports_ready(tx, "server-1")
        assert ports.get(tx, caller, port_id).status == "DOWN"
