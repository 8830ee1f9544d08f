"""Addresses on external networks are paid for by whoever has them, floating or not, once, for their time."""

import pytest
from sqlalchemy import text

from tests.api.network.conftest import admin, net, public, stranger
from tests.billing.conftest import open_billing
from volutus import compute
from volutus.network import ports
from volutus.network.ports import PortOrder

__all__ = ["admin", "net", "public", "stranger"]
RANGES = text(
    """
    SELECT project_id, resource_kind, amount, upper_inf(during) AS is_open,
        extract(epoch FROM coalesce(upper(during), :now) - lower(during))::int AS seconds
    FROM usage_ranges WHERE meter = 'address' ORDER BY id LIMIT 100
    """
)


@pytest.fixture
def shared(admin):
    """An external network that tenants may have ports on, with both kinds of addresses."""
    made = admin.make("network", **{"name": "direct", "router:external": True, "shared": True})
    admin.subnet(made, "198.51.100.0/24")
    admin.subnet(made, "2001:db8::/64")
    return made


@pytest.fixture
def ranges(database):
    def read(*projects):
        with database.begin() as tx:
            rows = tx.rows(RANGES, {"now": tx.now})
        return [
            (row.resource_kind, int(row.amount), row.seconds, row.is_open)
            for row in rows
            if row.project_id in (projects or ("project-a",))
        ]

    return read


def test_a_port_on_an_external_network_pays_for_its_ipv4_addresses(net, shared, ranges, clock):
    port = net.make("port", network_id=shared["id"])
    assert len(port["fixed_ips"]) == 2
    (four,) = [one["subnet_id"] for one in port["fixed_ips"] if "." in one["ip_address"]]
    clock.advance(10)
    both = [*port["fixed_ips"], {"subnet_id": four}]
    net.put(f"ports/{port['id']}", {"port": {"fixed_ips": both}})
    clock.advance(5)
    net.put(f"ports/{port['id']}", {"port": {"name": "x", "fixed_ips": both[:2]}})
    net.put(f"ports/{port['id']}", {"port": {"fixed_ips": both[:2]}})
    clock.advance(3)
    assert ranges() == [("port", 1, 10, False), ("port", 2, 5, False), ("port", 1, 3, True)]
    six = [one for one in port["fixed_ips"] if ":" in one["ip_address"]]
    net.put(f"ports/{port['id']}", {"port": {"fixed_ips": six}})
    assert not any(is_open for *_, is_open in ranges())
    net.put(f"ports/{port['id']}", {"port": {"fixed_ips": [*six, {"subnet_id": four}]}})
    clock.advance(2)
    net.delete(f"ports/{port['id']}")
    clock.advance(2)
    assert ranges()[3:] == [("port", 1, 2, False)]


def test_a_router_pays_for_its_way_out_and_a_floating_ip_once(net, public, ranges, clock):
    router = net.make("router", external_gateway_info={"network_id": public["id"]})
    floating = net.make("floatingip", floating_network_id=public["id"])
    clock.advance(7)
    assert ranges() == [("port", 1, 7, True), ("floatingip", 1, 7, True)]
    net.delete(f"floatingips/{floating['id']}")
    net.put(f"routers/{router['id']}", {"router": {"external_gateway_info": {}}})
    clock.advance(1)
    net.put(f"routers/{router['id']}", {"router": {"external_gateway_info": {"network_id": public["id"]}}})
    clock.advance(4)
    net.delete(f"routers/{router['id']}")
    # The cloud's own ports are nobody's.
    assert ranges("project-a", "") == [
        ("port", 1, 7, False),
        ("floatingip", 1, 7, False),
        ("port", 1, 4, False),
    ]


def test_what_becomes_external_is_paid_for_from_then_on(net, admin, ranges, clock):
    inside = net.make("network", name="n")
    net.subnet(inside)
    net.make("port", network_id=inside["id"])
    assert ranges() == []
    admin.put(f"networks/{inside['id']}", {"network": {"router:external": True}})
    clock.advance(5)
    admin.put(f"networks/{inside['id']}", {"network": {"router:external": False}})
    clock.advance(5)
    rule = {"object_type": "network", "object_id": inside["id"], "target_tenant": "project-b"}
    policy = admin.make("rbac_policy", "rbac-policies", action="access_as_external", **rule)
    net.make("port", network_id=inside["id"])
    clock.advance(3)
    admin.delete(f"rbac-policies/{policy['id']}")
    assert ranges() == [("port", 1, 5, False), ("port", 1, 3, False), ("port", 1, 3, False)]


def test_ports_inside_take_no_more_statements(net, shared, database, caller):
    """Only on an external network is anything asked or written about addresses."""

    def count(network):
        with database.begin() as tx:
            port = ports.create(tx, caller, PortOrder(network["id"], caller.own_project()))
            made = tx.statements
            ports.erase(tx, caller, [port])
            return made, tx.statements - made

    inside = net.make("network", name="n")
    net.subnet(inside)
    net.subnet(inside, "2001:db8:1::/64")
    count(inside)
    (made, erased), more = count(inside), count(shared)
    assert more == (made + 3, erased)


def test_who_cannot_pay_has_no_way_out_and_in_the_end_gives_back_all(
    net,
    public,
    shared,
    ranges,
    database,
):
    router = net.make("router")
    port = net.make("port", network_id=shared["id"])
    with database.begin() as tx:
        open_billing(tx)
    way_out = {"router": {"external_gateway_info": {"network_id": public["id"]}}}
    assert net.api.put(f"/network/v2.0/routers/{router['id']}", way_out).status_code == 402
    assert [amount for _, amount, *_ in ranges()] == [1]
    net.show(f"ports/{port['id']}")
    with database.begin() as tx:
        tx.execute(text("UPDATE billing_region SET mode = 'showback'"))
    net.put(f"routers/{router['id']}", way_out)
    with database.begin() as tx:
        assert not compute.projects.remove(tx, ["project-a"])
    with database.begin() as tx:
        assert compute.projects.remove(tx, ["project-a"])
    assert not any(is_open for *_, is_open in ranges())
    assert net.show("ports") == []
