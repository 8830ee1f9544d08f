"""The contract of `Northbound`, on the real database and the simulated one; then drift on the real one."""

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.network.ovn import views
from tests.network.ovn.stack import OvsdbServer
from volutus.clock import SystemClock
from volutus.network.ovn import (
    Kind,
    Northbound,
    OvsdbClient,
    OvsdbNorthbound,
    PortUse,
    compile_view,
)
from volutus.network.ovn.compile import drop_group
from volutus.network.ovn.northbound import Result
from volutus.network.ovn.rows import Key, Unit

W, U, B = Result.WRITTEN, Result.UNCHANGED, Result.BLOCKED


def everything(ports: int = 3) -> list[Unit]:
    """A small cloud, in an order in which nothing waits."""
    shown = [views.network(), views.external(), views.group(), views.router(), views.metadata_port()]
    shown += [views.address_group()]
    shown += [views.port(number) for number in range(1, ports + 1)]
    return [drop_group(), *map(compile_view, shown)]


def results(northbound: Northbound, *units: Unit) -> list[Result]:
    answers = northbound.apply(units)
    return [answers[unit.key].result for unit in units]


def test_starts_empty(northbound: Northbound) -> None:
    assert northbound.read_index() == {}


def test_all_in_one_transaction(northbound: Northbound) -> None:
    units = everything()
    assert results(northbound, *units) == [W] * len(units)
    assert northbound.read_index() == {unit.key: unit.digest() for unit in units}


def test_applying_again_changes_nothing(northbound: Northbound) -> None:
    units = everything()
    northbound.apply(units)
    assert results(northbound, *units) == [U] * len(units)


CHANGES = [
    views.network(views.subnet4(dns_servers=())),
    views.network(views.subnet4(), views.subnet6(None)),
    replace(views.network(), mtu=1300),
    views.port(1, enabled=False),
    views.port(1, security_group_ids=()),
    views.port(1, port_security=False),
    views.port(1, host_ids=("h1",)),
    views.router(routes=(), floating_ips=(views.floating_ip(2),)),
    views.router(gateways=()),
    views.router(ports=()),
    views.router(gateway_host_ids=("h1", "h2")),
    views.group(views.rule(1), views.rule(2)),
    views.group(stateful=False),
]


@pytest.mark.parametrize("view", CHANGES, ids=lambda view: type(view).__name__)
def test_a_change_leaves_exactly_what_is_wanted(northbound: Northbound, view: object) -> None:
    northbound.apply(everything())
    unit = compile_view(view)
    assert results(northbound, unit) == [W]
    assert northbound.read_index() == {u.key: u.digest() for u in everything()} | {unit.key: unit.digest()}


@pytest.mark.parametrize("place", range(1, 7))
def test_removing_one_unit_leaves_the_others(northbound: Northbound, place: int) -> None:
    units = everything()
    northbound.apply(units)
    gone = units[place]
    results(northbound, Unit(gone.key))
    # A network takes its ports with it; nothing else takes anything with it but memberships.
    takes_ports = gone.key == Key(Kind.NETWORK, views.NET)
    left = {u.key for u in units if u is not gone and not (takes_ports and u.key.kind is Kind.PORT)}
    assert northbound.read_index().keys() == left


def test_removing_what_is_not_there_is_no_change(northbound: Northbound) -> None:
    gone = [Unit(Key(kind, views.port_id(99))) for kind in Kind]
    assert results(northbound, *gone) == [U] * len(Kind)


def test_removing_everything_leaves_nothing(northbound: Northbound) -> None:
    units = everything()
    northbound.apply(units)
    northbound.apply([Unit(unit.key) for unit in units])
    assert northbound.read_index() == {}


