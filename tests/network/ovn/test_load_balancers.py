"""Load balancers as northbound rows, and kept as such."""

from dataclasses import replace

from tests.network.ovn import views
from volutus.network.ovn import (
    BackendView,
    Kind,
    ListenerView,
    LoadBalancerView,
    MonitorView,
    Northbound,
    compile_view,
)
from volutus.network.ovn.northbound import Result
from volutus.network.ovn.rows import Key, Unit

WEB = ListenerView(
    id="listener-web",
    protocol="tcp",
    addresses=("10.0.1.50", "172.24.4.50"),
    port=80,
    backends=(
        BackendView("10.0.1.11", 8080, views.port_id(1), "10.0.1.9"),
        BackendView("10.0.1.12", 8080, views.port_id(2), "10.0.1.9"),
    ),
    monitor=MonitorView(2, 1, 1, 3),
)
DNS = ListenerView("listener-dns", "udp", ("10.0.1.50",), 53, (BackendView("10.0.1.13", 53),), by_source=True)
BALANCER = LoadBalancerView(
    "lb", views.port_id(50), views.mac(50), "10.0.1.50/24", "10.0.1.1", listeners=(WEB, DNS)
)


def rows_of(unit: Unit, table: str) -> list[dict]:
    return [dict(row.columns) for row in unit.rows if row.table == table]


def test_listener_becomes_an_ovn_load_balancer() -> None:
    unit = compile_view(BALANCER)
    web, dns = rows_of(unit, "Load_Balancer")
    members = "10.0.1.11:8080,10.0.1.12:8080"
    assert web["vips"] == {"10.0.1.50:80": members, "172.24.4.50:80": members}
    assert web["ip_port_mappings"] == {
        "10.0.1.11": f"{views.port_id(1)}:10.0.1.9",
        "10.0.1.12": f"{views.port_id(2)}:10.0.1.9",
    }
    assert web["options"] == {"reject": "true"}
    assert dns["protocol"] == ("udp",)
    assert dns["selection_fields"] == ("ip_dst", "ip_src")
    checks = rows_of(unit, "Load_Balancer_Health_Check")
    assert {check["vip"] for check in checks} == {("10.0.1.50:80",), ("172.24.4.50:80",)}
    assert checks[0]["options"] == {
        "interval": "2", "timeout": "1", "success_count": "1", "failure_count": "3"
    }  # fmt: skip


def test_its_own_router_answers_for_the_address() -> None:
    unit = compile_view(BALANCER)
    (port,) = rows_of(unit, "Logical_Router_Port")
    assert port["name"] == (f"lrp-{views.port_id(50)}",)
    assert port["mac"] == (views.mac(50),)
    assert port["networks"] == ("10.0.1.50/24",)
    (route,) = rows_of(unit, "Logical_Router_Static_Route")
    assert (route["ip_prefix"], route["nexthop"]) == (("0.0.0.0/0",), ("10.0.1.1",))


def test_ipv6_places_are_in_brackets() -> None:
    listener = replace(WEB, addresses=("fd01::50",), backends=(BackendView("fd01::11", 80, "p", "fd01::9"),))
    unit = compile_view(replace(BALANCER, network="fd01::50/64", listeners=(listener,)))
    (row,) = rows_of(unit, "Load_Balancer")
    assert row["vips"] == {"[fd01::50]:80": "[fd01::11]:80"}
    assert row["ip_port_mappings"] == {"[fd01::11]": "p:[fd01::9]"}


def test_a_network_waits_for_the_listeners_it_names(northbound: Northbound) -> None:
    network = compile_view(replace(views.network(), listener_ids=("listener-web", "listener-dns")))
    assert northbound.apply([network])[network.key].result is Result.BLOCKED
    northbound.apply([compile_view(BALANCER)])
    assert northbound.apply([network])[network.key].result is Result.WRITTEN
    assert northbound.read_index()[network.key] == network.digest()


def test_listeners_that_went_are_taken_away(northbound: Northbound) -> None:
    northbound.apply([compile_view(BALANCER)])
    smaller = compile_view(replace(BALANCER, listeners=(replace(WEB, monitor=None),)))
    assert northbound.apply([smaller])[smaller.key].result is Result.WRITTEN
    assert northbound.apply([smaller])[smaller.key].result is Result.UNCHANGED
    assert northbound.read_index() == {smaller.key: smaller.digest()}
    northbound.apply([Unit(Key(Kind.LOAD_BALANCER, "lb"))])
    assert northbound.read_index() == {}