def test_a_port_waits_for_its_network_and_groups(northbound: Northbound) -> None:
    port = compile_view(views.port())
    answer = northbound.apply([port])[port.key]
    assert answer.result is B
    assert f"network {views.NET}" in answer.why
    assert f"security group {views.GROUP}" in answer.why
    assert northbound.read_index() == {}
    needed = [drop_group(), compile_view(views.network()), compile_view(views.group())]
    assert results(northbound, port, *needed) == [W] * 4


def test_a_blocked_port_does_not_keep_others_from_going(northbound: Northbound) -> None:
    northbound.apply(everything(1))
    lonely = compile_view(views.port(2, security_group_ids=("nowhere",)))
    assert results(northbound, lonely, compile_view(views.port(3))) == [B, W]


def test_a_port_moves_between_groups(northbound: Northbound) -> None:
    other = compile_view(replace(views.group(), id="other", rules=()))
    northbound.apply([*everything(), other])
    port = compile_view(views.port(1, security_group_ids=("other",)))
    assert results(northbound, port) == [W]
    assert northbound.read_index()[port.key] == port.digest()


def test_rows_of_a_floating_ip_move_with_it_between_routers(northbound: Northbound) -> None:
    northbound.apply(everything())
    second = replace(views.router(), id="second", ports=())
    outside = replace(second.gateways[0].port, port_id="second-outside")
    second = replace(second, gateways=(replace(second.gateways[0], port=outside),))
    units = [compile_view(second), compile_view(views.router(floating_ips=()))]
    assert results(northbound, *units) == [W, W]
    index = northbound.read_index()
    assert [index[unit.key] for unit in units] == [unit.digest() for unit in units]


def test_unbound_ports_are_not_up(northbound: Northbound) -> None:
    northbound.apply(everything())
    northbound.apply([compile_view(views.port(1, host_ids=()))])
    assert northbound.ports_up([views.port_id(1), views.port_id(77)]) == frozenset()
    assert northbound.ports_up([]) == frozenset()


def test_many_ports(northbound: Northbound) -> None:
    northbound.apply(everything(0))
    ports = [compile_view(views.port(number)) for number in range(1, 301)]
    assert results(northbound, *ports) == [W] * 300
    index = northbound.read_index()
    assert all(index[port.key] == port.digest() for port in ports)


# What follows is about the real database alone: somebody else writes to it.


def nbctl(ovsdb: OvsdbServer, *arguments: str) -> str:
    command = ["ovn-nbctl", "--timeout=5", f"--db={ovsdb.remote}", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()


PORT = views.port_id(1)
GROUP_NAME = "pg_" + views.GROUP.replace("-", "_")
SET_NAME = "ag_" + views.ADDRESSES.replace("-", "_") + "_ip4"
TAMPERING: list[tuple[str, Callable[[], list[str]], set[Kind]]] = [
    ("port deleted", lambda: ["lsp-del", PORT], {Kind.PORT}),
    ("port edited", lambda: ["lsp-set-addresses", PORT, "unknown"], {Kind.PORT}),
    ("port security off", lambda: ["lsp-set-port-security", PORT], {Kind.PORT}),
    ("port left group", lambda: ["pg-set-ports", "pg_drop", views.port_id(2)], {Kind.PORT}),
    ("switch deleted", lambda: ["ls-del", views.NET], {Kind.NETWORK, Kind.PORT}),
    ("switch edited", lambda: ["set", "logical_switch", views.NET, "other_config:x=y"], {Kind.NETWORK}),
    ("localnet deleted", lambda: ["lsp-del", f"provnet-{views.EXT}"], {Kind.NETWORK}),
    ("router deleted", lambda: ["lr-del", views.ROUTER], {Kind.ROUTER}),
    ("nat deleted", lambda: ["lr-nat-del", views.ROUTER, "snat"], {Kind.ROUTER}),
    ("nat added", lambda: ["lr-nat-add", views.ROUTER, "snat", "172.24.4.9", "10.7.0.0/24"], {Kind.ROUTER}),
    ("route added", lambda: ["lr-route-add", views.ROUTER, "10.66.0.0/24", "10.0.1.66"], {Kind.ROUTER}),
    ("balancer taken off", lambda: ["lr-lb-del", views.ROUTER], {Kind.ROUTER}),
    ("limit deleted", lambda: ["qos-del", views.NET], {Kind.PORT}),
    ("name edited", lambda: ["clear", "logical_switch", views.NET, "dns_records"], {Kind.NETWORK}),
    ("set emptied", lambda: ["clear", "address_set", SET_NAME, "addresses"], {Kind.ADDRESS_GROUP}),
    ("group deleted", lambda: ["pg-del", GROUP_NAME], {Kind.SECURITY_GROUP, Kind.PORT}),
    ("rules deleted", lambda: ["acl-del", GROUP_NAME], {Kind.SECURITY_GROUP}),
    ("rule added", lambda: ["acl-add", GROUP_NAME, "to-lport", "2000", "ip", "allow"], {Kind.SECURITY_GROUP}),
    ("drops deleted", lambda: ["acl-del", "pg_drop"], {Kind.SECURITY_GROUP}),
    (
        "port remade by hand",
        lambda: ["lsp-del", PORT, "--", "lsp-add", views.NET, PORT],
        {Kind.PORT},
    ),
    (
        "group remade by hand",
        lambda: ["pg-del", GROUP_NAME, "--", "pg-add", GROUP_NAME],
        {Kind.SECURITY_GROUP, Kind.PORT},
    ),
]


@pytest.mark.parametrize(("what", "tamper", "kinds"), TAMPERING, ids=[t[0] for t in TAMPERING])
def test_tampering_is_seen_and_mended(
    ovsdb: OvsdbServer, real: OvsdbNorthbound, what: str, tamper: Callable[[], list[str]], kinds: set[Kind]
) -> None:
    units = everything()
    real.apply(units)
    nbctl(ovsdb, *tamper())
    index = real.read_index()
    drifted = [unit for unit in units if index.get(unit.key) != unit.digest()]
    assert {unit.key.kind for unit in drifted} == kinds
    real.apply(drifted)
    assert real.read_index() == {unit.key: unit.digest() for unit in units}


def test_dhcp_options_deleted_behind_our_back(ovsdb: OvsdbServer, real: OvsdbNorthbound) -> None:
    units = everything()
    real.apply(units)
    nbctl(ovsdb, "--all", "destroy", "dhcp_options")
    index = real.read_index()
    drifted = [unit for unit in units if index.get(unit.key) != unit.digest()]
    assert {unit.key.kind for unit in drifted} == {Kind.NETWORK, Kind.PORT}
    real.apply(drifted)
    assert real.read_index() == {unit.key: unit.digest() for unit in units}


def test_rows_of_others_are_left_alone(ovsdb: OvsdbServer, real: OvsdbNorthbound) -> None:
    nbctl(ovsdb, "ls-add", "theirs", "--", "lsp-add", "theirs", "their-port", "--", "lr-add", "theirs")
    units = everything()
    real.apply(units)
    nbctl(ovsdb, "lsp-add", views.NET, "guest-of-ours")
    nbctl(ovsdb, "set", "logical_switch_port", PORT, "external_ids:note=theirs")
    real.apply([compile_view(views.port(1, enabled=False))])
    assert real.read_index().keys() == {unit.key for unit in units}
    assert nbctl(ovsdb, "get", "logical_switch_port", PORT, "external_ids:note") == "theirs"
    real.apply([Unit(unit.key) for unit in units if unit.key.kind is not Kind.NETWORK])
    assert nbctl(ovsdb, "--bare", "--columns=name", "find", "logical_switch_port", "name=guest-of-ours")
    assert nbctl(ovsdb, "--bare", "--columns=name", "find", "logical_router", "name=theirs")


def test_one_that_is_refused_does_not_stop_the_others(real: OvsdbNorthbound) -> None:
    real.apply(everything(0))
    # 5000 is no VLAN.
    bad_view = views.external()
    bad = compile_view(replace(bad_view, id="bad", provider=replace(bad_view.provider, vlan=5000)))
    good = compile_view(views.port(5))
    answers = real.apply([bad, good])
    assert answers[bad.key].result is Result.REFUSED
    assert "constraint" in answers[bad.key].why
    assert answers[good.key].result is W


def test_every_row_says_whose_it_is(ovsdb: OvsdbServer, real: OvsdbNorthbound, client: OvsdbClient) -> None:
    real.apply(everything())
    for table in ("Logical_Switch", "Logical_Switch_Port", "NAT", "ACL", "Port_Group", "Gateway_Chassis"):
        select = {"op": "select", "table": table, "where": [], "columns": ["external_ids"]}
        (answer,) = client.transact([select])
        assert answer["rows"]
        for row in answer["rows"]:
            assert {"volutus:kind", "volutus:id", "volutus:rev"} <= dict(row["external_ids"][1]).keys()


class Interfering(OvsdbClient):
    """Has somebody else write between our reading and our writing."""

    interference: list[list[dict]]

    def transact(self, operations):
        if self.interference and any(operation["op"] != "select" for operation in operations):
            super().transact(self.interference.pop())
        return super().transact(operations)


@pytest.mark.parametrize("table", ["Logical_Switch", "Port_Group"])
def test_what_is_needed_goes_while_we_write(ovsdb: OvsdbServer, real: OvsdbNorthbound, table: str) -> None:
    real.apply(everything(0))
    client = Interfering(ovsdb.remote, SystemClock())
    client.interference = [[{"op": "delete", "table": table, "where": []}]]
    port = compile_view(views.port())
    assert OvsdbNorthbound(client).apply([port])[port.key].result is B
    client.close()


def test_a_row_goes_while_we_change_it(ovsdb: OvsdbServer, real: OvsdbNorthbound) -> None:
    real.apply(everything())
    client = Interfering(ovsdb.remote, SystemClock())
    client.interference = [[{"op": "delete", "table": "Logical_Router", "where": []}]]
    router = compile_view(views.router(gateways=()))
    assert OvsdbNorthbound(client).apply([router])[router.key].result is W
    assert real.read_index()[router.key] == router.digest()
    client.close()


def test_workers_that_make_the_same_rows_at_once(ovsdb: OvsdbServer) -> None:
    shared = everything(0)
    ports = [compile_view(views.port(number)) for number in range(1, 41)]

    def work(number: int) -> set[Result]:
        client = OvsdbClient(ovsdb.remote, SystemClock())
        northbound = OvsdbNorthbound(client)
        answers = [northbound.apply([*shared, port]) for port in ports[number::4]]
        client.close()
        return {done.result for answer in answers for done in answer.values()}

    with ThreadPoolExecutor(4) as pool:
        assert set().union(*pool.map(work, range(4))) <= {W, U}
    northbound = OvsdbNorthbound(OvsdbClient(ovsdb.remote, SystemClock()))
    assert northbound.read_index() == {unit.key: unit.digest() for unit in (*shared, *ports)}


def test_a_restarted_database_is_used_again(ovsdb: OvsdbServer, real: OvsdbNorthbound) -> None:
    units = everything()
    real.apply(units)
    ovsdb.stop()
    ovsdb.start()
    assert real.read_index() == {unit.key: unit.digest() for unit in units}


def test_router_ports_join_both_sides(ovsdb: OvsdbServer, real: OvsdbNorthbound) -> None:
    inside = views.router().ports[0]
    switch_side = replace(views.port(2**21, use=PortUse.ROUTER, host_ids=()), id=inside.port_id)
    real.apply([*everything(), compile_view(switch_side)])
    assert inside.port_id in nbctl(ovsdb, "show", views.NET)
    assert f"router-port: lrp-{inside.port_id}" in nbctl(ovsdb, "show", views.NET)
